// Whom may be posted to: a server of the world, or one that the admin has named. Otherwise whoever may set the address could reach
// into the network the appliance stands in, and read from the answer what is there.
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { ApplianceError } from '../../errors.ts';

/** Not of the world: RFC 6890 and its successors, addresses that hold an IPv4 address, multicast, and what is not given out. */
const NOT_PUBLIC_4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
const NOT_PUBLIC_6 = [
  ...['::/8', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32'],
  ...['2002::/16', '3fff::/20', '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];
// Apart: a BlockList takes an IPv4 address for the IPv6 address that maps it.
const notPublic = { 4: blockList(NOT_PUBLIC_4), 6: blockList(NOT_PUBLIC_6) };

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

const resolveNow: Resolve = host => lookup(host, { all: true, verbatim: true });

/**
 * The one address to connect to; asked anew it could be another.
 * @throws ApplianceError `post.no-address`, `post.private-address` when any address of the name is not to be posted to
 */
export async function chooseAddress(host: string, allowed: readonly string[], resolve = resolveNow): Promise<Address> {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  const named = parseAllowed(allowed);
  const found = await resolve(name).catch(cause => {
    throw new ApplianceError('unavailable', 'post.no-address', `the name ${name} has no address`, { cause });
  });
  for (const { address } of found)
    if (!contains(named, address) && !isPublic(address)) throw privateAddress(name, address);
  const [first] = found;
  const family = first === undefined ? 0 : isIP(first.address);
  if (first === undefined || (family !== 4 && family !== 6))
    throw new ApplianceError('unavailable', 'post.no-address', `the name ${name} has no address`);
  return { address: first.address, family };
}

/** @throws ApplianceError `post.allowed`, naming the entry */
export function parseAllowed(entries: readonly string[]): BlockList {
  return blockList(entries);
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix >= 0 && prefix <= most)) {
      throw new ApplianceError(
        'malformed',
        'post.allowed',
        `${JSON.stringify(entry.slice(0, 64))} is no address or range`,
        {
          hint: 'One on each line: 10.1.2.3, 10.1.0.0/16 or fd00::/8.',
        },
      );
    }
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

function isPublic(address: string): boolean {
  const family = isIP(address);
  return (family === 4 || family === 6) && !contains(notPublic[family], address);
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

function privateAddress(name: string, address: string): ApplianceError {
  return new ApplianceError(
    'refused',
    'post.private-address',
    name === address
      ? `${name} is not of the public network`
      : `${name} is ${address}, which is not of the public network`,
    {
      hint: 'If that is where the CRM is, name the address under “Addresses that may be posted to”.',
    },
  );
}

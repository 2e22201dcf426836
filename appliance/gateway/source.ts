// Where a connection comes from, as text for the portal and as the unit that budgets are counted by.
import { BlockList, isIP } from 'node:net';

const MAPPED_PREFIX = '::ffff:';
const GROUPS = 8; // of an IPv6 address
const SITE_GROUPS = 4; // a /64: what one customer's line gets, and can vary at will

/** An IPv4 address that came in on an IPv6 socket, as IPv4; anything else as it is. */
export function plainAddress(address: string): string {
  const rest = address.toLowerCase().startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : '';
  return isIP(rest) === 4 ? rest : address;
}

/** The source a budget counts for an address: the IPv4 address, or the IPv6 address's /64. */
export function sourceOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = (plain.split('%')[0] ?? '').split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, GROUPS - front.length - back.length) }, () => '0');
  const groups = [...front, ...zeros, ...back].slice(0, SITE_GROUPS);
  return `${groups.map(group => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

/** Addresses and ranges as a list that is quick to look into. @param ranges as the configuration has checked them */
export function rangesOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

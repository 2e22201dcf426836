// The cookie of a display, out of the user's Xauthority file. An entry is
//   family uint16 · address · display number · name of the method · cookie, each of the last four a uint16 length and bytes
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FAMILY = { local: 256, wild: 65_535, internet: 0 } as const;
const METHOD = 'MIT-MAGIC-COOKIE-1';
const MAX_FILE_BYTES = 1024 * 1024;

export interface DisplayPlace {
  /** Empty: a socket of this machine. */
  readonly host: string;
  readonly number: number;
  readonly screen: number;
}

export interface Cookie {
  readonly name: string;
  /** One character a byte. */
  readonly data: string;
}

interface Entry {
  readonly family: number;
  readonly address: Buffer;
  readonly number: string;
  readonly method: string;
  readonly data: Buffer;
}

const NO_COOKIE: Cookie = { name: '', data: '' };

/** @returns undefined when it names no display */
export function parseDisplay(text: string): DisplayPlace | undefined {
  const { host, number, screen } =
    /^(?:unix:?|(?<host>[\w.-]*)(?:\/unix)?)?:(?<number>\d{1,5})(?:\.(?<screen>\d{1,2}))?$/.exec(text)?.groups ?? {};
  if (number === undefined) return undefined;
  return { host: host ?? '', number: Number(number), screen: Number(screen ?? 0) };
}

/** @param path of the file. @returns an empty one when there is none for this display: many servers need none */
export async function readCookie(
  environment: NodeJS.ProcessEnv,
  display: DisplayPlace,
  host: { readonly name: string; readonly address: string | undefined },
): Promise<Cookie> {
  const path = environment.XAUTHORITY ?? join(environment.HOME ?? '', '.Xauthority');
  const file = await readFile(path).catch(() => Buffer.alloc(0));
  const found = parseXauthority(file.subarray(0, MAX_FILE_BYTES)).find(
    entry =>
      entry.method === METHOD && [String(display.number), ''].includes(entry.number) && isFor(entry, display, host),
  );
  return found === undefined ? NO_COOKIE : { name: METHOD, data: found.data.toString('latin1') };
}

function isFor(
  { family, address }: Entry,
  display: DisplayPlace,
  host: { readonly name: string; readonly address: string | undefined },
): boolean {
  if (family === FAMILY.wild) return true;
  // By convention a display behind this machine's own loopback, such as ssh's, is a local one.
  const isHere = display.host === '' || display.host === 'localhost' || host.address?.startsWith('127.') === true;
  if (isHere) return family === FAMILY.local && address.toString('latin1') === host.name;
  return family === FAMILY.internet && [...address].join('.') === host.address;
}

/** What is whole of it: a file that is being written ends in the middle of an entry. */
function parseXauthority(file: Buffer): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  const counted = () => {
    if (at + 2 > file.length) return undefined;
    const start = at + 2;
    at = start + file.readUInt16BE(at);
    return at > file.length ? undefined : file.subarray(start, at);
  };
  while (at + 2 <= file.length) {
    const family = file.readUInt16BE(at);
    at += 2;
    const [address, number, method, data] = [counted(), counted(), counted(), counted()];
    if (!address || !number || !method || !data) break;
    entries.push({ family, address, number: number.toString('latin1'), method: method.toString('latin1'), data });
  }
  return entries;
}

// Addresses and ranges of them (RFC 4632, RFC 4291), for allow lists (C-06). One address has one form here, however it is
// written: an IPv4 address mapped into IPv6 (::ffff:192.0.2.1) is the IPv4 address; a zone (%eth0) is no part of it.
import { isIP } from 'node:net';
import { ApplianceError } from '../errors.ts';

export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface AddressRange extends Address {
  /** Of the prefix. */
  readonly bits: number;
}

const MAX_CHARACTERS = 64;
const BITS = { 4: 32, 6: 128 } as const;
const MAPPED = 0xffffn; // the 96 bits before an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2)

/** @param text as a socket says it @returns undefined when it is no address */
export function parseAddress(text: string): Address | undefined {
  const [plain = '', ...zones] = text.split('%');
  if (zones.length > 1) return undefined;
  const family = isIP(plain);
  if (family === 4 && zones.length === 0) return { family, value: ofIpv4(plain) };
  if (family !== 6) return undefined;
  const value = ofIpv6(plain);
  return value >> 32n === MAPPED ? { family: 4, value: value & 0xffff_ffffn } : { family, value };
}

/** @param text an address or a range, such as 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 @throws ApplianceError `allow-list.malformed` */
export function parseRange(text: string): AddressRange {
  const [plain = '', prefix, ...more] = text.length > MAX_CHARACTERS ? [] : text.split('/');
  const address = plain.includes('%') ? undefined : parseAddress(plain);
  const isMapped = address?.family === 4 && plain.includes(':');
  const written = isMapped ? 6 : address?.family;
  if (address === undefined || written === undefined || more.length > 0) throw malformed(text);
  if (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix)) throw malformed(text);
  const bits = (prefix === undefined ? BITS[written] : Number(prefix)) - (isMapped ? 96 : 0);
  if (bits < 0 || bits > BITS[address.family]) throw malformed(text);
  const range = { ...address, bits };
  const network = { ...range, value: networkOf(range) };
  if (network.value === range.value) return range;
  // Not mended silently: whoever wrote 10.1.2.3/8 meant something else than all of 10.
  throw new ApplianceError('malformed', 'allow-list.malformed', `“${text}” is inside a range, not the start of one`, {
    hint: `Write ${presentRange(network)} for the whole range, or ${plain} for the one address.`,
  });
}

export function contains(range: AddressRange, address: Address): boolean {
  return range.family === address.family && networkOf({ ...address, bits: range.bits }) === range.value;
}

/** In the one form that is stored. */
export function presentRange({ family, value, bits }: AddressRange): string {
  const text = family === 4 ? groups(value, 4, 8n).join('.') : compressed(value);
  return bits === BITS[family] ? text : `${text}/${bits}`;
}

function networkOf({ family, value, bits }: AddressRange): bigint {
  const rest = BigInt(BITS[family] - bits);
  return (value >> rest) << rest;
}

function ofIpv4(text: string): bigint {
  return text.split('.').reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function ofIpv6(text: string): bigint {
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  const tail = dotted === undefined ? '' : groups(ofIpv4(dotted), 2, 16n).map(toHex).join(':');
  const [head = '', rest] = (dotted === undefined ? text : text.slice(0, -dotted.length) + tail).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeroes = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeroes, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function compressed(value: bigint): string {
  const all = groups(value, 8, 16n).map(toHex).join(':');
  return new URL(`http://[${all}]`).hostname.slice(1, -1); // RFC 5952, as the platform writes it
}

function groups(value: bigint, count: number, size: bigint): bigint[] {
  return Array.from({ length: count }, (_, at) => (value >> (size * BigInt(count - 1 - at))) & ((1n << size) - 1n));
}

function toHex(group: bigint): string {
  return group.toString(16);
}

function malformed(text: string): ApplianceError {
  const shown = text.slice(0, MAX_CHARACTERS);
  return new ApplianceError('malformed', 'allow-list.malformed', `“${shown}” is neither an address nor a range`, {
    hint: 'Such as 192.0.2.1, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32; no names and no zones.',
  });
}

// Canonical JSON: RFC 8785 (JCS) for the part of JSON we sign and hash: objects, arrays, strings, booleans and safe
// integers. Without fractions and null one value has one text, in every language.
import { ApplianceError } from '../errors.ts';

export type CanonicalValue =
  | string
  | number
  | boolean
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

const MAX_DEPTH = 16;

/** @throws ApplianceError `canonical-json.unfit` for anything but the values named above, or a lone surrogate */
export function canonicalJson(value: CanonicalValue): string {
  return write(value, 0);
}

/** UTF-8 of the canonical text. */
export function canonicalBytes(value: CanonicalValue): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(value));
}

function write(value: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw unfit(`more than ${MAX_DEPTH} levels`);
  if (typeof value === 'string') return writeString(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return writeInteger(value);
  if (Array.isArray(value)) return `[${value.map(item => write(item, depth + 1)).join(',')}]`;
  if (typeof value === 'object' && value !== null) return writeObject(value, depth);
  throw unfit(`a ${value === null ? 'null' : typeof value}`);
}

function writeObject(value: object, depth: number): string {
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)); // by UTF-16 code units, RFC 8785 §3.2.3
  return `{${pairs.map(([key, item]) => `${writeString(key)}:${write(item, depth + 1)}`).join(',')}}`;
}

function writeString(text: string): string {
  if (!text.isWellFormed()) throw unfit('a lone surrogate');
  return JSON.stringify(text);
}

function writeInteger(value: number): string {
  if (!Number.isSafeInteger(value)) throw unfit('a number that is not a safe integer');
  return String(value === 0 ? 0 : value); // −0 is written 0
}

function unfit(what: string): ApplianceError {
  return new ApplianceError('malformed', 'canonical-json.unfit', `canonical JSON can't hold ${what}`);
}

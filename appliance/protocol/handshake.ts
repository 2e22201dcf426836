// The four flights of the handshake. Hello is plain; the rest are payloads inside Noise messages.
//   0 C→A Hello   versions (count 1, each 1), suites (count 1, each 2), sid 16, commit 32
//   1 A→C Noise 1 suites seen (as in Hello), r_A 32
//   2 C→A Noise 2 r_C 32, credential, caps, linkId 16
//   3 A→C Noise 3 credential, caps
// credential: payload block ≤ 4 KiB, signature 64.  caps: count 1, each a text of at most 32 bytes.
import { ByteReader, type Bytes, ByteWriter, malformed } from './bytes.ts';
import { LINK_ID_BYTES } from './record.ts';
import { MAX_SIGNED_BYTES, SIGNATURE_BYTES, type Signed } from './signed.ts';

export const LINK_VERSION = 1;
/** Noise_XXpsk0_25519_AESGCM_SHA256. */
export const SUITE_XXPSK0 = 1;
export const SID_BYTES = 16;
export const COMMIT_BYTES = 32;
export const RANDOM_BYTES = 32;
export const MAX_CAPS = 16;
const MAX_CAP_BYTES = 32;

export interface Hello {
  readonly versions: readonly number[];
  readonly suites: readonly number[];
  readonly sid: Bytes;
  readonly commit: Bytes;
}

export interface Flight1 {
  /** The suites A read in Hello: C sees whether somebody took one away. */
  readonly suites: readonly number[];
  readonly random: Bytes;
}

export interface Flight2 {
  readonly random: Bytes;
  readonly credential: Signed;
  readonly caps: readonly string[];
  readonly linkId: Bytes;
}

export interface Flight3 {
  readonly credential: Signed;
  readonly caps: readonly string[];
}

export function writeHello({ versions, suites, sid, commit }: Hello): Bytes {
  const writer = new ByteWriter().uint(1, versions.length);
  for (const version of versions) writer.uint(1, version);
  writeSuites(writer, suites);
  return writer.bytes(sid).bytes(commit).done();
}

export function parseHello(bytes: Bytes): Hello {
  const reader = new ByteReader(bytes);
  const versions = [...reader.bytes(reader.uint(1))];
  const suites = readSuites(reader);
  const hello = { versions, suites, sid: reader.bytes(SID_BYTES), commit: reader.bytes(COMMIT_BYTES) };
  reader.end();
  return hello;
}

export function writeFlight1({ suites, random }: Flight1): Bytes {
  const writer = new ByteWriter();
  writeSuites(writer, suites);
  return writer.bytes(random).done();
}

export function parseFlight1(bytes: Bytes): Flight1 {
  const reader = new ByteReader(bytes);
  const flight = { suites: readSuites(reader), random: reader.bytes(RANDOM_BYTES) };
  reader.end();
  return flight;
}

export function writeFlight2({ random, credential, caps, linkId }: Flight2): Bytes {
  const writer = new ByteWriter(512).bytes(random);
  writeCredential(writer, credential);
  writeCaps(writer, caps);
  return writer.bytes(linkId).done();
}

export function parseFlight2(bytes: Bytes): Flight2 {
  const reader = new ByteReader(bytes);
  const random = reader.bytes(RANDOM_BYTES);
  const flight = {
    random,
    credential: readCredential(reader),
    caps: readCaps(reader),
    linkId: reader.bytes(LINK_ID_BYTES),
  };
  reader.end();
  return flight;
}

export function writeFlight3({ credential, caps }: Flight3): Bytes {
  const writer = new ByteWriter(512);
  writeCredential(writer, credential);
  writeCaps(writer, caps);
  return writer.done();
}

export function parseFlight3(bytes: Bytes): Flight3 {
  const reader = new ByteReader(bytes);
  const flight = { credential: readCredential(reader), caps: readCaps(reader) };
  reader.end();
  return flight;
}

function writeSuites(writer: ByteWriter, suites: readonly number[]): void {
  writer.uint(1, suites.length);
  for (const suite of suites) writer.uint(2, suite);
}

function readSuites(reader: ByteReader): number[] {
  return Array.from({ length: reader.uint(1) }, () => reader.uint(2));
}

function writeCredential(writer: ByteWriter, { payload, signature }: Signed): void {
  writer.block(payload).bytes(signature);
}

function readCredential(reader: ByteReader): Signed {
  return { payload: reader.block(MAX_SIGNED_BYTES), signature: reader.bytes(SIGNATURE_BYTES) };
}

function writeCaps(writer: ByteWriter, caps: readonly string[]): void {
  if (caps.length > MAX_CAPS) throw malformed(`${caps.length} capabilities`);
  writer.uint(1, caps.length);
  for (const cap of caps) writer.text(cap);
}

function readCaps(reader: ByteReader): string[] {
  const count = reader.uint(1);
  if (count > MAX_CAPS) throw malformed(`${count} capabilities`);
  return Array.from({ length: count }, () => reader.text(MAX_CAP_BYTES));
}

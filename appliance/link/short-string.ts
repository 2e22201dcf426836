// The short authentication string and the commitment that keeps anybody from choosing it. It covers only what both
// ends contributed before either knew the other's part; the final hash also covers fields a dishonest issuer of
// credentials could choose after the reveal.
import { type Bytes, concat, utf8Bytes } from '../protocol/bytes.ts';
import type { LinkCrypto } from './crypto.ts';

/** Both halves of one side's contribution: its ephemeral key and its random number. */
export interface Contribution {
  readonly ephemeral: Bytes;
  readonly random: Bytes;
}

export async function commitment(crypto: LinkCrypto, { ephemeral, random }: Contribution): Promise<Bytes> {
  return crypto.sha256(concat(utf8Bytes('c1'), ephemeral, random));
}

/** Six digits, compared by voice. */
export async function shortString(
  crypto: LinkCrypto,
  prologue: Bytes,
  applet: Contribution,
  console: Contribution,
): Promise<string> {
  const { ephemeral: eA, random: rA } = applet;
  const { ephemeral: eC, random: rC } = console;
  const hash = await crypto.sha256(concat(utf8Bytes('sas1'), prologue, eA, rA, eC, rC));
  const view = new DataView(hash.buffer, hash.byteOffset, 8);
  return String(view.getBigUint64(0) % 1_000_000n).padStart(6, '0');
}

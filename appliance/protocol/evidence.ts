// The evidence bundle of one session (K-03): one zip, in this order
//   manifest.json   canonical JSON, EvidenceManifest
//   manifest.sig    canonical JSON {kid, payload, signature}; payload {v, type, sid, sha256, bytes, kid} names manifest.json
//   log.html        the log to be read
//   verify.html     the verifier
//   recording-N.…   films, where they are kept
// It is signed by the appliance's key `manifest`, which vouches for the other keys named in it.
import type { HashedEntry } from './audit-entry.ts';
import { type Bytes, malformed, utf8Text } from './bytes.ts';
import { canonicalJson } from './canonical-json.ts';
import type { SignedManifest } from './recorder-portal.ts';

export const MANIFEST_DOMAIN = 'appliance/manifest/v1';
export const [MANIFEST_FILE, SIGNATURE_FILE] = ['manifest.json', 'manifest.sig'];
/** The entry that ends a bundle's part of the log, and commits the chain to all entries of the session before it. */
export const EXPORTED_EVENT = 'session.evidence-exported';
export const MAX_EVIDENCE_MANIFEST_BYTES = 64 * 1024 * 1024;

export interface EvidenceFile {
  readonly name: string;
  readonly bytes: number;
  /** base64url */
  readonly sha256: string;
}

/** An entry as it is in the chain, and the hash of the one before it. What is null there is left out. */
export type EvidenceEntry = Partial<Omit<HashedEntry, 'actor'>> & {
  readonly actor: Partial<HashedEntry['actor']>;
  readonly previous: string;
  readonly hash: string;
};

export interface EvidenceHead {
  readonly log: string;
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  readonly kid: string;
  /** base64url, over {log, seq, hash, kid} */
  readonly signature: string;
}

/** What the applet signed: the answer to a question, or what was done. It stands in the body of that entry. */
export interface EvidenceStatement {
  readonly seq: number;
  readonly kind: 'consent' | 'report';
  readonly payload: string;
  readonly signature: string;
}

export interface EvidenceRecording {
  /** As it was signed when the recording was finished. */
  readonly manifest: SignedManifest;
  readonly rcrec?: string | undefined;
  readonly avi?: undefined | { readonly name: string; readonly manifest: SignedManifest };
}

export interface EvidenceManifest {
  readonly v: 1;
  readonly type: 'evidence';
  readonly sid: string;
  readonly organisation: string;
  readonly madeAt: number;
  readonly madeBy: string;
  /** State, technician, customer, times: what is known of them. */
  readonly session: Readonly<Record<string, string | number>>;
  /** The session's key was destroyed: texts, consents and the customer's name can be read by nobody any more. */
  readonly isErased: boolean;
  readonly appletKey?: string;
  /** SPKI, base64url */
  readonly keys: Readonly<Record<'manifest' | 'log-head' | 'receipts', string>>;
  /** All files behind the first two, in order. */
  readonly files: readonly EvidenceFile[];
  readonly recordings: readonly EvidenceRecording[];
  readonly statements: readonly EvidenceStatement[];
  readonly chain: { readonly entries: readonly EvidenceEntry[]; readonly head: EvidenceHead };
}

/** What the digest in the last entry is the SHA-256 of. */
export function committedText(entries: readonly { readonly seq: number; readonly hash: string }[]): string {
  return entries.map(({ seq, hash }) => `${seq} ${hash}\n`).join('');
}

/** The object in canonical bytes. @throws ApplianceError `protocol.malformed` */
export function readObject(bytes: Bytes): Readonly<Record<string, unknown>> {
  const text = utf8Text(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed('no JSON', cause);
  }
  if (typeof value !== 'object' || value === null || canonicalJson(value as Record<string, string>) !== text)
    throw malformed('JSON that is not canonical');
  return value as Readonly<Record<string, unknown>>;
}

// What an audit entry is, and its canonical bytes: RFC 8785 JSON after a domain string. A body (a chat line) stands in
// them by the hash of its ciphertext, so that erasing the body leaves the chain whole.
import { createHash } from 'node:crypto';
import { fromBase64Url, type SessionId, toBase64Url } from '../guid.ts';
import { ENTRY_DOMAIN, entryText } from '../protocol/audit-entry.ts';

export type ActorKind = 'member' | 'settings-account' | 'customer' | 'appliance' | 'anyone';

/** Who acted: id and name as they were at that time, and the address he came from. */
export interface Actor {
  readonly kind: ActorKind;
  readonly id: string | null;
  readonly name: string | null;
  readonly address: string | null;
}

/** The appliance itself, as the actor of what it does by the clock. */
export const applianceActor: Actor = { kind: 'appliance', id: null, name: null, address: null };

export type AuditDetail = Readonly<Record<string, string | number | boolean | null>>;

/** What a domain hands in. */
export interface AuditEvent {
  /** `login.succeeded`: a noun, a dot, what became of it. */
  readonly event: string;
  readonly actor: Actor;
  readonly sessionId?: SessionId;
  /** Id of what was acted on. */
  readonly subject?: string;
  readonly detail?: AuditDetail;
  /** Plain text that is sealed under the session's key; needs `sessionId`. */
  readonly body?: Uint8Array;
}

/** An entry as it is chained. Bytes are base64url, instants ms UTC. */
export interface AuditEntry {
  readonly log: string;
  readonly seq: number;
  readonly at: number;
  readonly event: string;
  readonly actor: Actor;
  readonly sessionId: string | null;
  readonly subject: string | null;
  readonly detail: AuditDetail;
  readonly bodyHash: string | null;
  /** SHA-256 over the previous entry's hash and this entry's canonical bytes. */
  readonly hash: string;
}

export const HASH_BYTES = 32;
/** What the first entry names as the entry before it. */
export const NO_HASH = toBase64Url(new Uint8Array(HASH_BYTES));

/** @param previous base64url hash of the entry before, or NO_HASH */
export function hashEntry(entry: Omit<AuditEntry, 'hash'>, previous: string): string {
  const hash = createHash('sha256').update(`${ENTRY_DOMAIN}\0`);
  return hash.update(entryText(entry, previous), 'utf8').digest('base64url');
}

/** SHA-256 of a sealed body, base64url. */
export function hashBody(sealed: Uint8Array): string {
  return createHash('sha256').update(sealed).digest('base64url');
}

export function hashToBytes(hash: string): Uint8Array {
  return fromBase64Url(hash);
}

/** What a body is sealed to: it opens nowhere else in the log. */
export function bodyLabel(log: string, seq: number): string {
  return `audit/${log}/${seq}`;
}

// The bytes an entry of the log is hashed over, after its domain: whoever keeps the log and whoever checks it make them here.
import { type CanonicalValue, canonicalJson } from './canonical-json.ts';

export const ENTRY_DOMAIN = 'appliance/audit-entry/v1';
export const LOG_HEAD_DOMAIN = 'appliance/log-head/v1';

/** What of an entry is hashed; bytes are base64url. */
export interface HashedEntry {
  readonly log: string;
  readonly seq: number;
  readonly at: number;
  readonly event: string;
  readonly actor: { readonly kind: string; readonly id: string | null } & Readonly<
    Record<'name' | 'address', string | null>
  >;
  readonly sessionId: string | null;
  readonly subject: string | null;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
  readonly bodyHash: string | null;
}

/** @param previous base64url hash of the entry before; @throws ApplianceError `canonical-json.unfit` */
export function entryText(entry: HashedEntry, previous: string): string {
  const { log, seq, at, event, actor, sessionId, subject, detail, bodyHash } = entry;
  return canonicalJson({
    ...withoutNulls({ log, seq, at, event, sessionId, subject, bodyHash, previous }),
    actor: withoutNulls({ kind: actor.kind, id: actor.id, name: actor.name, address: actor.address }),
    detail: withoutNulls(detail),
  });
}

/** Canonical JSON has no null: what isn't there isn't written. */
export function withoutNulls<T extends CanonicalValue>(
  fields: Readonly<Record<string, T | null | undefined>>,
): { [key: string]: T } {
  const there: { [key: string]: T } = {};
  for (const [name, value] of Object.entries(fields)) if (value !== null && value !== undefined) there[name] = value;
  return there;
}

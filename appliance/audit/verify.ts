// Checks an exported log with nothing but the export, a public key, and — best — heads that were kept elsewhere.
// It needs no appliance: anyone can run it (G-03).
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { fromBase64Url } from '../guid.ts';
import { LOG_HEAD_DOMAIN } from '../protocol/audit-entry.ts';
import { canonicalBytes } from '../protocol/canonical-json.ts';
import { hashBody, hashEntry } from './entry.ts';

const MAX_LINE_CHARACTERS = 512 * 1024;

const text = z.string().max(100_000);
const Entry = z.strictObject({
  type: z.literal('entry'),
  log: text,
  seq: z.int().min(1),
  at: z.int(),
  event: text,
  actor: z.strictObject({
    kind: z.enum(['member', 'settings-account', 'customer', 'appliance', 'anyone']),
    id: text.nullable(),
    name: text.nullable(),
    address: text.nullable(),
  }),
  sessionId: text.nullable(),
  subject: text.nullable(),
  detail: z.record(z.string(), z.union([z.string(), z.int(), z.boolean(), z.null()])),
  bodyHash: text.nullable(),
  hash: text,
  /** Sealed body, base64url, where the export took it along. */
  body: text.optional(),
});
const Head = z.strictObject({
  type: z.literal('head'),
  log: text,
  seq: z.int().min(1),
  hash: text,
  at: z.int(),
  kid: text,
  signature: text,
});
const Start = z.strictObject({ type: z.literal('start'), version: z.literal(1), seq: z.int().min(0), hash: text });
/** Entries that are not there any more: `fromSeq` to `seq`, the last of which had this hash. */
const Cut = z.strictObject({ type: z.literal('cut'), fromSeq: z.int().min(1), seq: z.int().min(1), hash: text });
const Line = z.discriminatedUnion('type', [Start, Entry, Head, Cut]);
/** What the log says of entries it destroyed (audit/retention.ts). */
export const DESTROYED_EVENT = 'retention.log-destroyed';

interface Gone {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly lastHash: string;
}

/** As such an entry names what is gone by then. */
export function writeGone({ firstSeq, lastSeq, lastHash }: Gone): string {
  return `${firstSeq}-${lastSeq}:${lastHash}`;
}

type EntryLine = z.infer<typeof Entry>;
type HeadLine = z.infer<typeof Head>;

export interface KeptHead {
  readonly seq: number;
  readonly hash: string;
}

export interface Problem {
  /** Number of the first entry concerned; null when it is about the export as a whole. */
  readonly seq: number | null;
  readonly code:
    | 'malformed'
    | 'changed'
    | 'hole'
    | 'order'
    | 'body'
    | 'head-signature'
    | 'head-differs'
    | 'tail-cut'
    | 'cut'
    | 'no-head';
  readonly what: string;
}

export interface Verdict {
  readonly ok: boolean;
  readonly entries: number;
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  /** Entries after this one are chained but not yet under a signed head. */
  readonly signedSeq: number | null;
  /**
   * Where it begins: at the first entry there ever was, behind what was destroyed when its time was over — an entry of this very
   * log says so — or somewhere else, as an export of a part does.
   */
  readonly start: 'first' | 'retention' | 'part';
  /** In the order of the chain; the first names the first bad entry. */
  readonly problems: readonly Problem[];
}

const MAX_PROBLEMS = 100;

/** Takes the lines of an export one after the other; `finish` says what it found. */
export class LogVerifier {
  readonly #key: KeyObject;
  readonly #kept: readonly KeptHead[];
  readonly #problems: Problem[] = [];
  readonly #heads: HeadLine[] = [];
  // Hashes of entries that a head or a kept head could speak of.
  readonly #hashes = new Map<number, string>();
  #previous: { seq: number; hash: string } | null = null;
  #start: { seq: number; hash: string } | null = null;
  readonly #cuts: z.infer<typeof Cut>[] = [];
  /** What was destroyed, as entries of this log tell it. */
  readonly #destroyed: Gone[] = [];
  #entries = 0;
  #firstSeq: number | null = null;

  /**
   * @param publicKey PEM of the log-head key
   * @param kept heads from syslog, a customer's report, a peer site
   */
  constructor(publicKey: string, kept: readonly KeptHead[] = []) {
    this.#key = createPublicKey(publicKey);
    this.#kept = kept;
  }

  line(textLine: string): void {
    if (textLine.trim() === '') return;
    const line = parseLine(textLine);
    if (line === undefined) this.#problem(null, 'malformed', 'a line that is no part of an export');
    else if (line.type === 'head') this.#heads.push(line);
    else if (line.type === 'entry') this.#entry(line);
    else if (line.type === 'cut') this.#cut(line);
    else if (this.#previous !== null) this.#problem(null, 'order', 'the start stands after entries');
    else {
      this.#start = line;
      this.#reached(line.seq, line.hash);
    }
  }

  finish(): Verdict {
    const last = this.#entries === 0 ? null : (this.#previous?.seq ?? null);
    let signedSeq: number | null = null;
    for (const head of this.#heads) {
      if (!this.#headHolds(head)) continue;
      this.#compare(head, 'a signed head', last);
      signedSeq = Math.max(signedSeq ?? 0, head.seq);
    }
    for (const cut of this.#cuts) {
      if (this.#isTold({ firstSeq: cut.fromSeq, lastSeq: cut.seq, lastHash: cut.hash })) continue;
      this.#problem(
        cut.seq,
        'cut',
        `entries ${cut.fromSeq} to ${cut.seq} are missing, and the log does not say that they were destroyed`,
      );
    }
    for (const kept of this.#kept) this.#compare(kept, 'a head kept elsewhere', last);
    if (signedSeq === null) this.#problem(null, 'no-head', 'no signed head: anyone could have written this log');
    this.#problems.sort((a, b) => (a.seq ?? Number.MAX_SAFE_INTEGER) - (b.seq ?? Number.MAX_SAFE_INTEGER));
    return {
      ok: this.#problems.length === 0,
      entries: this.#entries,
      firstSeq: this.#firstSeq,
      lastSeq: last,
      signedSeq,
      start: this.#startedAt(),
      problems: this.#problems,
    };
  }

  #entry(line: EntryLine): void {
    this.#entries++;
    this.#firstSeq ??= line.seq;
    const previous = this.#previous;
    if (previous === null) this.#problem(line.seq, 'malformed', 'the export has no start line before its first entry');
    else if (line.seq > previous.seq + 1)
      this.#problem(previous.seq + 1, 'hole', `entry ${previous.seq + 1} is missing`);
    else if (line.seq !== previous.seq + 1) this.#problem(line.seq, 'order', `entry ${line.seq} after ${previous.seq}`);
    else if (!hashHolds(line, previous.hash)) this.#problem(line.seq, 'changed', `entry ${line.seq} was changed`);
    if (line.body !== undefined && !bodyHolds(line))
      this.#problem(line.seq, 'body', `the body of ${line.seq} was changed`);
    if (line.event === DESTROYED_EVENT) this.#destroyed.push(...readGone(line));
    this.#reached(line.seq, line.hash);
  }

  #cut(line: z.infer<typeof Cut>): void {
    const previous = this.#previous;
    if (previous === null) this.#start = { seq: 0, hash: '' };
    const expected = (previous?.seq ?? 0) + 1;
    if (line.fromSeq > expected) this.#problem(expected, 'hole', `entry ${expected} is missing`);
    else if (line.fromSeq < expected || line.seq < line.fromSeq)
      this.#problem(line.fromSeq, 'order', `a cut from ${line.fromSeq} to ${line.seq} after ${expected - 1}`);
    this.#cuts.push(line);
    this.#reached(line.seq, line.hash);
  }

  #reached(seq: number, hash: string): void {
    if (seq > 0) this.#hashes.set(seq, hash);
    this.#previous = { seq, hash };
  }

  #startedAt(): Verdict['start'] {
    if (this.#start === null) return 'part';
    const { seq, hash } = this.#start;
    if (seq > 0) return this.#isTold({ firstSeq: 1, lastSeq: seq, lastHash: hash }) ? 'retention' : 'part';
    return this.#cuts[0]?.fromSeq === 1 ? 'retention' : 'first';
  }

  /** That all of it was destroyed, and no more than that: one that tells of its end may tell of less of it. */
  #isTold({ firstSeq, lastSeq, lastHash }: Gone): boolean {
    if (!this.#destroyed.some(one => one.lastSeq === lastSeq && one.lastHash === lastHash)) return false;
    let reached = firstSeq - 1;
    for (const one of this.#destroyed.toSorted((a, b) => a.firstSeq - b.firstSeq))
      if (one.firstSeq <= reached + 1) reached = Math.max(reached, one.lastSeq);
    return reached >= lastSeq;
  }

  #headHolds(head: HeadLine): boolean {
    const holds = isSigned(head, this.#key);
    if (!holds) this.#problem(head.seq, 'head-signature', `the head at ${head.seq} is not signed by the appliance`);
    return holds;
  }

  #compare({ seq, hash }: KeptHead, name: string, last: number | null): void {
    const found = this.#hashes.get(seq);
    if (found === hash) return;
    if (found !== undefined) this.#problem(seq, 'head-differs', `${name} names another entry ${seq}`);
    else if (last === null || seq > last)
      this.#problem(seq, 'tail-cut', `${name} speaks of entry ${seq}, the log ends before`);
  }

  #problem(seq: number | null, code: Problem['code'], what: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ seq, code, what });
  }
}

function readGone({ detail: { fromSeq, throughSeq, hash, gone } }: EntryLine): Gone[] {
  const own = `${String(fromSeq)}-${String(throughSeq)}:${String(hash)}`;
  return [...`${own} ${String(gone ?? '')}`.matchAll(/(?<= |^)(\d{1,15})-(\d{1,15}):(\S+)/g)].map(
    ([, first, last, lastHash = '']) => ({ firstSeq: Number(first), lastSeq: Number(last), lastHash }),
  );
}

function parseLine(textLine: string): z.infer<typeof Line> | undefined {
  if (textLine.length > MAX_LINE_CHARACTERS) return undefined;
  try {
    return Line.parse(JSON.parse(textLine));
  } catch {
    return undefined; // reported by the caller as a line that is no part of an export
  }
}

function hashHolds(line: EntryLine, previous: string): boolean {
  const { type: _type, body: _body, hash, ...entry } = line;
  try {
    return hashEntry(entry, previous) === hash;
  } catch {
    return false; // a value the canonical form can't hold was never hashed by us
  }
}

function isSigned({ log, seq, hash, kid, signature }: HeadLine, publicKey: KeyObject): boolean {
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  try {
    const payload = Buffer.concat([Buffer.from(`${LOG_HEAD_DOMAIN}\0`), canonicalBytes({ log, seq, hash, kid })]);
    return verify('sha256', payload, key, Buffer.from(signature, 'base64url'));
  } catch {
    return false; // a value the canonical form can't hold was never signed by us
  }
}

function bodyHolds(line: EntryLine): boolean {
  try {
    return line.bodyHash !== null && hashBody(fromBase64Url(line.body ?? '')) === line.bodyHash;
  } catch {
    return false; // not base64url
  }
}

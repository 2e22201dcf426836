// What an evidence manifest says of a session, held against what others have signed: the log's head, the session's applet, the
// recorder. Part of evidence-check.ts.
import { fromBase64Url, toBase64Url } from '../guid.ts';
import { ENTRY_DOMAIN, entryText, type HashedEntry, LOG_HEAD_DOMAIN } from './audit-entry.ts';
import { utf8Bytes } from './bytes.ts';
import { canonicalBytes } from './canonical-json.ts';
import {
  committedText,
  type EvidenceEntry,
  type EvidenceManifest,
  type EvidenceRecording,
  type EvidenceStatement,
  EXPORTED_EVENT,
  MANIFEST_DOMAIN,
  readObject,
} from './evidence.ts';
import type { EvidenceCheck } from './evidence-check.ts';
import { checkProof } from './evidence-proof.ts';
import type { SignedManifest } from './recorder-portal.ts';

const NO_HASH = toBase64Url(new Uint8Array(32));
/** With which the log names the key of the session's applet. */
const APPLET_EVENTS: readonly string[] = ['session.claimed', 'session.returned-by-ticket'];
const STATEMENT_DOMAINS = { consent: 'appliance/consent/v1', report: 'appliance/report/v1' } as const;

/**
 * The head is signed and is the hash of the last entry; that one names the digest of all before it; each entry gives its own
 * hash. Of other sessions nothing is told but the hash before an entry.
 */
export async function checkChain(check: EvidenceCheck, { sid, chain, keys }: EvidenceManifest): Promise<string> {
  const { entries, head } = chain;
  let before: EvidenceEntry | undefined;
  for (const entry of entries) {
    const where = `entry ${entry.seq}`;
    if (!hashHolds(check, entry)) check.problem(where, 'it was changed: its hash is another');
    if (entry.sessionId !== sid) check.problem(where, 'it is of another session');
    if ((entry.seq ?? 0) <= (before?.seq ?? 0)) check.problem(where, 'it is not in its place: entries were reordered');
    if (entry.seq === (before?.seq ?? 0) + 1 && entry.previous !== (before?.hash ?? NO_HASH))
      check.problem(where, 'the entry before it is not the one it names');
    before = entry;
  }
  const last = entries.at(-1);
  if (last === undefined || last.event !== EXPORTED_EVENT) {
    check.problem('log', 'the entry that ends the bundle’s part of the log is missing');
    return '';
  }
  const committed = entries.slice(0, -1).map(({ seq = 0, hash }) => ({ seq, hash }));
  if (last.detail?.digest !== check.sha256(utf8Bytes(committedText(committed))))
    check.problem(
      'log',
      `entries were added, left out, changed or reordered: they are not those entry ${last.seq} names`,
    );
  const { log, seq, hash, kid, signature } = head;
  if (seq !== last.seq || hash !== last.hash || log !== last.log)
    check.problem('log head', 'the signed head is not that of the last entry');
  if (!(await check.isSigned(LOG_HEAD_DOMAIN, keys['log-head'], canonicalBytes({ log, seq, hash, kid }), signature)))
    check.problem('log head', 'it is not signed by the appliance');
  return `All ${entries.length} entries of this session are those the signed head of the log (entry ${seq}) stands for.`;
}

function hashHolds(check: EvidenceCheck, { previous, hash, ...fields }: EvidenceEntry): boolean {
  const none = { sessionId: null, subject: null, bodyHash: null, detail: {} };
  const actor = { id: null, name: null, address: null, kind: '', ...fields.actor };
  const entry: HashedEntry = { log: '', seq: 0, at: 0, event: '', ...none, ...fields, actor };
  return check.sha256(utf8Bytes(`${ENTRY_DOMAIN}\0${entryText(entry, previous)}`)) === hash;
}

/** Answers and reports: one for each entry that has one, signed by the session's applet, of this session, and what the log says of them. */
export async function checkStatements(check: EvidenceCheck, manifest: EvidenceManifest): Promise<string | null> {
  const { statements, chain, isErased } = manifest;
  if (isErased) {
    const what = 'The session was erased: its texts, consents and the customer’s name can be read by nobody any more.';
    check.notes.push(`${what} What was said stands in the log by its hash.`);
    if (statements.length === 0) return null;
  }
  const entries = new Map(chain.entries.map(entry => [entry.seq, entry]));
  const keys = appletKeysIn(chain.entries);
  const seen = new Set<number>();
  const counts = { consent: 0, report: 0 };
  for (const statement of statements) {
    const { seq, kind } = statement;
    const where = `${kind === 'consent' ? 'consent' : 'report'} in entry ${seq}`;
    if (seen.has(seq)) check.problem(where, 'it is there twice');
    seen.add(seq);
    counts[kind]++;
    const key = keys.findLast(one => one.seq < seq)?.key;
    await check.attempt(where, () =>
      checkStatement(check, { sid: manifest.sid, key, statement }, entries.get(seq), where),
    );
  }
  for (const { seq = 0, event = '', bodyHash } of isErased ? [] : chain.entries) {
    if (seen.has(seq) || bodyHash === undefined || !event.startsWith('action.')) continue;
    if (event === 'action.consent') check.problem(`consent in entry ${seq}`, 'the customer’s answer is missing');
    else check.problem(`report in entry ${seq}`, 'what the applet reported is missing');
  }
  if (statements.length === 0) return null;
  const [answers, reports] = [counted(counts.consent, 'answer'), counted(counts.report, 'report')];
  return `The session’s applet has signed ${answers} of the customer and ${reports} of what was done.`;
}

interface AppletKey {
  /** Of the entry from which on it signs. */
  readonly seq: number;
  readonly key: string;
}

/** Oldest first: after a reboot the applet is another process with a key of its own, and the log says so. */
function appletKeysIn(entries: readonly EvidenceEntry[]): AppletKey[] {
  return entries.flatMap(({ event, seq = 0, detail }) =>
    APPLET_EVENTS.includes(event ?? '') && typeof detail?.appletKey === 'string'
      ? [{ seq, key: detail.appletKey }]
      : [],
  );
}

async function checkStatement(
  check: EvidenceCheck,
  of: { readonly sid: string; readonly key: string | undefined; readonly statement: EvidenceStatement },
  entry: EvidenceEntry | undefined,
  where: string,
): Promise<void> {
  const { kind, payload, signature } = of.statement;
  const bytes = fromBase64Url(payload);
  if (of.key === undefined || !(await check.isSigned(STATEMENT_DOMAINS[kind], of.key, bytes, signature)))
    check.problem(where, 'it is not signed by the session’s applet');
  const said = readObject(bytes);
  if (said.sid !== of.sid) check.problem(where, 'it is of another session');
  if (said.type !== kind) check.problem(where, 'it is something else');
  if (entry?.subject !== said.consentId) check.problem(where, 'the log’s entry is about another question');
  const { detail = {} } = entry ?? {};
  const isSame = kind === 'consent' ? detail.answer === said.answer : entry?.event === `action.${String(said.stage)}`;
  if (!isSame || detail.action !== said.action) check.problem(where, 'the log says something else of it');
}

export async function checkRecordings(check: EvidenceCheck, manifest: EvidenceManifest): Promise<string | null> {
  const { recordings, chain } = manifest;
  const shown = new Set<unknown>();
  for (const [index, recording] of recordings.entries()) {
    const where = `recording ${index + 1}`;
    await check.attempt(where, async () => {
      shown.add(await checkRecording(check, manifest, recording, where));
    });
  }
  for (const { seq, event, detail } of chain.entries)
    if (event === 'recording.finished' && !shown.has(detail?.stream)) {
      const what = `the one entry ${seq} of the log speaks of is missing`;
      if (manifest.isErased) check.notes.push(`Of the recordings ${what}: it was erased.`);
      else check.problem('recordings', what);
    }
  const streamsOf = (name: string) =>
    chain.entries.filter(({ event }) => event === name).map(({ detail }) => detail?.stream);
  const done = streamsOf('recording.finished');
  const open = streamsOf('recording.started').filter(stream => !done.includes(stream)).length;
  if (open > 0) check.notes.push(`${counted(open, 'recording')} was begun and not finished when the bundle was taken.`);
  else if (recordings.length === 0) check.notes.push('Nothing of this session was recorded.');
  if (recordings.length === 0) return null;
  const what =
    'what is signed of it by the appliance, the recorder and the applet fits together, and the log speaks of the same film.';
  return `${counted(recordings.length, 'recording')}: ${what}`;
}

/** @returns its stream */
async function checkRecording(
  check: EvidenceCheck,
  manifest: EvidenceManifest,
  recording: EvidenceRecording,
  where: string,
): Promise<unknown> {
  const said = await openManifest(check, manifest, recording.manifest, 'recording', where);
  const finished = manifest.chain.entries.find(
    ({ event, detail }) => event === 'recording.finished' && detail?.stream === said.nonce,
  );
  if (finished?.detail?.sha256 !== said.sha256) check.problem(where, 'the log speaks of another film');
  checkFilm(check, manifest, recording.rcrec, said, where);
  const { v, offset, ...more } = said;
  const known = { sid: manifest.sid, keys: manifest.keys, appletKeys: appletKeysIn(manifest.chain.entries) };
  await checkProof(
    check,
    { ...known, appletKeys: known.appletKeys.map(({ key }) => key) },
    { v, offset, ...more },
    where,
  );
  const { avi } = recording;
  if (avi !== undefined) {
    const facts = await openManifest(check, manifest, avi.manifest, 'recording-avi', `${where} (AVI)`);
    if (facts.rcrecSha256 !== said.sha256) check.problem(where, 'its AVI is of another recording');
    checkFilm(check, manifest, avi.name, facts, where);
  }
  if (recording.rcrec === undefined && avi === undefined) checkGone(check, manifest, said.name, where);
  else if (recording.rcrec === undefined) check.notes.push(`The film of ${where} is kept as AVI only.`);
  if (said.isWhole !== true) check.notes.push(`The stream of ${where} was cut off: its end was never sent.`);
  return said.nonce;
}

/** No film: the log says that its time was over, or somebody took it away. */
function checkGone(check: EvidenceCheck, { chain, isErased }: EvidenceManifest, name: unknown, where: string): void {
  const end = chain.entries.find(
    ({ event, detail }) => event === 'retention.recording-destroyed' && detail?.name === name,
  );
  if (end !== undefined)
    check.notes.push(`The film of ${where} was destroyed when its time was over, as entry ${end.seq} says.`);
  else if (isErased) check.notes.push(`The film of ${where} is not kept any more: the session was erased.`);
  else check.problem(where, 'its film is missing, and the log does not say that it was destroyed');
}

async function openManifest(
  check: EvidenceCheck,
  { sid, keys }: EvidenceManifest,
  { payload, signature, kid }: SignedManifest,
  type: string,
  where: string,
): Promise<Readonly<Record<string, unknown>>> {
  const bytes = fromBase64Url(payload);
  if (!(await check.isSigned(MANIFEST_DOMAIN, keys.manifest, bytes, signature)))
    check.problem(where, 'its manifest is not signed by the appliance');
  const said = readObject(bytes);
  if (said.sid !== sid) check.problem(where, 'its manifest is of another session');
  if (said.type !== type || said.kid !== kid) check.problem(where, 'its manifest is something else');
  return said;
}

function checkFilm(
  check: EvidenceCheck,
  { files }: EvidenceManifest,
  name: string | undefined,
  said: Readonly<Record<string, unknown>>,
  where: string,
): void {
  if (name === undefined) return;
  const file = files.find(one => one.name === name);
  if (file?.sha256 !== said.sha256 || file?.bytes !== said.bytes)
    check.problem(where, `${name} is not the film its manifest was signed for`);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

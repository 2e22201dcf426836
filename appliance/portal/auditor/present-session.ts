// A session as the auditor's page shows it: facts, films, and a log in which stands out what he looks for. All times are UTC,
// as in the log.
import type { AuditEntry } from '../../audit/entry.ts';
import type { SignedManifest } from '../../protocol/recorder-portal.ts';
import { attestedPart } from '../../protocol/recording-proof.ts';
import type { ChatLine } from '../../sessions/chat.ts';
import { SPEEDS } from '../player/playback.ts';
import type { SeenAvi, SeenSession, SessionHead, SessionRecording } from '../session-desk.ts';
import { detailParts } from '../web/detail-words.ts';

/** What an entry is marked as. */
interface Badge {
  readonly text: string;
  readonly tone: 'good' | 'warn' | 'bad' | '';
}

const ANSWERS: Readonly<Record<string, Badge>> = {
  yes: { text: 'customer allowed', tone: 'good' },
  no: { text: 'customer refused', tone: 'bad' },
  silence: { text: 'customer did not answer', tone: 'warn' },
};
const BADGES: Readonly<Record<string, Badge>> = {
  'chat.line': { text: 'chat', tone: '' },
  'recording.started': { text: 'recording', tone: '' },
  'recording.finished': { text: 'recording', tone: '' },
  'recording.paused': { text: 'recording paused', tone: 'warn' },
  'recording.gone-on': { text: 'recording goes on', tone: '' },
  'action.pause-barred': { text: 'paused where it may not be', tone: 'bad' },
  'recording.avi-wanted': { text: 'AVI wanted', tone: '' },
  'recording.avi-failed': { text: 'no AVI', tone: 'warn' },
  'recording.interrupted': { text: 'recording interrupted', tone: 'warn' },
  'action.report-gap': { text: 'reports missing', tone: 'bad' },
  'action.report-fork': { text: 'two different reports', tone: 'bad' },
  'action.mismatch': { text: 'console and program differ', tone: 'bad' },
  'action.chat-mismatch': { text: 'chat differs', tone: 'bad' },
};
/** The page looks again by itself. */
const COMING: readonly SeenAvi['state'][] = ['waiting', 'making', 'put-off', 'away'];
const FILE_ACTIONS = ['send-files', 'receive-files', 'launch-file-manager'];

export function presentSession(seen: SeenSession) {
  const { id, head, lines, entries, missing, recordings } = seen;
  const texts = new Map((lines ?? []).map(line => [line.lineId, line]));
  return {
    id,
    facts: head === null ? [] : factsOf(head),
    isErased: head === null || lines === null,
    isCut: missing === 'destroyed',
    isTooLong: missing === 'too-many',
    entries: entries.map(entry => presentEntry(entry, texts)),
    recordings: recordings.map((one, index) => ({ ...presentRecording(one, index), ...pausesOf(recordings, one) })),
    canPlay: recordings.some(({ files }) => files?.rcrec != null),
    speeds: SPEEDS,
  };
}

function factsOf(head: SessionHead): { name: string; value: string }[] {
  const { ownerName, customerName, question, group, channel, createdAt, pickedUpAt, endedAt, state, endReason } = head;
  const facts: Record<string, string | null> = {
    Technician: ownerName,
    Customer: customerName ?? 'no name',
    'What it is about': question,
    Channel: channel,
    Group: group,
    State: state,
    Made: timeOf(createdAt),
    'Picked up': pickedUpAt === null ? 'never' : timeOf(pickedUpAt),
    Ended: endedAt === null ? null : timeOf(endedAt),
    'How it ended': endReason,
    'Customer’s system': head.platform,
    Language: head.language,
    'Codes compared': head.areCodesCompared ? 'yes' : 'no',
  };
  return Object.entries(facts).flatMap(([name, value]) => (value === null || value === '' ? [] : [{ name, value }]));
}

function presentEntry(entry: AuditEntry, texts: ReadonlyMap<string, ChatLine>) {
  const { seq, at, event, actor, subject, detail } = entry;
  const said = event === 'chat.line' ? texts.get(subject ?? '') : undefined;
  return {
    ...{ seq, at, event, clock: timeOf(at).slice(11), day: timeOf(at).slice(0, 10), badge: badgeOf(entry) },
    who: actor.name ?? actor.kind,
    address: actor.address ?? '',
    detail: detailParts(detail),
    consent: consentOf(entry),
    isChat: event === 'chat.line',
    chat: said?.text ?? null,
  };
}

/** What is said of it on the film's time line. */
function consentOf({ event, detail }: AuditEntry): string | null {
  const answer = event === 'action.consent' ? ANSWERS[String(detail.answer)] : undefined;
  return answer === undefined ? null : `${answer.text}: ${String(detail.action)}`;
}

function badgeOf({ event, detail }: AuditEntry): Badge | null {
  if (event === 'action.consent') return ANSWERS[String(detail.answer)] ?? null;
  if (event.startsWith('action.') && FILE_ACTIONS.includes(String(detail.action))) return { text: 'files', tone: '' };
  return BADGES[event] ?? null;
}

function presentRecording({ nonce, isLive, finished, files, fault, avi: seen }: SessionRecording, index: number) {
  const facts = { number: index + 1, stream: nonce, isLive, problem: fault === null ? null : fault.message };
  if (finished === null) return { ...facts, isFinished: false };
  const { startedAt, durationMs, bytes, isWhole, forced, technician, receipt } = finished;
  const [rcrec, avi] = [files?.rcrec ?? null, files?.aviManifest == null ? null : files.avi];
  return {
    ...facts,
    ...{ isFinished: true, technician, forced, startedAt, durationMs, bytes: rcrec?.bytes ?? bytes },
    ...{ began: timeOf(startedAt), length: lengthOf(durationMs), isWhole, isProved: receipt !== null },
    isAttested: isAttested(finished.manifest),
    rcrec: rcrec !== null,
    isAviComing: COMING.includes(seen.state),
    avi: presentAvi(nonce, index + 1, seen),
    isGone: files !== null && rcrec === null && avi === null,
    isChanged: rcrec !== null && rcrec.bytes !== bytes,
  };
}

/** What the technician's pauses make of one recording: a part of several, and when nothing was recorded before or behind it. */
function pausesOf(all: readonly SessionRecording[], { finished: own }: SessionRecording) {
  if (own === null) return {};
  const finished = all.flatMap(({ finished: one }) => (one === null ? [] : [one]));
  const before = finished.find(({ nonce }) => nonce === own.after);
  const isGoneOnWith = finished.some(({ after }) => after === own.nonce);
  const parts = partsOf(finished, own.nonce);
  const since = before === undefined ? own.startedAt - own.pausedMs : endOf(before);
  const [from, to] = [since, own.startedAt].map(at => timeOf(at).slice(11));
  return {
    ...(parts.length > 1 && { part: `part ${parts.indexOf(own.nonce) + 1} of ${parts.length}` }),
    ...(own.after !== null && {
      pausedBefore: `Paused ${from}–${to} (${lengthOf(own.startedAt - since)}) by ${own.technician}`,
    }),
    ...(own.isPaused &&
      !isGoneOnWith && {
        pausedFor: `Paused at ${timeOf(endOf(own)).slice(11)} by ${own.technician}, and not gone on with`,
      }),
  };
}

type Finished = NonNullable<SessionRecording['finished']>;

/** Nonces of the recordings that are parts of one, in order. */
function partsOf(finished: readonly Finished[], nonce: string): string[] {
  const parts = [nonce];
  const isNew = (found: string | undefined) => found !== undefined && !parts.includes(found);
  for (;;) {
    const before = finished.find(one => one.nonce === parts[0])?.after ?? undefined;
    const next = finished.find(({ after }) => after === parts.at(-1))?.nonce;
    if (isNew(before) && finished.some(one => one.nonce === before)) parts.unshift(before ?? '');
    else if (isNew(next)) parts.push(next ?? '');
    else return parts;
  }
}

function endOf({ startedAt, durationMs }: Finished): number {
  return startedAt + durationMs;
}

/** Whether the customer's program has signed all of what the recorder received. */
function isAttested({ payload }: SignedManifest): boolean {
  const { is, unattested } = attestedPart(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  return is === 'same' && unattested === 0;
}

/** @param stream of the recording @param number it has on the page */
export function presentAvi(stream: string, number: number, { state, percent, code, bytes }: SeenAvi) {
  const is = (...states: readonly SeenAvi['state'][]) => states.includes(state);
  const says: Partial<Record<SeenAvi['state'], string>> = {
    waiting: 'The AVI waits to be made',
    making: `The AVI is being made, ${percent} %`,
    'put-off': `The AVI could not be made (${code}); it is tried again by itself`,
    failed: `No AVI can be made of it (${code})`,
    away: 'The recorder does not say whether there will be an AVI',
  };
  return { stream, number, isMade: is('made'), isOffered: is('none', 'failed'), says: says[state] ?? null, bytes };
}

/** `1:02:03`, `2:03` */
export function lengthOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19);
}

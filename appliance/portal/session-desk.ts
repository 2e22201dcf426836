// One session as an auditor sees it: what log, store and recording share have of it (H-04 D-08). That he looked is in the
// log before he sees anything (G-02).
import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { StoredEntry } from '../audit/audit-store.ts';
import type { Actor } from '../audit/entry.ts';
import type { Erasure, Erasures } from '../audit/erasures.ts';
import type { LegalHold, Retention } from '../audit/retention.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { pathName } from '../permissions/decision.ts';
import type { AviState } from '../protocol/recorder-portal.ts';
import type { KeptRecordings, RecordingFiles } from '../recording/kept-recordings.ts';
import type { RecorderClient } from '../recording/recorder-client.ts';
import type { ChatLine } from '../sessions/chat.ts';
import type { RecordingRow } from '../sessions/recording-store.ts';
import type { SessionRow } from '../sessions/session-store.ts';
import type { BackupInfo, Backups } from '../store/backup.ts';
import type { Store } from '../store/store.ts';
import type { Support } from './support.ts';
import type { SignedIn } from './web/context.ts';
import type { AnsweredFile } from './web/file-answer.ts';

const MAX_ENTRIES = 5000;
/** What the log of every session begins with. */
const FIRST_EVENT = 'session.created';
/** A player asks for many parts of a film: within this it is one look. */
const ONE_LOOK_MS = 60 * 60_000;

const NO_AVI: SeenAvi = { state: 'none', percent: 0, code: null, bytes: 0 };

export const FILM_FORMS = ['rcrec', 'avi'] as const;
export type FilmForm = (typeof FILM_FORMS)[number];
const TYPES: Record<FilmForm, string> = { rcrec: 'application/octet-stream', avi: 'video/x-msvideo' };

export interface SessionDeskParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly support: Pick<Support, 'sessions' | 'chat' | 'groups' | 'channels' | 'recordings'>;
  readonly films: Pick<KeptRecordings, 'filesOf'>;
  readonly keeping: {
    readonly erasures: Pick<Erasures, 'find' | 'erase'>;
    readonly retention: Pick<Retention, 'holds'>;
  };
  readonly backups: Pick<Backups, 'list'>;
  readonly recorder: Pick<RecorderClient, 'aviState' | 'wantAvi'>;
  readonly clock: Clock;
}

export interface SessionHead extends SessionRow {
  /** Null where none was given, or it was erased. */
  readonly customerName: string | null;
  readonly question: string | null;
  readonly group: string;
  readonly channel: string | null;
}

export interface SessionRecording extends RecordingRow {
  readonly files: RecordingFiles | null;
  /** Why nobody can tell which files there are. */
  readonly fault: ApplianceError | null;
  readonly avi: SeenAvi;
}

/** `made`: it is there; `none`: there is none, and could be; `impossible`: there is nothing to make it of; `away`: nobody can tell. */
export interface SeenAvi {
  readonly state: AviState['state'] | 'made' | 'failed' | 'impossible' | 'away';
  readonly percent: number;
  /** Why it failed or was put off. */
  readonly code: string | null;
  readonly bytes: number;
}

export interface SeenSession {
  readonly id: SessionId;
  /** Null where its row was erased: the log still knows it. */
  readonly head: SessionHead | null;
  /** Null where the session's key is gone. */
  readonly lines: readonly ChatLine[] | null;
  /** Oldest first. */
  readonly entries: readonly StoredEntry['entry'][];
  /** What is missing of them at the beginning. */
  readonly missing: 'destroyed' | 'too-many' | null;
  readonly recordings: readonly SessionRecording[];
  /** Null where it was not asked for. */
  readonly erasure: Erasure | null;
  readonly hold: LegalHold | null;
  /** Of the store, newest first. */
  readonly backups: readonly BackupInfo[];
}

export class SessionDesk {
  readonly #parts: SessionDeskParts;
  /** Looks at films, by login and film: until when they are one, and when that stands in the log. */
  readonly #looks = new Map<string, { readonly until: number; readonly logged: Promise<unknown> }>();

  constructor(parts: SessionDeskParts) {
    this.#parts = parts;
  }

  /** @throws ApplianceError `session.missing` for one neither store nor log know */
  async view(sessionId: SessionId, actor: Actor): Promise<SeenSession> {
    const { support } = this.#parts;
    const head = await this.#head(sessionId);
    const newest = await this.#entries(sessionId, MAX_ENTRIES);
    if (head === null && newest.length === 0) throw missing();
    await this.#log(actor, 'session.viewed', sessionId);
    const entries = newest.reverse();
    const isWhole = entries[0]?.event === FIRST_EVENT;
    return {
      ...{ id: sessionId, head, entries },
      missing: isWhole ? null : entries.length < MAX_ENTRIES ? 'destroyed' : 'too-many',
      lines: await support.chat.list(sessionId).catch(ifErased),
      recordings: await Promise.all((await support.recordings.list(sessionId)).map(row => this.#withFiles(row))),
      ...(await this.#kept(sessionId)),
    };
  }

  /**
   * All it holds goes, for good; the log keeps that it did.
   * @throws ApplianceError `erasure.…`; nothing has changed then
   */
  erase(actor: Actor, sessionId: SessionId, reason: string): Promise<void> {
    return this.#parts.keeping.erasures.erase(actor, sessionId, reason);
  }

  async #kept(id: SessionId): Promise<Pick<SeenSession, 'erasure' | 'hold' | 'backups'>> {
    const { keeping, backups } = this.#parts;
    const holds = await keeping.retention.holds();
    return {
      erasure: (await keeping.erasures.find(id)) ?? null,
      hold: holds.find(({ sessionId }) => sessionId === id) ?? null,
      backups: await backups.list(),
    };
  }

  /**
   * The film of a stream, to be sent.
   * @param stream its nonce, base64url
   * @throws ApplianceError `recording.missing`, `recording.share-…`
   */
  async film(stream: string, form: FilmForm): Promise<AnsweredFile & { readonly sessionId: SessionId }> {
    const { sessionId, finished } = await this.#finished(stream);
    const files = await this.#parts.films.filesOf(sessionId, finished.name);
    const file = files[form];
    const tag = form === 'rcrec' ? finished.sha256 : files.aviManifest === null ? null : digestOf(files.aviManifest);
    if (file === null || tag === null) throw noFilm();
    const name = `${finished.name.replaceAll('/', '-')}.${form}`;
    return { ...file, sessionId, name, tag, type: TYPES[form] };
  }

  /** The AVI of a finished recording, and how it is coming on. @throws ApplianceError `recording.missing`, `recording.share-…` */
  async avi(stream: string): Promise<SeenAvi> {
    const { sessionId, finished } = await this.#finished(stream);
    return this.#avi(sessionId, finished, await this.#parts.films.filesOf(sessionId, finished.name));
  }

  /**
   * The recorder makes an AVI of it; who asked stands in the log.
   * @returns its session
   * @throws ApplianceError `recording.missing`, `recording.recorder-away`, `recording.share-…`
   */
  async wantAvi(actor: Actor, stream: string): Promise<SessionId> {
    const { sessionId, finished } = await this.#finished(stream);
    const { rcrec, avi } = await this.#parts.films.filesOf(sessionId, finished.name);
    if (avi !== null) return sessionId; // somebody else was faster
    if (rcrec === null) throw noFilm();
    await this.#log(actor, 'recording.avi-wanted', sessionId, { stream, name: finished.name });
    await this.#parts.recorder.wantAvi({ stream, name: finished.name });
    return sessionId;
  }

  /** Once for each login, film and hour, however many parts of it are asked for. */
  async viewed({ login, actor }: SignedIn, sessionId: SessionId, stream: string, form: FilmForm): Promise<void> {
    const now = this.#parts.clock.now();
    for (const [key, { until }] of this.#looks) if (until <= now) this.#looks.delete(key);
    const key = `${login.id} ${stream} ${form}`;
    const known = this.#looks.get(key);
    if (known !== undefined) return void (await known.logged);
    const logged = this.#log(actor, 'recording.viewed', sessionId, { stream, form });
    this.#looks.set(key, { until: now + ONE_LOOK_MS, logged });
    try {
      await logged;
    } catch (error) {
      this.#looks.delete(key);
      throw error;
    }
  }

  /** All of a film was taken, to be kept: each time. */
  async downloaded(actor: Actor, sessionId: SessionId, stream: string, form: FilmForm): Promise<void> {
    await this.#log(actor, 'recording.downloaded', sessionId, { stream, form });
  }

  async #log(actor: Actor, event: string, sessionId: SessionId, detail: Record<string, string> = {}): Promise<void> {
    const { store, audit } = this.#parts;
    await store.core.transaction(tx => audit.append(tx, { event, actor, sessionId, detail }));
  }

  async #head(id: SessionId): Promise<SessionHead | null> {
    const { sessions, groups, channels } = this.#parts.support;
    const session = await sessions.get(id).catch((error: unknown) => {
      if (error instanceof ApplianceError && error.code === 'session.missing') return null;
      throw error;
    });
    if (session === null) return null;
    const group = pathName(await groups.path(session.groupId));
    const { name: customerName, question } = await sessions.customerOf(session);
    return { ...session, customerName, question, group, channel: await channels.nameOf(session.channelId) };
  }

  /** Newest first. */
  async #entries(sessionId: SessionId, limit: number): Promise<StoredEntry['entry'][]> {
    return (await this.#parts.audit.ofSession({ sessionId, first: FIRST_EVENT, limit })).map(({ entry }) => entry);
  }

  async #finished(stream: string) {
    const row = await this.#parts.support.recordings.find(stream);
    if (row === undefined || row.finished === null) throw noFilm();
    return { sessionId: row.sessionId, finished: row.finished };
  }

  async #avi(
    sessionId: SessionId,
    { name, nonce: stream }: NonNullable<RecordingRow['finished']>,
    { rcrec, avi, aviManifest }: RecordingFiles,
  ): Promise<SeenAvi> {
    if (avi !== null && aviManifest !== null) return { ...NO_AVI, state: 'made', bytes: avi.bytes };
    if (rcrec === null) return { ...NO_AVI, state: 'impossible' };
    const { recorder, audit } = this.#parts;
    const known = await recorder.aviState({ stream, name }).catch(ifAway);
    if (known.state !== 'none') return { ...NO_AVI, ...known };
    const failed = await audit.search({ sessionId, event: 'recording.avi-failed', limit: MAX_ENTRIES });
    const last = failed.find(({ entry }) => entry.detail.name === name);
    return last === undefined ? NO_AVI : { ...NO_AVI, state: 'failed', code: String(last.entry.detail.code) };
  }

  /** A share that is away hides its films, and nothing else. */
  async #withFiles(row: RecordingRow): Promise<SessionRecording> {
    const nothing = { ...row, files: null, avi: { ...NO_AVI, state: 'impossible' } } as const;
    if (row.finished === null) return { ...nothing, fault: null };
    try {
      const files = await this.#parts.films.filesOf(row.sessionId, row.finished.name);
      return { ...row, files, avi: await this.#avi(row.sessionId, row.finished, files), fault: null };
    } catch (error) {
      if (error instanceof ApplianceError && error.kind === 'unavailable') return { ...nothing, fault: error };
      throw error;
    }
  }
}

function ifErased(error: unknown): null {
  if (error instanceof ApplianceError && error.code === 'session-key.destroyed') return null;
  throw error;
}

function ifAway(error: unknown): Pick<SeenAvi, 'state'> {
  if (error instanceof ApplianceError && error.code === 'recording.recorder-away') return { state: 'away' };
  throw error;
}

function missing(): ApplianceError {
  return new ApplianceError('missing', 'session.missing', 'there is no such session');
}

function noFilm(): ApplianceError {
  const hint = 'It was never finished, or is not kept any more; the page of its session says which.';
  return new ApplianceError('missing', 'recording.missing', 'there is no such film', { hint });
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

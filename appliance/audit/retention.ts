// How long things are kept (G-05): the log of a month is searched so many months, archived so many more, then destroyed, and with it
// the sessions that ended then, their keys and recordings. What is under a legal hold stays. Nothing at all is deleted before a
// master admin has seen what would go and said so; the archive deletes nothing. README.md says what that leaves.
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import { requireSeen } from '../store/seen.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { type AuditLog, monthOf } from './audit.ts';
import { type Actor, type AuditDetail, applianceActor } from './entry.ts';
import { findErasure } from './erasure/erasure-store.ts';
import {
  deleteHold,
  findAnyOf,
  insertDestroyedMonth,
  insertHold,
  joinMonths,
  type LegalHold,
  listDestroyedMonths,
  listHolds,
  readMonthFacts,
} from './retention/retention-store.ts';
import { DESTROYED_EVENT, writeGone } from './verify.ts';

export type { LegalHold } from './retention/retention-store.ts';

const months = (least: number) => z.int().min(least).max(240);
export const RetentionSettings = z.strictObject({
  /** Searched on the pages. */
  onlineMonths: months(1),
  /** Then in exports only. */
  archiveMonths: months(0),
  /** Of recordings; at most as long as the log that tells of them. */
  recordingMonths: months(1),
});
export type RetentionSettings = z.infer<typeof RetentionSettings>;
const defaults: RetentionSettings = { onlineMonths: 24, archiveMonths: 24, recordingMonths: 48 };

const [SETTINGS, CONFIRMED, LAST] = ['retention', 'retention-confirmed', 'retention-last'];
const Confirmed = z.strictObject({ settings: RetentionSettings, at: z.int(), by: z.string() });
const Last = z.strictObject({ at: z.int(), failures: z.int().default(0) });
export type RetentionRun = z.infer<typeof Last>;
const LOOK_EVERY_MS = 3_600_000;
const MAX_SESSIONS = 100_000;

/** What ended sessions are asked; their domain stands above this one. */
export interface EndedSessions {
  exists(id: SessionId): Promise<boolean>;
  /** Those that ended before, oldest first. @param before ms UTC */
  endedBefore(before: number, limit: number): Promise<SessionId[]>;
  erase(tx: Transaction, id: SessionId): Promise<void>;
}

export interface KeptRecording {
  /** Without an ending, below `finished/`; with it, of a second film. */
  readonly name: string;
  readonly sessionId: SessionId | null;
  /** Of the film and all that is beside it. */
  readonly bytes: number;
}

export interface KeptRecordings {
  /** Those of months that were over before. @param before ms UTC, the beginning of a month */
  before(before: number): Promise<KeptRecording[]>;
  remove(recording: KeptRecording): Promise<void>;
}

export interface MonthSize {
  readonly month: string;
  readonly entries: number;
  readonly bytes: number;
}

/** What goes the next night. */
export interface Preview {
  readonly archive: readonly MonthSize[];
  readonly destroy: readonly MonthSize[];
  /** Due, and kept because of a hold. */
  readonly heldMonths: readonly string[];
  readonly sessions: number;
  readonly heldSessions: number;
  readonly recordings: { readonly count: number; readonly bytes: number };
  readonly heldRecordings: number;
  /** Where recordings could not be looked at: the share is away. */
  readonly recordingsFault: string | null;
  readonly deletes: boolean;
  readonly isConfirmed: boolean;
  readonly lastAt: number | null;
}

interface Plan {
  readonly archive: readonly string[];
  readonly destroy: readonly string[];
  readonly heldMonths: readonly string[];
  readonly sessions: readonly SessionId[];
  readonly heldSessions: readonly SessionId[];
  readonly recordings: readonly KeptRecording[];
  readonly heldRecordings: readonly KeptRecording[];
  readonly recordingsFault: string | null;
}

export interface RetentionParts {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append' | 'move'>;
  readonly sessions: EndedSessions;
  readonly recordings: KeptRecordings;
  readonly clock: Clock;
  readonly log: Log;
}

export class Retention {
  readonly #parts: RetentionParts;
  /** One thing at a time: a hold that is set is set before the next thing goes. */
  #working: Promise<unknown> = Promise.resolve();
  #cancel: Cancel | null = null;
  #warns = false;
  #isClosed = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Whether something would go and nobody has said that it may. */
  get warns(): boolean {
    return this.#warns;
  }

  start(): void {
    this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.#look());
    void this.#look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#working;
  }

  async settings(): Promise<RetentionSettings> {
    return (await this.#parts.store.settings.get(SETTINGS, RetentionSettings)) ?? defaults;
  }

  /** What was confirmed holds for what was set then. @throws ApplianceError `retention.recordings`, `changed-meanwhile` */
  async setSettings(actor: Actor, settings: RetentionSettings, seen?: string): Promise<void> {
    if (settings.recordingMonths > settings.onlineMonths + settings.archiveMonths) {
      throw new ApplianceError('malformed', 'retention.recordings', 'recordings can’t be kept longer than their log', {
        hint: 'Keep the log longer, or recordings shorter.',
      });
    }
    await this.#inTurn(async () => {
      const { store, audit } = this.#parts;
      await store.core.transaction(async tx => {
        const before = (await store.settings.get(SETTINGS, RetentionSettings, tx)) ?? defaults;
        requireSeen(before, seen);
        await store.settings.set(tx, SETTINGS, settings);
        const detail = { before: JSON.stringify(before), after: JSON.stringify(settings) };
        await audit.append(tx, { event: 'retention.settings-changed', actor, detail });
      });
    });
    await this.#look();
  }

  /** That somebody looks at what goes, and at what is held. */
  async viewed(actor: Actor): Promise<void> {
    const { store, audit } = this.#parts;
    await store.core.transaction(tx => audit.append(tx, { event: 'retention.viewed', actor }));
  }

  holds(): Promise<LegalHold[]> {
    return listHolds(this.#parts.store.core.read);
  }

  /** @throws ApplianceError `hold.no-session`, `hold.reason`, `hold.there`, `hold.erased` */
  async hold(actor: Actor, sessionId: SessionId, reason: string): Promise<void> {
    const text = reason.normalize('NFC').trim();
    if (text === '' || text.length > 500)
      throw new ApplianceError('malformed', 'hold.reason', 'a hold has a reason, of at most 500 characters');
    await this.#inTurn(async () => {
      const { store, audit, clock, sessions } = this.#parts;
      if (!(await sessions.exists(sessionId)))
        throw new ApplianceError('missing', 'hold.no-session', 'there is no such session (any more)');
      if ((await this.holds()).some(hold => hold.sessionId === sessionId))
        throw new ApplianceError('conflict', 'hold.there', 'that session is under a hold already');
      const who = { setBy: actor.id ?? '', setByName: actor.name ?? '' };
      await store.core.transaction(async tx => {
        // In it, as an erasure looks for holds in its own: one of the two is first.
        if ((await findErasure(tx, sessionId)) !== undefined)
          throw new ApplianceError('conflict', 'hold.erased', 'that session is erased, or is being erased just now');
        await insertHold(tx, { sessionId, reason: text, ...who, setAt: clock.now() });
        await audit.append(tx, { event: 'hold.set', actor, sessionId, detail: { reason: text } });
      });
    });
    await this.#look();
  }

  /** @throws ApplianceError `hold.missing` */
  async release(actor: Actor, sessionId: SessionId): Promise<void> {
    await this.#inTurn(async () => {
      await this.#parts.store.core.transaction(async tx => {
        if (!(await deleteHold(tx, sessionId)))
          throw new ApplianceError('missing', 'hold.missing', 'that session is under no hold');
        await this.#parts.audit.append(tx, { event: 'hold.released', actor, sessionId });
      });
    });
    await this.#look();
  }

  /**
   * Before the first deletion, and again after a change of the settings.
   * @param seen `seenOf` the settings by which the actor was shown what goes
   * @throws ApplianceError `changed-meanwhile`
   */
  async confirm(actor: Actor, seen?: string): Promise<void> {
    await this.#inTurn(async () => {
      const { store, audit, clock } = this.#parts;
      await store.core.transaction(async tx => {
        const settings = (await store.settings.get(SETTINGS, RetentionSettings, tx)) ?? defaults;
        requireSeen(settings, seen);
        const confirmed = { settings, at: clock.now(), by: actor.id ?? '' };
        await store.settings.set(tx, CONFIRMED, confirmed);
        const detail = { settings: JSON.stringify(confirmed.settings) };
        await audit.append(tx, { event: 'retention.confirmed', actor, detail });
      });
    });
    await this.#look();
  }

  async preview(): Promise<Preview> {
    const plan = await this.#plan();
    const { archive, destroy, heldMonths, sessions, heldSessions, recordings, heldRecordings, recordingsFault } = plan;
    const bytes = recordings.reduce((sum, one) => sum + one.bytes, 0);
    return {
      ...{ archive: await this.#sizes(archive), destroy: await this.#sizes(destroy), heldMonths },
      ...{ sessions: sessions.length, heldSessions: heldSessions.length },
      ...{ recordings: { count: recordings.length, bytes }, heldRecordings: heldRecordings.length, recordingsFault },
      deletes: destroy.length + sessions.length + recordings.length > 0,
      isConfirmed: await this.#isConfirmed(),
      lastAt: await this.lastAt(),
    };
  }

  /** When it last ran; null before the first time. */
  async lastAt(): Promise<number | null> {
    return (await this.lastRun())?.at ?? null;
  }

  /** The last one, and how much of it failed; undefined before the first time. */
  lastRun(): Promise<RetentionRun | undefined> {
    return this.#parts.store.settings.get(LAST, Last);
  }

  /** Archives and, where it was confirmed, deletes what is due. What fails is tried again the next time. */
  async run(): Promise<{ failures: number }> {
    const { store, audit, clock } = this.#parts;
    await audit.move();
    const plan = await this.#plan();
    const mayDelete = await this.#isConfirmed();
    let failures = plan.recordingsFault === null ? 0 : 1;
    const each = async <T>(things: readonly T[], what: string, act: (thing: T) => Promise<void>) => {
      for (const thing of things) {
        if (this.#isClosed) return; // the rest the next night
        failures += (await this.#attempt(what, () => act(thing))) ? 0 : 1;
      }
    };
    await each(plan.archive, 'archive', month => this.#archive(month));
    if (mayDelete) {
      await each(plan.recordings, 'recording', recording => this.#removeRecording(recording));
      await each(plan.sessions, 'session', id => this.#destroySession(id));
      await each(plan.destroy, 'month', month => this.#destroyMonth(month));
    }
    await each(
      (await listDestroyedMonths(store.core.read)).map(({ month }) => month),
      'left',
      async month => store.destroyArchive(month),
    );
    await store.core.transaction(tx => store.settings.set(tx, LAST, { at: clock.now(), failures }));
    await this.#look();
    return { failures };
  }

  async #plan(): Promise<Plan> {
    const { store, clock, sessions } = this.#parts;
    const { onlineMonths, archiveMonths, recordingMonths } = await this.settings();
    const [offline, gone, unseen] = [onlineMonths, onlineMonths + archiveMonths, recordingMonths].map(count =>
      monthsBefore(clock.now(), count),
    );
    const held = new Set((await this.holds()).map(({ sessionId }) => sessionId));
    const newest = store.months().at(-1); // never: the chain goes on in it
    const archive = store.months().filter(month => month !== newest && month < monthOf(offline ?? 0));
    const destroyed = new Set((await listDestroyedMonths(store.core.read)).map(({ month }) => month)); // but for its file
    const all = [...store.archivedMonths(), ...archive].filter(month => !destroyed.has(month));
    const due = all.filter(month => month < monthOf(gone ?? 0)).sort();
    const heldMonths: string[] = [];
    for (const month of due)
      if (await this.#readMonth(month, read => findAnyOf(read, [...held]))) heldMonths.push(month);
    const ended = await sessions.endedBefore(gone ?? 0, MAX_SESSIONS);
    const { recordings, fault } = await this.#recordings(unseen ?? 0);
    const isHeld = ({ sessionId }: KeptRecording) => sessionId !== null && held.has(sessionId);
    return {
      ...{ archive, destroy: due.filter(month => !heldMonths.includes(month)), heldMonths },
      ...{ sessions: ended.filter(id => !held.has(id)), heldSessions: ended.filter(id => held.has(id)) },
      ...{ recordings: recordings.filter(one => !isHeld(one)), heldRecordings: recordings.filter(isHeld) },
      recordingsFault: fault,
    };
  }

  async #recordings(before: number): Promise<{ recordings: readonly KeptRecording[]; fault: string | null }> {
    try {
      return { recordings: await this.#parts.recordings.before(before), fault: null };
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      return { recordings: [], fault: error.message };
    }
  }

  async #readMonth<T>(month: string, act: (read: Parameters<typeof readMonthFacts>[0]) => Promise<T>): Promise<T> {
    const { store } = this.#parts;
    if (store.months().includes(month)) return act((await store.month(month)).read);
    const archive = store.openArchive(month);
    try {
      return await act(archive.read);
    } finally {
      await archive.close();
    }
  }

  async #sizes(found: readonly string[]): Promise<MonthSize[]> {
    const sizes: MonthSize[] = [];
    for (const month of found) {
      const facts = await this.#readMonth(month, readMonthFacts);
      sizes.push({ month, entries: facts?.entries ?? 0, bytes: this.#parts.store.bytesOf(month) });
    }
    return sizes;
  }

  async #archive(month: string): Promise<void> {
    await this.#tell('retention.archived', { month }); // before it: a kill between tells it twice, and never not
    await this.#parts.store.archive(month);
  }

  async #removeRecording(recording: KeptRecording): Promise<void> {
    const { sessionId, name, bytes } = recording;
    if (sessionId !== null && (await this.#isHeld(sessionId))) return;
    await this.#tell('retention.recording-destroyed', { name, bytes }, sessionId);
    await this.#parts.recordings.remove(recording);
  }

  /** The key first: what is left of it after a kill can be read by nobody, and goes the next time. */
  async #destroySession(id: SessionId): Promise<void> {
    const { store, audit, sessions } = this.#parts;
    if (await this.#isHeld(id)) return;
    await store.sessionKeys.destroy(id);
    await store.core.transaction(async tx => {
      await sessions.erase(tx, id);
      await audit.append(tx, { event: 'retention.session-destroyed', actor: applianceActor, sessionId: id });
    });
  }

  async #destroyMonth(month: string): Promise<void> {
    const { store, audit, clock } = this.#parts;
    const held = (await this.holds()).map(({ sessionId }) => sessionId);
    if (await this.#readMonth(month, read => findAnyOf(read, held))) return;
    const facts = await this.#readMonth(month, readMonthFacts);
    if (facts !== null) {
      const { entries, firstSeq, lastSeq, lastHash } = facts;
      await store.core.transaction(async tx => {
        await insertDestroyedMonth(tx, { month, firstSeq, lastSeq, lastHash }, clock.now());
        // All that is gone, each time: the entries that told of the first months are destroyed one day, too.
        const gone = joinMonths(await listDestroyedMonths(tx))
          .map(writeGone)
          .join(' ');
        const detail = { month, entries, fromSeq: firstSeq, throughSeq: lastSeq, hash: lastHash, gone };
        await audit.append(tx, { event: DESTROYED_EVENT, actor: applianceActor, detail });
      });
    }
    store.destroyArchive(month);
  }

  async #isHeld(id: SessionId): Promise<boolean> {
    return (await this.holds()).some(({ sessionId }) => sessionId === id);
  }

  async #isConfirmed(): Promise<boolean> {
    const confirmed = await this.#parts.store.settings.get(CONFIRMED, Confirmed);
    return confirmed !== undefined && JSON.stringify(confirmed.settings) === JSON.stringify(await this.settings());
  }

  async #tell(event: string, detail: AuditDetail, sessionId: SessionId | null = null): Promise<void> {
    const { store, audit } = this.#parts;
    const of = sessionId === null ? {} : { sessionId };
    await store.core.transaction(tx => audit.append(tx, { event, actor: applianceActor, detail, ...of }));
  }

  /** @returns whether it was done */
  async #attempt(what: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await this.#inTurn(act);
      return true;
    } catch (error) {
      this.#parts.log.error('retention.failed', { what, why: describeError(error) });
      return false;
    }
  }

  async #look(): Promise<void> {
    try {
      const { deletes, isConfirmed } = await this.preview();
      this.#warns = deletes && !isConfirmed;
    } catch (error) {
      this.#parts.log.error('retention.look-failed', { why: describeError(error) });
    }
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#working.then(act);
    this.#working = done.catch(() => undefined); // whoever asked is told
    return done;
  }
}

/** The beginning of the month so many before this one, UTC. */
export function monthsBefore(now: number, count: number): number {
  const at = new Date(now);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - count);
}

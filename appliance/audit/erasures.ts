// Erasure of one session on demand (K-01 K-04, TRUST: erasure). What is asked for is written down with its reason first; then its
// key is destroyed, with what the search has of it, and stands in the ledger; its row goes with all that hangs on it, and its films.
// Whatever ends this process, the next one goes on. The chain stays: what was sealed in it can be read by nobody.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { AuditLog } from './audit.ts';
import { type Actor, applianceActor } from './entry.ts';
import {
  type Erasure,
  findErasure,
  finishErasure,
  insertErasure,
  listUnfinishedErasures,
} from './erasure/erasure-store.ts';
import { listHolds } from './retention/retention-store.ts';

export type { Erasure } from './erasure/erasure-store.ts';

const LOOK_EVERY_MS = 60_000;
const MAX_REASON = 500;
/** A recorder gives a stream nobody brings any more up after ten minutes. */
const RECORDER_MS = 15 * 60_000;
/** Between the portal's word that a film is finished and its file's being in its place. */
const FINISHING_MS = 60_000;

/** A session as an erasure sees it; its domain stands above this one. */
export interface ErasableSession {
  /** ms UTC */
  readonly createdAt: number;
  /** Null while it is not over. */
  readonly endedAt: number | null;
  /** When the last of its recordings was finished; null while one is not, 0 where there is none. */
  readonly recordedAt: number | null;
}

export interface ErasableSessions {
  /** Those of them there are. */
  among(ids: readonly SessionId[]): Promise<SessionId[]>;
  /** Undefined for one there is not (any more). */
  look(tx: Transaction, id: SessionId): Promise<ErasableSession | undefined>;
  /** The row and all that hangs on it. */
  erase(tx: Transaction, id: SessionId): Promise<void>;
}

export interface ErasableFilms {
  /**
   * All films of a session that began from the day of `from` to that of `until`, ms UTC.
   * @throws ApplianceError where the share is away
   */
  removeOf(id: SessionId, from: number, until: number): Promise<{ readonly films: number; readonly bytes: number }>;
}

export interface ErasuresParts {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: ErasableSessions;
  readonly films: ErasableFilms;
  readonly clock: Clock;
  readonly log: Log;
}

export class Erasures {
  readonly #parts: ErasuresParts;
  #working: Promise<unknown> = Promise.resolve();
  #cancel: Cancel | null = null;
  #isClosed = false;

  constructor(parts: ErasuresParts) {
    this.#parts = parts;
  }

  /**
   * Before anything is served: what the ledger says is erased, and a restored store has a row of, goes. Then what a process
   * before this one did not finish, now and until it is done.
   */
  async start(): Promise<void> {
    await this.#applyLedger();
    this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.#goOn());
    void this.#goOn();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#working;
  }

  find(id: SessionId): Promise<Erasure | undefined> {
    return findErasure(this.#parts.store.core.read, id);
  }

  /**
   * @returns once it is done, or as far as it can be for now; `find` says which
   * @throws ApplianceError `erasure.reason`, `erasure.there`, `erasure.no-session`, `erasure.not-over`, `erasure.recording`,
   *   `erasure.held`; nothing has changed then
   */
  async erase(actor: Actor, sessionId: SessionId, reason: string): Promise<void> {
    const text = reason.normalize('NFC').trim();
    if (text === '' || text.length > MAX_REASON)
      throw new ApplianceError(
        'malformed',
        'erasure.reason',
        `an erasure has a reason, of at most ${MAX_REASON} characters`,
      );
    const { store, audit, sessions, clock } = this.#parts;
    // Holds are set in a transaction, too: either it is seen here, or whoever sets it sees this.
    await store.core.transaction(async tx => {
      const session = await sessions.look(tx, sessionId);
      const now = clock.now();
      const { createdAt: from, endedAt: until } = await checkErasable(tx, sessionId, session, now);
      const who = { askedBy: actor.id ?? '', askedByName: actor.name ?? '' };
      await insertErasure(tx, { sessionId, reason: text, ...who, askedAt: now, from, until });
      await audit.append(tx, { event: 'session.erasure-asked', actor, sessionId, detail: { reason: text } });
    });
    await this.#goOn();
  }

  /** What is begun, one after the other; what fails stays, and is tried again by the clock. */
  #goOn(): Promise<void> {
    const done = this.#working.then(async () => {
      const { store, log } = this.#parts;
      for (const erasure of await listUnfinishedErasures(store.core.read)) {
        if (this.#isClosed) return;
        await this.#carryOut(erasure).catch(error =>
          log.error('erasure.put-off', { sessionId: erasure.sessionId, why: describeError(error) }),
        );
      }
    });
    this.#working = done.catch(error => this.#parts.log.error('erasure.failed', { why: describeError(error) }));
    return done;
  }

  /** The key first: what is left of it after a kill can be read by nobody. Each step can be done again. */
  async #carryOut({ sessionId, from, until }: Erasure): Promise<void> {
    const { store, audit, sessions, films, clock } = this.#parts;
    await store.sessionKeys.destroy(sessionId);
    await store.core.transaction(tx => sessions.erase(tx, sessionId));
    const removed = await films.removeOf(sessionId, from, until);
    await store.checkpoint(); // nothing of what was deleted is left in a write-ahead log
    await store.core.transaction(async tx => {
      await finishErasure(tx, sessionId, clock.now());
      await audit.append(tx, { event: 'session.erased', actor: applianceActor, sessionId, detail: { ...removed } });
    });
  }

  async #applyLedger(): Promise<void> {
    const { store, audit, sessions, clock } = this.#parts;
    for (const sessionId of await sessions.among([...store.sessionKeys.erased])) {
      await store.core.transaction(async tx => {
        const session = await sessions.look(tx, sessionId);
        if (session === undefined || (await findErasure(tx, sessionId)) !== undefined) return;
        const detail = { reason: 'ledger' };
        await audit.append(tx, { event: 'session.erased-again', actor: applianceActor, sessionId, detail });
        await insertErasure(tx, {
          ...{ sessionId, reason: 'The erasure ledger names it.', askedBy: '', askedByName: 'the appliance' },
          ...{ askedAt: clock.now(), from: session.createdAt, until: session.endedAt ?? clock.now() },
        });
        await sessions.erase(tx, sessionId);
      });
    }
  }
}

async function checkErasable(
  tx: Transaction,
  id: SessionId,
  session: ErasableSession | undefined,
  now: number,
): Promise<ErasableSession & { readonly endedAt: number }> {
  const refuse = (code: string, why: string, hint: string) => new ApplianceError('conflict', code, why, { hint });
  if ((await findErasure(tx, id)) !== undefined)
    throw refuse('erasure.there', 'that session is erased already', 'Its page says what could not be reached.');
  if (session === undefined)
    throw new ApplianceError('missing', 'erasure.no-session', 'there is no such session (any more)');
  const hold = (await listHolds(tx)).find(({ sessionId }) => sessionId === id);
  if (hold !== undefined) {
    const why = `that session is under a legal hold, set by ${hold.setByName}`;
    throw refuse('erasure.held', why, 'A master admin releases a hold on the page Retention; its reason stands there.');
  }
  const { endedAt, recordedAt } = session;
  if (endedAt === null) throw refuse('erasure.not-over', 'that session is not over', 'End it first.');
  const isBeingFinished = recordedAt === null ? now < endedAt + RECORDER_MS : now < recordedAt + FINISHING_MS;
  if (isBeingFinished)
    throw refuse('erasure.recording', 'a recording of it is being finished', 'Try again in a few minutes.');
  return { ...session, endedAt };
}

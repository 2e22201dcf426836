// Sessions that are over, as retention and erasure see them (audit/retention.ts, audit/erasures.ts): when they ended, and that they
// go.
import type { ErasableSession, ErasableSessions } from '../audit/erasures.ts';
import type { EndedSessions as Face } from '../audit/retention.ts';
import type { SessionId } from '../guid.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { listRecordings } from './recording-store.ts';
import { isOver } from './session-state.ts';
import { deleteSession, findSession, listAmong, listEndedBefore } from './session-store.ts';

export class EndedSessions implements Face, ErasableSessions {
  readonly #store: Pick<Store, 'core'>;

  constructor(store: Pick<Store, 'core'>) {
    this.#store = store;
  }

  async exists(id: SessionId): Promise<boolean> {
    return (await findSession(this.#store.core.read, id)) !== undefined;
  }

  endedBefore(before: number, limit: number): Promise<SessionId[]> {
    return listEndedBefore(this.#store.core.read, before, limit);
  }

  among(ids: readonly SessionId[]): Promise<SessionId[]> {
    return listAmong(this.#store.core.read, ids);
  }

  async look(tx: Transaction, id: SessionId): Promise<ErasableSession | undefined> {
    const session = await findSession(tx, id);
    if (session === undefined) return undefined;
    const recordings = await listRecordings(tx, id);
    const isAllFinished = recordings.every(({ finished }) => finished !== null);
    const recordedAt = isAllFinished ? Math.max(0, ...recordings.map(({ finished }) => finished?.at ?? 0)) : null;
    return { createdAt: session.createdAt, endedAt: isOver(session.state) ? session.endedAt : null, recordedAt };
  }

  /** The row and all that hangs on it; its key is the caller's affair. */
  async erase(tx: Transaction, id: SessionId): Promise<void> {
    await deleteSession(tx, id);
  }
}

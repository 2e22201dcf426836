// Sessions that are over, as retention sees them (audit/retention.ts): when they ended, and that they go.
import type { EndedSessions as Face } from '../audit/retention.ts';
import type { SessionId } from '../guid.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { deleteSession, findSession, listEndedBefore } from './session-store.ts';

export class EndedSessions implements Face {
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

  /** The row and all that hangs on it; its key is the caller's affair. */
  async erase(tx: Transaction, id: SessionId): Promise<void> {
    await deleteSession(tx, id);
  }
}

// Sessions as the search of the log looks for them (audit/session-facts.ts): group, channels, customer.
import { type SessionFacts as Face, foldName, type SessionFact } from '../audit/session-facts.ts';
import type { Store } from '../store/store.ts';
import { openCustomer } from './customer-said.ts';
import { type FactRow, listFacts } from './session-store.ts';

/** Names that are opened at a time. */
const OPENED_AT_ONCE = 100;

export class SessionFacts implements Face {
  readonly #store: Pick<Store, 'core' | 'sessionKeys'>;

  constructor(store: Pick<Store, 'core' | 'sessionKeys'>) {
    this.#store = store;
  }

  async of(ids: readonly string[]): Promise<ReadonlyMap<string, SessionFact>> {
    const rows = await listFacts(this.#store.core.read, ids);
    const facts = new Map<string, SessionFact>();
    for (let at = 0; at < rows.length; at += OPENED_AT_ONCE) {
      const some = rows.slice(at, at + OPENED_AT_ONCE);
      const opened = await Promise.all(some.map(row => this.#factOf(row)));
      for (const [n, { id }] of some.entries()) {
        const fact = opened[n];
        if (fact !== undefined) facts.set(id, fact);
      }
    }
    return facts;
  }

  async #factOf(row: FactRow): Promise<SessionFact> {
    const { name } = await openCustomer(this.#store.sessionKeys, row);
    return { groupId: row.groupId, channelIds: row.channelIds, customer: name === null ? null : foldName(name) };
  }
}

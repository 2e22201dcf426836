// The technician's sessions in their four queues, kept up by events and read anew after a gap. An event that comes while
// the lists are being read is newer than what they will say.
import type { QueueName, SessionView } from '../protocol/console-api.ts';

export const queueNames: readonly QueueName[] = ['incoming', 'active', 'on-hold', 'closed'];

export class SessionList {
  readonly #sessions = new Map<string, SessionView>();
  /** Ids an event has named since reading began; null while nothing is read. */
  #touched: Set<string> | null = null;

  get(id: string): SessionView | undefined {
    return this.#sessions.get(id);
  }

  /** Those that wait longest first; closed ones newest first. */
  in(queue: QueueName): readonly SessionView[] {
    const sessions = [...this.#sessions.values()].filter(session => session.queue === queue);
    const direction = queue === 'closed' ? -1 : 1;
    return sessions.sort((a, b) => direction * (a.stateAt - b.stateAt) || (a.id < b.id ? -1 : 1));
  }

  count(queue: QueueName): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (session.queue === queue) count++;
    return count;
  }

  /** @returns what was known before */
  put(session: SessionView): SessionView | undefined {
    const before = this.#sessions.get(session.id);
    this.#touched?.add(session.id);
    this.#sessions.set(session.id, session);
    return before;
  }

  remove(id: string): void {
    this.#touched?.add(id);
    this.#sessions.delete(id);
  }

  beginReading(): void {
    this.#touched = new Set();
  }

  /** What was read takes the place of all but what events have said meanwhile. */
  endReading(read: readonly SessionView[]): void {
    const touched = this.#touched ?? new Set();
    this.#touched = null;
    const ids = new Set(read.map(({ id }) => id));
    for (const id of this.#sessions.keys()) if (!ids.has(id) && !touched.has(id)) this.#sessions.delete(id);
    for (const session of read) if (!touched.has(session.id)) this.#sessions.set(session.id, session);
  }
}

// Whether a technician is available, busy or away (E-02): said by himself, and away once his last login has ended.
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import {
  findStatus,
  listStatuses,
  putStatus,
  type StatusRow,
  type TechnicianStatus,
  technicianStatuses,
} from './session-log-store.ts';

export class TechnicianStatuses {
  readonly #store: Store;
  readonly #audit: Pick<AuditLog, 'append'>;
  readonly #clock: Clock;
  readonly #listeners = new Set<(status: StatusRow) => void>();

  constructor({ store, audit, clock }: { store: Store; audit: Pick<AuditLog, 'append'>; clock: Clock }) {
    this.#store = store;
    this.#audit = audit;
    this.#clock = clock;
  }

  list(): Promise<StatusRow[]> {
    return listStatuses(this.#store.core.read);
  }

  /** Away, for one who has never said anything. */
  async of(memberId: string): Promise<TechnicianStatus> {
    return (await findStatus(this.#store.core.read, memberId))?.status ?? 'away';
  }

  onChange(listener: (status: StatusRow) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws ApplianceError `technician.status-unknown` */
  async set(actor: Actor, said: string): Promise<void> {
    const status = technicianStatuses.find(name => name === said);
    if (status === undefined || actor.id === null) {
      throw new ApplianceError('malformed', 'technician.status-unknown', 'a technician is available, busy or away');
    }
    await this.#put(actor.id, status, actor);
  }

  /** Whoever opens the console on a new login is available, unless he has said otherwise on it. @param signedInAt ms UTC */
  async arrive(actor: Actor, signedInAt: number): Promise<void> {
    if (actor.id === null) return;
    const said = await findStatus(this.#store.core.read, actor.id);
    if (said === undefined || (said.status === 'away' && said.since < signedInAt))
      await this.#put(actor.id, 'available', actor);
  }

  /** Away, without a word of his own: his last login has ended. */
  leave(memberId: string, actor: Actor): Promise<void> {
    return this.#put(memberId, 'away', actor);
  }

  async #put(memberId: string, status: TechnicianStatus, actor: Actor): Promise<void> {
    const row = { memberId, status, since: this.#clock.now() };
    const isNew = await this.#store.core.transaction(async tx => {
      const from = (await findStatus(tx, memberId))?.status ?? 'away';
      if (from === status) return false;
      await putStatus(tx, row);
      const detail = { from, to: status };
      await this.#audit.append(tx, { event: 'technician.status', actor, subject: memberId, detail });
      return true;
    });
    if (isNew) for (const listener of this.#listeners) listener(row);
  }

  close(): void {
    this.#listeners.clear();
  }
}

// Backups as the page sees them: begun by a person, made in the background, by the same act as the one by the clock.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { Backups } from '../store/backup.ts';
import type { BackupFace, BackupView } from './settings/backups.ts';

export class BackupDesk implements BackupFace {
  readonly #backups: Backups;
  readonly #make: (actor: Actor) => Promise<unknown>;
  #running: Promise<void> | null = null;
  #fault: string | null = null;

  /** @param make makes one and enters it in the audit log */
  constructor(backups: Backups, make: (actor: Actor) => Promise<unknown>) {
    this.#backups = backups;
    this.#make = make;
  }

  list(): Promise<readonly BackupView[]> {
    return this.#backups.list();
  }

  async start(actor: Actor): Promise<void> {
    this.#running ??= this.#run(actor).finally(() => {
      this.#running = null;
    });
  }

  isRunning(): boolean {
    return this.#running !== null;
  }

  lastFault(): string | null {
    return this.#fault;
  }

  async #run(actor: Actor): Promise<void> {
    try {
      await this.#make(actor);
      this.#fault = null;
    } catch (error) {
      this.#fault = error instanceof ApplianceError ? `${error.message} (${error.code})` : 'see the log of the portal';
    }
  }
}

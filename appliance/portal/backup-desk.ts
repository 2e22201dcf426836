// Backups as the page sees them: begun by a person, made in the background, by the same act as the one by the clock.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { Backups } from '../store/backup.ts';
import type { BackupFace, BackupView } from './settings/backups.ts';

export class BackupDesk implements BackupFace {
  readonly #backups: Backups;
  readonly #checkOne: (actor: Actor, name: string) => Promise<unknown>;
  readonly #make: (actor: Actor) => Promise<unknown>;
  #running: Promise<void> | null = null;
  #fault: string | null = null;

  /** @param make makes one and enters it in the audit log; `check` opens one again, likewise */
  constructor(
    backups: Backups,
    make: (actor: Actor) => Promise<unknown>,
    check: (actor: Actor, name: string) => Promise<unknown>,
  ) {
    this.#checkOne = check;
    this.#backups = backups;
    this.#make = make;
  }

  list(): Promise<readonly BackupView[]> {
    return this.#backups.list();
  }

  async start(actor: Actor): Promise<void> {
    this.#running ??= this.#run(actor, this.#make).finally(() => {
      this.#running = null;
    });
  }

  /** Begins to open one again; the page tells what came of it. */
  async check(actor: Actor, name: string): Promise<void> {
    this.#running ??= this.#run(actor, () => this.#checkOne(actor, name)).finally(() => {
      this.#running = null;
    });
  }

  isRunning(): boolean {
    return this.#running !== null;
  }

  lastFault(): string | null {
    return this.#fault;
  }

  async #run(actor: Actor, act: (actor: Actor) => Promise<unknown>): Promise<void> {
    try {
      await act(actor);
      this.#fault = null;
    } catch (error) {
      this.#fault = error instanceof ApplianceError ? `${error.message} (${error.code})` : 'see the log of the portal';
    }
  }
}

// Backups as the page sees them: begun by a person, made in the background, by the same act as the one by the clock.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { Backups } from '../store/backup.ts';
import type { BackupFile } from '../store/backup-file.ts';
import type { TakenBackup } from '../store/backup-intake.ts';
import type { BackupFace, BackupView } from './settings/backups.ts';

/** Each does it and enters it in the audit log. */
export interface BackupDeskActs {
  make(actor: Actor): Promise<unknown>;
  check(actor: Actor, name: string): Promise<unknown>;
  fetch(actor: Actor, name: string): Promise<BackupFile>;
  take(actor: Actor, stream: AsyncIterable<Uint8Array>, declared: number | null): Promise<TakenBackup>;
  adopt(actor: Actor, taken: TakenBackup): Promise<unknown>;
}

export class BackupDesk implements BackupFace {
  readonly #backups: Pick<Backups, 'list' | 'room'>;
  readonly #acts: BackupDeskActs;
  #running: Promise<void> | null = null;
  #isTaking = false;
  #fault: string | null = null;

  constructor(backups: Pick<Backups, 'list' | 'room'>, acts: BackupDeskActs) {
    this.#backups = backups;
    this.#acts = acts;
  }

  list(): Promise<readonly BackupView[]> {
    return this.#backups.list();
  }

  room(): Promise<number> {
    return this.#backups.room();
  }

  async start(actor: Actor): Promise<void> {
    this.#begin(() => this.#acts.make(actor));
  }

  /** Begins to open one again; the page tells what came of it. */
  async check(actor: Actor, name: string): Promise<void> {
    this.#begin(() => this.#acts.check(actor, name));
  }

  fetch(actor: Actor, name: string): Promise<BackupFile> {
    return this.#acts.fetch(actor, name);
  }

  async take(actor: Actor, stream: AsyncIterable<Uint8Array>, declared: number | null): Promise<void> {
    if (this.#isTaking || this.#running !== null) {
      throw new ApplianceError('conflict', 'backup.busy', 'a backup is being made, checked or brought just now', {
        hint: 'Try again when the page says that it is done.',
      });
    }
    this.#isTaking = true;
    try {
      const taken = await this.#acts.take(actor, stream, declared);
      this.#begin(() => this.#acts.adopt(actor, taken), true);
    } finally {
      this.#isTaking = false;
    }
  }

  isRunning(): boolean {
    return this.#running !== null;
  }

  lastFault(): string | null {
    return this.#fault;
  }

  /** @param isOwed one that has to be done, behind the one that runs */
  #begin(act: () => Promise<unknown>, isOwed = false): void {
    if (this.#running !== null && !isOwed) return;
    const mine: Promise<void> = (this.#running ?? Promise.resolve())
      .then(() => this.#run(act))
      .finally(() => {
        if (this.#running === mine) this.#running = null;
      });
    this.#running = mine;
  }

  async #run(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      this.#fault = null;
    } catch (error) {
      this.#fault = error instanceof ApplianceError ? `${error.message} (${error.code})` : 'see the log of the portal';
    }
  }
}

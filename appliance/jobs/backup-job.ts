// A backup every `backup.everyHours` (J-05). Whether one is due is asked of the portal, so that a restart neither skips
// nor repeats one. After a failure it waits RETRY_MS: the reason (a full disk) seldom goes away by itself.
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';

export const LOOK_EVERY_MS = 60_000;
export const RETRY_MS = 10 * 60_000;
const HOUR_MS = 3_600_000;
const MAKE_TIMEOUT_MS = 6 * HOUR_MS;
const LIST_TIMEOUT_MS = 10_000;

const BackupList = z.object({ backups: z.array(z.object({ name: z.string(), at: z.number() })) });

export interface PortalFace {
  ask(method: 'GET' | 'POST', path: string, timeoutMs: number): Promise<unknown>;
}

export interface BackupJobOptions {
  readonly portal: PortalFace;
  readonly everyHours: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class BackupJob {
  readonly #options: BackupJobOptions;
  readonly #runs: Counter;
  #cancel: Cancel | null = null;
  #looking: Promise<void> | null = null;
  /** Monotonic: a clock that is set back puts nothing off. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: BackupJobOptions) {
    this.#options = options;
    this.#runs = options.metrics.counter('backup_runs_total', 'Backups by outcome.');
  }

  start(): void {
    this.#cancel = this.#options.clock.every(LOOK_EVERY_MS, () => this.lookSoon());
    this.lookSoon();
  }

  close(): void {
    this.#cancel?.();
  }

  lookSoon(): void {
    this.#looking ??= this.look().finally(() => {
      this.#looking = null;
    });
  }

  /** Makes a backup if one is due. */
  async look(): Promise<void> {
    const { portal, everyHours, clock, log } = this.#options;
    if (clock.monotonic() < this.#notBefore) return;
    try {
      const { backups } = BackupList.parse(await portal.ask('GET', '/internal/backups', LIST_TIMEOUT_MS));
      // One of a time to come was made while the clock was wrong, and is none of those that are due.
      const last = Math.max(0, ...backups.map(backup => backup.at).filter(at => at <= clock.now()));
      if (clock.now() - last < everyHours * HOUR_MS) return;
      await portal.ask('POST', '/internal/backups', MAKE_TIMEOUT_MS);
      this.#runs.add({ outcome: 'made' });
      log.info('backup.job-done');
    } catch (error) {
      this.#notBefore = clock.monotonic() + RETRY_MS;
      this.#runs.add({ outcome: 'failed' });
      log.error('backup.job-failed', { why: describeError(error), retryMs: RETRY_MS });
    }
  }
}

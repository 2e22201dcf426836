// Retention each night (G-05), by the portal's command: once a day, not before NIGHT_HOUR UTC, and also later that day where the
// appliance was off at night. Whether it ran is asked of the portal, so that a restart neither skips nor repeats one.
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { PortalFace } from './backup-job.ts';

export const NIGHT_HOUR = 2;
const LOOK_EVERY_MS = 5 * 60_000;
const RETRY_MS = 3_600_000;
const DAY_MS = 86_400_000;
const RUN_TIMEOUT_MS = 6 * 3_600_000;
const ASK_TIMEOUT_MS = 10_000;
const RETENTION_PATH = '/internal/retention';
const State = z.object({ lastAt: z.number().nullable() });
const Ran = z.object({ failures: z.number() });

export interface RetentionJobOptions {
  readonly portal: PortalFace;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class RetentionJob {
  readonly #options: RetentionJobOptions;
  readonly #runs: Counter;
  #cancel: Cancel | null = null;
  #looking: Promise<void> | null = null;
  /** Monotonic: a clock that is set back puts nothing off. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: RetentionJobOptions) {
    this.#options = options;
    this.#runs = options.metrics.counter('retention_runs_total', 'Nights of retention by outcome.');
  }

  start(): void {
    this.#cancel = this.#options.clock.every(LOOK_EVERY_MS, () => {
      this.#looking ??= this.look().finally(() => {
        this.#looking = null;
      });
    });
  }

  close(): void {
    this.#cancel?.();
  }

  /** Has it run if it is due. */
  async look(): Promise<void> {
    const { portal, clock, log } = this.#options;
    const now = clock.now();
    if (clock.monotonic() < this.#notBefore) return;
    const tonight = Math.floor(now / DAY_MS) * DAY_MS + NIGHT_HOUR * 3_600_000;
    if (now < tonight) return;
    try {
      const { lastAt } = State.parse(await portal.ask('GET', RETENTION_PATH, ASK_TIMEOUT_MS));
      if (lastAt !== null && lastAt >= tonight && lastAt <= now) return; // of a time to come: the clock was wrong then
      const { failures } = Ran.parse(await portal.ask('POST', RETENTION_PATH, RUN_TIMEOUT_MS));
      this.#runs.add({ outcome: failures === 0 ? 'done' : 'partly' });
      log.info('retention.job-done', { failures });
    } catch (error) {
      this.#notBefore = clock.monotonic() + RETRY_MS;
      this.#runs.add({ outcome: 'failed' });
      log.error('retention.job-failed', { why: describeError(error), retryMs: RETRY_MS });
    }
  }
}

// Keeps the applets as their order wants them (F-01): asked from time to time, it looks, and builds when something is not as
// it should be. One build at a time, and not in the process that signs: four seconds of it would keep others waiting.
import type { Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { templatePlatforms } from './build-template.ts';
import { type BuildWish, digestOf } from './order.ts';
import { openPrepared } from './prepared.ts';

/** After a failure the same order is tried again so much later. */
const RETRY_MS = 60_000;

/** `no-order`: nobody has said yet what to build. */
export type BuildState = 'no-order' | 'building' | 'ready' | 'failed';

export interface AppletBuildsParts {
  /** The data folder's `applet/`. */
  readonly folder: string;
  /** What the order says now, or undefined without one. */
  readonly readWish: () => Promise<BuildWish | undefined>;
  /** Builds elsewhere; resolves when it is done. */
  readonly build: (wish: BuildWish, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Record<'info' | 'error', (event: string, fields: Readonly<Record<string, string>>) => void>;
}

export class AppletBuilds {
  readonly #parts: AppletBuildsParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #failed: { readonly inputs: string; readonly at: number } | null = null;

  constructor(parts: AppletBuildsParts) {
    this.#parts = parts;
  }

  /** Starts a build where one is due, and does not wait for it. */
  async keep(): Promise<BuildState> {
    if (this.#running !== null) return 'building';
    const { readWish, clock } = this.#parts;
    const wish = await readWish();
    if (wish === undefined) return 'no-order';
    const inputs = await digestOf(wish);
    if (await this.#isBuilt(wish, inputs)) return 'ready';
    if (this.#failed?.inputs === inputs && clock.monotonic() - this.#failed.at < RETRY_MS) return 'failed';
    if (this.#stopping.signal.aborted) return 'failed';
    this.#running ??= this.#build(wish, inputs); // another caller may have begun while we looked
    return 'building';
  }

  /** Ends what is being built; what was there stays. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #isBuilt({ template }: BuildWish, inputs: string): Promise<boolean> {
    const platforms = await templatePlatforms(template.folder, template.sha256);
    const found = await Promise.all(platforms.map(platform => this.#inputsOf(platform)));
    return found.every(one => one === inputs);
  }

  async #inputsOf(platform: Parameters<typeof openPrepared>[1]): Promise<string | null> {
    try {
      return (await openPrepared(this.#parts.folder, platform)).inputs;
    } catch (error) {
      if (error instanceof ApplianceError && error.code === 'applet.not-prepared') return null;
      throw error;
    }
  }

  async #build(wish: BuildWish, inputs: string): Promise<void> {
    const { build, clock, log } = this.#parts;
    log.info('applet.build-started', { template: wish.template.sha256, organisation: wish.configuration.organisation });
    try {
      await build(wish, this.#stopping.signal);
      this.#failed = null;
      log.info('applet.build-done', { inputs });
    } catch (error) {
      this.#failed = { inputs, at: clock.monotonic() };
      if (this.#stopping.signal.aborted) return;
      const hint = error instanceof ApplianceError ? error.hint : '';
      log.error('applet.build-failed', { error: describeError(error), hint });
    } finally {
      this.#running = null;
    }
  }
}

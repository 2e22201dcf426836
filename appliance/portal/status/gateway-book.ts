// What gateways say of themselves every ten seconds: that they are there, and how much they have relayed.
import { z } from 'zod';
import type { Clock } from '../../clock.ts';

/** As `gateway/report.ts` sends it. */
export const GatewayReport = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,32}$/),
  /** Since its start. */
  relayedBytes: z.int().min(0),
  relays: z.int().min(0),
});
export type GatewayReport = z.infer<typeof GatewayReport>;

export class GatewayBook {
  readonly #clock: Clock;
  readonly #last = new Map<string, { readonly report: GatewayReport; readonly at: number }>();
  #relayedBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(report: GatewayReport): void {
    const before = this.#last.get(report.id)?.report;
    // Less than before: it has started again. What it relayed before we knew it was relayed before we counted.
    const isNew = before === undefined || report.relayedBytes < before.relayedBytes;
    if (before !== undefined) this.#relayedBytes += report.relayedBytes - (isNew ? 0 : before.relayedBytes);
    this.#last.set(report.id, { report, at: this.#clock.monotonic() });
  }

  /** By all of them, since this process has started. */
  get relayedBytes(): number {
    return this.#relayedBytes;
  }

  /** Sessions whose link goes through one just now. @param ids of those that are configured */
  relays(ids: readonly string[]): number {
    return ids.reduce((sum, id) => sum + (this.#last.get(id)?.report.relays ?? 0), 0);
  }

  /** How long it has said nothing, ms; undefined when it never has. */
  silentMs(id: string): number | undefined {
    const last = this.#last.get(id);
    return last && this.#clock.monotonic() - last.at;
  }
}

// Which processes are there: as the system shows them, and by whether each answers. What has only just not answered is given its
// time, for a process that is started again is away for seconds.
import type { Clock } from '../../clock.ts';
import { type ProcessFacts, readProcesses } from './processes.ts';
import type { ProcessReading } from './reading.ts';

export class Presence {
  readonly #dataFolder: string;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #seenAt = new Map<string, number>();
  #before: { readonly at: number; readonly facts: ReadonlyMap<number, ProcessFacts> } | null = null;

  constructor(dataFolder: string, clock: Clock) {
    this.#dataFolder = dataFolder;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /**
   * @param answered of those that were asked; the others are there when the system shows them
   * @param silentMs of those that report by themselves; undefined for one that never has
   */
  read(
    names: readonly string[],
    answered: Readonly<Record<string, boolean>>,
    silentMs: Readonly<Record<string, number | undefined>>,
  ): ProcessReading[] {
    const now = this.#clock.monotonic();
    const running = readProcesses(this.#dataFolder);
    const byName = new Map(running.map(facts => [facts.name, facts]));
    const read = names.map(name => {
      const facts = byName.get(name);
      const isHere = name === 'portal' || (answered[name] ?? facts !== undefined);
      if (isHere) this.#seenAt.set(name, now);
      const since = this.#seenAt.get(name) ?? this.#startedAt;
      const unseenMs = isHere ? 0 : Math.max(1, now - since);
      const silent = Object.hasOwn(silentMs, name) ? (silentMs[name] ?? Math.max(1, now - this.#startedAt)) : unseenMs;
      const isHeard = this.#seenAt.has(name) || silentMs[name] !== undefined;
      return { name, facts, isHeard, silentMs: silent, processorShare: this.#shareOf(facts, now) };
    });
    this.#before = { at: now, facts: new Map(running.map(facts => [facts.pid, facts])) };
    return read;
  }

  /** Since the look before; over its whole life where there was none. */
  #shareOf(facts: ProcessFacts | undefined, now: number): number {
    if (facts === undefined) return 0;
    const known = this.#before?.facts.get(facts.pid);
    const passedMs = known === undefined ? facts.ageMs : now - (this.#before?.at ?? now);
    const usedMs = facts.processorMs - (known?.processorMs ?? 0);
    return passedMs <= 0 ? 0 : Math.max(0, usedMs / passedMs);
  }
}

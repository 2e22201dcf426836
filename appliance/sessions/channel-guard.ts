// How often a channel's button may be pressed (D-05): anybody in the network can, so it is asked before anything is stored.
//   a source: SOURCE_PRESSES in any WINDOW_MS, and at most half the places of a queue
//   a channel: CHANNEL_PRESSES in any WINDOW_MS
// It is kept in memory: a restart begins with empty windows, and the places in the queue hold all the same.
// Not defended: whoever has many addresses fills a queue, until the time of those who never come is over. Customers behind one
// proxy or NAT count as one source.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { sourceOf } from './pin-guard.ts';

export const WINDOW_MS = 10 * 60_000;
export const SOURCE_PRESSES = 20;
export const CHANNEL_PRESSES = 200;
const MAX_SOURCES = 50_000;

/** What was admitted; one of the two is to be called. */
export interface ChannelAdmission {
  /** It has become this session, which counts for its source until `settled`. */
  began(id: SessionId): void;
  /** Nothing came of it. */
  failed(): void;
}

export class ChannelGuard {
  readonly #clock: Clock;
  /** Times of presses, oldest first, by source or channel; in the order of last use. */
  readonly #presses = new Map<string, number[]>();
  /** Customers whom nobody has picked up yet: `channel source` of each. */
  readonly #waiting = new Map<SessionId | symbol, string>();

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /**
   * @param maxWaiting places in the channel's queue
   * @throws ApplianceError `channel.limited`, whose text says when to come again
   */
  admit({ id, maxWaiting }: { id: string; maxWaiting: number }, address: string): ChannelAdmission {
    const source = sourceOf(address);
    const place = `${id} ${source}`;
    const counted = [...this.#waiting.values()].filter(one => one === place).length;
    if (counted >= Math.ceil(maxWaiting / 2))
      throw new ApplianceError('limited', 'channel.crowded', 'many from your network wait here already', {
        hint: 'Have you begun already? Then go on in the page that was opened first. Or try again in a few minutes.',
      });
    const now = this.#clock.monotonic();
    const waits = [this.#wait(source, SOURCE_PRESSES, now), this.#wait(id, CHANNEL_PRESSES, now)];
    const waitMs = Math.max(...waits);
    if (waitMs > 0)
      throw new ApplianceError('limited', 'channel.limited', `try again in ${Math.ceil(waitMs / 1000)} s`, {
        hint: 'It was pressed very often just now.',
      });
    for (const name of [source, id]) this.#press(name, now);
    const pending = Symbol('pending');
    this.#waiting.set(pending, place);
    return {
      began: session => {
        if (this.#waiting.delete(pending)) this.#waiting.set(session, place);
      },
      failed: () => void this.#waiting.delete(pending),
    };
  }

  /** He was picked up, or is gone. */
  settled(id: SessionId): void {
    this.#waiting.delete(id);
  }

  #wait(name: string, most: number, now: number): number {
    const recent = (this.#presses.get(name) ?? []).filter(at => at > now - WINDOW_MS);
    const oldest = recent.at(-most);
    return oldest === undefined ? 0 : oldest + WINDOW_MS - now;
  }

  #press(name: string, now: number): void {
    const recent = (this.#presses.get(name) ?? []).filter(at => at > now - WINDOW_MS);
    this.#presses.delete(name);
    this.#presses.set(name, [...recent, now]);
    const [longestUnused] = this.#presses.keys();
    if (longestUnused !== undefined && this.#presses.size > MAX_SOURCES) this.#presses.delete(longestUnused);
  }
}

// The budget of PIN guesses (TRUST: PIN, link, claim). A guess at a PIN of n random digits while m such PINs are live hits
// by chance with m / 10^n: that is its risk. The risk of all guesses that missed stays below DAILY_RISK in any 24 hours, so
// no length an admin sets can break it. Above the budget answers come later; they never stop for good.
// There are two lanes with half the budget each: a source that has hardly mistyped isn't held up by those that guess.
// Not defended: someone with tens of thousands of addresses slows PINs down for all. He hits no more for it, and links work.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { DAILY_RISK } from './pin.ts';

const DAY_MS = 86_400_000;
/** A source may miss so often in a day before it counts as one that guesses. */
const CALM_MISSES = 3;
const MAX_SOURCE_DELAY_MS = 60_000;
/** Longer than this no request is held open: the answer then is when to come again. */
export const MAX_HELD_MS = 15_000;
const MAX_SOURCES = 50_000;

interface Source {
  misses: number;
  /** Guesses let in whose outcome is not known yet. */
  pending: number;
  lastAt: number;
  /** No guess of this source before then. */
  notBefore: number;
}

export interface Admission {
  /** The guess may be looked up after so many ms, not before. */
  readonly waitMs: number;
  /** To be called with the outcome. A hit is nobody's guess, so it costs nothing. */
  settle(isHit: boolean): void;
}

/**
 * Half of the budget, as a virtual schedule (GCRA): each guess moves the time when the lane is free again. What it may run
 * ahead, and what it regains in a day, are a quarter of the budget each, so that any 24 hours see at most half.
 */
class Lane {
  readonly #quarter: number;
  #freeAt: number;

  constructor(budget: number, now: number) {
    this.#quarter = budget / 4;
    this.#freeAt = now;
  }

  waitFor(risk: number, now: number): number {
    return Math.max(0, Math.max(this.#freeAt, now) + this.#span(risk) - DAY_MS - now);
  }

  take(risk: number, now: number): void {
    this.#freeAt = Math.max(this.#freeAt, now) + this.#span(risk);
  }

  giveBack(risk: number): void {
    this.#freeAt -= this.#span(risk);
  }

  #span(risk: number): number {
    return (risk / this.#quarter) * DAY_MS;
  }
}

export class PinGuard {
  readonly #clock: Clock;
  readonly #held;
  readonly #calm: Lane;
  readonly #guessing: Lane;
  // In the order of last use; the longest unused goes first when there are too many.
  readonly #sources = new Map<string, Source>();

  /** @param share of DAILY_RISK this site has: 1 / number of sites */
  constructor({ clock, metrics, share }: { clock: Clock; metrics: Metrics; share: number }) {
    this.#clock = clock;
    this.#held = metrics.counter('pin_guesses_total', 'PINs entered, by what became of them.');
    const now = clock.monotonic();
    this.#calm = new Lane(DAILY_RISK * share, now);
    this.#guessing = new Lane(DAILY_RISK * share, now);
  }

  /**
   * @param address where the guess comes from
   * @param risk chance that a random guess hits just now
   * @throws ApplianceError `pin.limited` when it would have to wait longer than MAX_HELD_MS; the message says how long
   */
  admit(address: string, risk: number): Admission {
    const now = this.#clock.monotonic();
    const source = this.#source(sourceOf(address), now);
    const lane = source.misses + source.pending < CALM_MISSES ? this.#calm : this.#guessing;
    const waitMs = Math.max(lane.waitFor(risk, now), source.notBefore - now);
    if (waitMs > MAX_HELD_MS) {
      this.#held.add({ outcome: 'limited' });
      throw new ApplianceError('limited', 'pin.limited', `try again in ${Math.ceil(waitMs / 1000)} s`, {
        hint: 'Many wrong PINs were entered. The link in the invitation works at once.',
      });
    }
    lane.take(risk, now);
    source.pending++;
    source.notBefore = Math.max(source.notBefore, now) + delayAfter(source);
    let isSettled = false;
    return {
      waitMs,
      settle: isHit => {
        if (isSettled) return;
        isSettled = true;
        source.pending--;
        this.#held.add({ outcome: isHit ? 'hit' : 'miss' });
        if (!isHit) source.misses++;
        else this.#forgive(source, lane, risk);
      },
    };
  }

  // Customers sit behind this address, perhaps all of a company's: a guesser has no hits to show. The lanes hold anyway.
  #forgive(source: Source, lane: Lane, risk: number): void {
    lane.giveBack(risk);
    source.misses = 0;
    source.notBefore = this.#clock.monotonic();
  }

  #source(name: string, now: number): Source {
    let source = this.#sources.get(name);
    if (source === undefined || (source.pending === 0 && now - source.lastAt > DAY_MS)) {
      source = { misses: 0, pending: 0, lastAt: now, notBefore: now };
    }
    source.lastAt = now;
    this.#sources.delete(name);
    this.#sources.set(name, source);
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined && this.#sources.size > MAX_SOURCES) this.#sources.delete(oldest);
    return source;
  }
}

/** One second after the first misses too many, doubling up to a minute. */
function delayAfter({ misses, pending }: Source): number {
  const beyond = misses + pending - CALM_MISSES;
  return beyond < 0 ? 0 : Math.min(MAX_SOURCE_DELAY_MS, 1000 * 2 ** Math.min(beyond, 6));
}

/** An IPv4 address, or the /56 an IPv6 customer is given: further addresses of it make no further source. */
export function sourceOf(address: string): string {
  const plain = address.toLowerCase().replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined || !plain.includes(':')) return mapped ?? plain;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4).map(group => Number.parseInt(group, 16) || 0);
  groups[3] = (groups[3] ?? 0) & 0xff00;
  return `${groups.map(group => group.toString(16)).join(':')}::/56`;
}

// A clock a test moves by hand.
import type { Cancel, Clock } from '../../appliance/clock.ts';

interface Timer {
  at: number;
  readonly period: number | null;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.UTC(2026, 5, 1, 8)) {
    this.#now = now;
  }

  /** What waits for its time. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#add({ at: this.#now + delayMs, period: null, run });
  }

  every(periodMs: number, run: () => void): Cancel {
    return this.#add({ at: this.#now + periodMs, period: periodMs, run });
  }

  /** Moves time on and runs what falls due, in the order of its time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#now = Math.max(this.#now, due.at);
      if (due.period === null) this.#timers.delete(due);
      else due.at += due.period;
      due.run();
    }
    this.#now = end;
  }

  /** Moves time on as it goes for a process that was stopped: what fell due meanwhile runs late, and once. */
  skip(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.#now) continue;
      if (timer.period === null) this.#timers.delete(timer);
      else timer.at = this.#now + timer.period;
      timer.run();
    }
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  #next(end: number): Timer | undefined {
    const due = [...this.#timers].filter(timer => timer.at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}

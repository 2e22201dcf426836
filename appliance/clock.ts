// Time is handed in, so that tests move it by hand and nothing sleeps.

/** Ends a timer or an interval; calling it twice does no harm. */
export type Cancel = () => void;

export interface Clock {
  /** Wall-clock time, ms since 1970 UTC. It may jump when the machine's time is set. */
  now(): number;
  /** Monotonic time in ms from an arbitrary start; it never jumps. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` each `periodMs` until cancelled. */
  every(periodMs: number, run: () => void): Cancel;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
};

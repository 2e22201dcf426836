// Whether the customer's session of Windows is locked, or another user's is shown in its place (WTSSessionInfoEx). Windows tells
// it to a window alone, so it is asked.
import type { Clock } from '../../clock.ts';
import { openWindowsSession, readSessionInfo } from '../ffi-windows.ts';

export const POLL_MS = 5000;
/** WTSINFOEXW: level uint32 · (4 bytes) · session uint32 · state int32 · flags int32 · names and times, which are not read. */
const LEAST_BYTES = 20;
const LEVEL = 1;
const ACTIVE = 0;
const LOCKED = 0;

export interface WindowsSessionOptions {
  readonly clock: Clock;
  /** What `readSessionInfo` gives. */
  readonly read: () => Buffer | null;
  /** At each change, and at the beginning where it is locked. */
  readonly tell: (isAway: boolean) => void;
}

/** What Windows can be asked with. @returns null where it can't: then nothing is told */
export function sessionReader(): (() => Buffer | null) | null {
  try {
    const calls = openWindowsSession();
    return () => readSessionInfo(calls);
  } catch {
    return null;
  }
}

/** @returns stops it */
export function watchWindowsSession({ clock, read, tell }: WindowsSessionOptions): () => void {
  let isAway = false;
  const ask = () => {
    const saysAway = isSessionAway(read());
    if (saysAway === null || saysAway === isAway) return;
    isAway = saysAway;
    tell(isAway);
  };
  const cancel = clock.every(POLL_MS, ask);
  ask();
  return cancel;
}

/** @returns null where it doesn't say */
export function isSessionAway(info: Buffer | null): boolean | null {
  if (info === null || info.length < LEAST_BYTES || info.readUInt32LE(0) !== LEVEL) return null;
  return info.readInt32LE(12) !== ACTIVE || info.readInt32LE(16) === LOCKED;
}

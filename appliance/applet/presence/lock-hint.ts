// Whether the customer's desktop is locked, or another user's is shown in its place, as logind knows it: GNOME, KDE, Xfce and
// xss-lock tell it (org.freedesktop.login1(5): LockedHint, Active). It is asked with the program that comes with it.
import { execFile } from 'node:child_process';
import type { Clock } from '../../clock.ts';

/** Each asking is a program that starts: some 5 ms of the customer's processor. */
export const POLL_MS = 5000;
const ANSWER_MS = 1500;
const MAX_ANSWER_BYTES = 4096;
const SESSION = /^[A-Za-z0-9]{1,64}$/;

export interface LockHintOptions {
  readonly clock: Clock;
  /** XDG_SESSION_ID is read; without it nothing is asked. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** At each change, and not before the first. */
  readonly tell: (isAway: boolean) => void;
}

/** @returns stops it */
export function watchLockHint({ clock, environment, tell }: LockHintOptions): () => void {
  const session = environment.XDG_SESSION_ID ?? '';
  if (!SESSION.test(session)) return () => undefined;
  const stopping = new AbortController();
  const { signal } = stopping;
  const options = {
    signal,
    timeout: ANSWER_MS,
    maxBuffer: MAX_ANSWER_BYTES,
    env: { ...environment },
    encoding: 'utf8',
  } as const;
  let isAway = false;
  let isAsking = false;
  const ask = () => {
    if (isAsking) return;
    isAsking = true;
    execFile('loginctl', ['show-session', session, '-p', 'LockedHint', '-p', 'Active'], options, (error, answer) => {
      isAsking = false;
      if (signal.aborted) return;
      if (error !== null) return error.code === 'ENOENT' ? cancel() : undefined; // no logind here; else it may come back
      const saysAway = /^LockedHint=yes$/m.test(answer) || /^Active=no$/m.test(answer);
      if (saysAway === isAway) return;
      isAway = saysAway;
      tell(isAway);
    });
  };
  const cancel = clock.every(POLL_MS, ask);
  ask();
  return () => {
    cancel();
    stopping.abort();
  };
}

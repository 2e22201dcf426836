// Whether anybody is at the customer's screen: it is locked, another user's, or blank.
import type { Clock } from '../../clock.ts';
import { watchLockHint } from './lock-hint.ts';
import { watchScreenSaver } from './screen-saver.ts';
import { sessionReader, watchWindowsSession } from './windows-session.ts';

export interface PresenceOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
}

/** @param tell at each change; nothing is told of systems that can't be asked. @returns stops it */
export function watchPresence(options: PresenceOptions, tell: (isAway: boolean) => void): () => void {
  if (process.platform === 'win32') return watchWindows(options.clock, tell);
  if (process.platform !== 'linux') return () => undefined;
  const sign = anySign(tell);
  const stops = [watchLockHint({ ...options, tell: sign() }), watchScreenSaver({ ...options, tell: sign() })];
  return () => {
    for (const stop of stops) stop();
  };
}

function watchWindows(clock: Clock, tell: (isAway: boolean) => void): () => void {
  const read = sessionReader();
  return read === null ? () => undefined : watchWindowsSession({ clock, read, tell });
}

/** Where one is there, he is away; where none is any more, he is back. @returns makes one, which takes what it says */
export function anySign(tell: (isAway: boolean) => void): () => (isThere: boolean) => void {
  const there = new Set<object>();
  return () => {
    const sign = {};
    return isThere => {
      const before = there.size > 0;
      if (isThere) there.add(sign);
      else there.delete(sign);
      if (there.size > 0 !== before) tell(!before);
    };
  };
}

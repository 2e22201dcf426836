// Whether anybody is at the customer's screen: it is locked, another user's, or blank.
import type { Clock } from '../../clock.ts';
import { watchLockHint } from './lock-hint.ts';
import { watchScreenSaver } from './screen-saver.ts';

export interface PresenceOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
}

/** @param tell at each change; nothing is told of systems that can't be asked. @returns stops it */
export function watchPresence(options: PresenceOptions, tell: (isAway: boolean) => void): () => void {
  if (process.platform !== 'linux') return () => undefined;
  const [locked, blank] = signs(2, tell);
  const stops = [watchLockHint({ ...options, tell: locked }), watchScreenSaver({ ...options, tell: blank })];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Where one is there, he is away; where none is any more, he is back. @returns takes what each of them says */
export function signs(count: 2, tell: (isAway: boolean) => void): [Sign, Sign];
export function signs(count: number, tell: (isAway: boolean) => void): Sign[] {
  const there = new Set<number>();
  return Array.from({ length: count }, (_, sign) => (isThere: boolean) => {
    const before = there.size > 0;
    if (isThere) there.add(sign);
    else there.delete(sign);
    if (there.size > 0 !== before) tell(!before);
  });
}

type Sign = (isThere: boolean) => void;

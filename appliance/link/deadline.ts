// The ten seconds a handshake or an ATTACH may take.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { HANDSHAKE_MS } from './limits.ts';

export interface Deadline {
  /** Rejects when the time is up; never resolves. */
  readonly passed: Promise<never>;
  readonly cancel: Cancel;
}

export function startDeadline(clock: Clock): Deadline {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new ApplianceError('unavailable', 'link.late', `not done within ${HANDSHAKE_MS} ms`));
  return { passed: promise, cancel: clock.after(HANDSHAKE_MS, late) };
}

// Tells the portal every ten seconds that this gateway is there and how much it has relayed, for the status page, and
// hears which relays are to be closed: where control must be recorded and is not (H-03).
//   POST /internal/gateway-report {"id", "relayedBytes", "relays"} → {"close": [pair id…]}
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { callPortal, portalUnreachable } from './portal-call.ts';

const PATH = '/internal/gateway-report';
const EVERY_MS = 10_000;
const PATIENCE_MS = 5000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const Answer = z.object({ close: z.array(z.string().max(64)).default([]) });

export interface ReportParts {
  /** `run/portal-internal.sock` */
  readonly socketPath: string;
  readonly id: string;
  readonly relay: { readonly bytes: number; readonly pairs: number; closePair(pairId: string): void };
  readonly clock: Clock;
  readonly log: Log;
}

/** @returns what ends it */
export function startReports({ socketPath, id, relay, clock, log }: ReportParts): Cancel {
  let isHeard = true;
  const say = async () => {
    try {
      const body = JSON.stringify({ id, relayedBytes: relay.bytes, relays: relay.pairs });
      const call = {
        method: 'POST',
        path: PATH,
        body,
        mostAnswerBytes: MAX_ANSWER_BYTES,
        patienceMs: PATIENCE_MS,
      } as const;
      const { status, text } = await callPortal(socketPath, call);
      if (status !== 200) throw portalUnreachable(`the portal answered ${status}`);
      for (const pairId of Answer.parse(JSON.parse(text)).close) relay.closePair(pairId);
      if (!isHeard) log.info('gateway.report-heard');
      isHeard = true;
    } catch (error) {
      if (isHeard) log.warn('gateway.report-unheard', { why: describeError(error) }); // once: the next one tries again
      isHeard = false;
    }
  };
  void say();
  return clock.every(EVERY_MS, () => void say());
}

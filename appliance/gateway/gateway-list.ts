// The signed list of gateways (F-02), as the portal made it: kept in memory, so that applets find a gateway while the
// portal restarts. What it says is held by the applet to the signature; here only its form and its end are looked at.
//   GET /gateway/list → {"payload": base64url of canonical JSON, "kid", "signature": base64url}
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { answer } from './answers.ts';
import { callPortal, parseReply, portalUnreachable } from './portal-call.ts';

export const GATEWAY_LIST_PATH = '/gateway/list';
const PORTAL_PATH = '/internal/gateway-list';
const MAX_LIST_BYTES = 64 * 1024; // as the applet reads it
const PATIENCE_MS = 3000;
const REFRESH_MS = 60_000;
/** With nothing kept, a flood of requests asks the portal once a second. */
const ASK_AGAIN_MS = 1000;

const SignedList = z.strictObject({
  payload: z.base64url().max(MAX_LIST_BYTES),
  kid: z.string().length(16),
  signature: z.string().length(86),
});
const Lifetime = z.looseObject({ expiresAt: z.int().min(0) });

interface KeptList {
  readonly body: string;
  readonly expiresAt: number; // ms UTC
}

export class GatewayList {
  readonly #socketPath: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #answers: Counter;
  readonly #cancelRefresh: Cancel;
  #kept: KeptList | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY; // monotonic, ms
  #reachable = true;

  /** @param parts.socketPath `run/portal-internal.sock` */
  constructor(parts: { socketPath: string; clock: Clock; log: Log; metrics: Metrics }) {
    this.#socketPath = parts.socketPath;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#answers = parts.metrics.counter('gateway_list_answers_total', 'Requests for the gateway list, by outcome');
    this.#cancelRefresh = parts.clock.every(REFRESH_MS, () => void this.refresh());
    void this.refresh();
  }

  /** Answers `GET /gateway/list`; nothing of the request goes any further. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET') return void answer(request, response, 405, { last: true });
    if (!this.#isGood()) await (this.#mayAsk() ? this.refresh() : this.#asking);
    if (response.destroyed) return;
    const kept = this.#kept;
    const good = this.#isGood() && kept !== undefined;
    this.#answers.add({ outcome: good ? 'given' : 'none' });
    if (!good) return void answer(request, response, 503);
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(kept.body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(kept.body);
  }

  /** Asks the portal, which knows the configuration of now; what is kept stays when it does not answer. Never throws. */
  refresh(): Promise<void> {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  close(): void {
    this.#cancelRefresh();
  }

  async #fetch(): Promise<void> {
    this.#askedAt = this.#clock.monotonic();
    try {
      this.#kept = await askForList(this.#socketPath);
      if (!this.#reachable) this.#log.info('gateway-list.back');
      this.#reachable = true;
    } catch (error) {
      if (this.#reachable) this.#log.warn('gateway-list.unavailable', { error: describeError(error) });
      this.#reachable = false;
    }
  }

  #isGood(): boolean {
    return this.#kept !== undefined && this.#kept.expiresAt > this.#clock.now();
  }

  #mayAsk(): boolean {
    return this.#asking === undefined && this.#clock.monotonic() - this.#askedAt >= ASK_AGAIN_MS;
  }
}

async function askForList(socketPath: string): Promise<KeptList> {
  const call = { method: 'GET', path: PORTAL_PATH, mostAnswerBytes: MAX_LIST_BYTES, patienceMs: PATIENCE_MS } as const;
  const { status, text } = await callPortal(socketPath, call);
  if (status !== 200) throw portalUnreachable(`the portal answered ${status}`);
  const signed = SignedList.safeParse(parseReply(text));
  if (!signed.success) throw portalUnreachable('the portal’s answer is no signed list');
  const lifetime = Lifetime.safeParse(parseReply(Buffer.from(signed.data.payload, 'base64url').toString('utf8')));
  if (!lifetime.success) throw portalUnreachable('the portal’s list does not say when it ends');
  return { body: JSON.stringify(signed.data), expiresAt: lifetime.data.expiresAt };
}

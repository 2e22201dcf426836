// Finding a gateway (F-02): the signed list from one of the configured servers, then one of the list, over TLS held to our
// own anchors. What is asked and answered before that is worth nothing.
//   GET https://<server>/gateway/list → {"payload": base64url of canonical JSON, "kid", "signature": base64url}
//   payload {v: 1, type: "gateway-list", kid, issuedAt, expiresAt, gateways: [{id, host, port}]}, times in ms UTC
import { createPublicKey, randomInt, verify } from 'node:crypto';
import { request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import { signedMessage } from '../protocol/signed.ts';
import type { AppletConfiguration, ServerAddress } from './configuration.ts';
import { connectSecurely } from './secure-connection.ts';

export const GATEWAY_LIST_PATH = '/gateway/list';
const DOMAIN = 'appliance/gateway-list/v1';
const MAX_LIST_BYTES = 64 * 1024;
const ANSWER_MS = 10_000;
/** This computer's clock may be wrong by a day before a list is taken for an old one; the signature is what counts. */
const CLOCK_SLACK_MS = 86_400_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000] as const;
const JITTER_MS = 500;

const SignedList = z.strictObject({
  payload: z.string().max(MAX_LIST_BYTES),
  kid: z.string().length(16),
  signature: z.string().length(86),
});
const GatewayList = z.strictObject({
  v: z.literal(1),
  type: z.literal('gateway-list'),
  kid: z.string().length(16),
  issuedAt: z.int().min(0),
  expiresAt: z.int().min(0),
  gateways: z
    .array(
      z.strictObject({ id: z.string().max(64), host: z.string().min(1).max(253), port: z.int().min(1).max(65_535) }),
    )
    .min(1)
    .max(64),
});
export type Gateway = z.infer<typeof GatewayList>['gateways'][number];

export interface ChosenGateway {
  readonly gateway: Gateway;
  /** To the chosen gateway, checked; the caller's from here on. */
  readonly connection: TLSSocket;
  /** All there are: the next ones to try. */
  readonly gateways: readonly Gateway[];
}

export interface GatewaysOptions {
  readonly configuration: Pick<AppletConfiguration, 'servers' | 'anchors' | 'keys'>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Told before each pause, so that the customer sees what is wrong and when the next attempt comes. */
  readonly waiting: (error: ApplianceError, delayMs: number) => void;
}

/** Tries until it has one, or is told to stop. @throws what `signal` was aborted with */
export async function findGateway(options: GatewaysOptions, signal: AbortSignal): Promise<ChosenGateway> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await chooseGateway(options);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      const delayMs = (RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0) + randomInt(JITTER_MS);
      options.waiting(error, delayMs);
      await pause(options.clock, delayMs, signal);
    }
  }
}

/** One attempt: the list from the first server that gives one, then gateways in random order. */
export async function chooseGateway(options: GatewaysOptions): Promise<ChosenGateway> {
  const { configuration, environment } = options;
  const secured = { anchors: configuration.anchors, environment };
  const gateways = await firstOf(configuration.servers, server => fetchGatewayList(server, options));
  return firstOf(shuffled(gateways), async gateway => ({
    gateway,
    gateways,
    connection: await connectSecurely(gateway, secured),
  }));
}

/** @throws ApplianceError `gateway-list.refused` for a list that is not signed with a pinned key, or is over */
export async function fetchGatewayList(server: ServerAddress, options: GatewaysOptions): Promise<Gateway[]> {
  const { configuration, environment, clock } = options;
  const connection = await connectSecurely(server, { anchors: configuration.anchors, environment });
  try {
    return readGatewayList(await get(connection, server), configuration.keys['gateway-list'], clock.now());
  } finally {
    connection.destroy();
  }
}

/** @param now ms UTC by this computer's clock */
export function readGatewayList(
  text: string,
  keys: AppletConfiguration['keys']['gateway-list'],
  now: number,
): Gateway[] {
  const signed = SignedList.safeParse(jsonOf(text));
  if (!signed.success) throw refused('it is none');
  const { payload, kid, signature } = signed.data;
  const key = keys.find(pinned => pinned.kid === kid);
  const bytes = decode(payload);
  if (key === undefined || !isSigned(bytes, decode(signature), key.spki)) throw refused('no pinned key signed it');
  const list = GatewayList.safeParse(jsonOf(Buffer.from(bytes).toString('utf8'))); // from here on the appliance's word
  if (!list.success) throw refused('its version is not known');
  if (list.data.kid !== kid || list.data.expiresAt + CLOCK_SLACK_MS < now) throw refused('it is over');
  return list.data.gateways;
}

function isSigned(payload: Uint8Array<ArrayBuffer>, signature: Uint8Array, spki: string): boolean {
  const key = createPublicKey({ key: Buffer.from(fromBase64Url(spki)), format: 'der', type: 'spki' });
  return verify('sha256', signedMessage(DOMAIN, payload), { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function get(connection: TLSSocket, { host, port }: ServerAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) => {
      connection.destroy();
      reject(new ApplianceError('unavailable', 'gateway-list.unavailable', 'no list of gateways', { cause }));
    };
    const headers = { host: `${host.includes(':') ? `[${host}]` : host}:${port}`, accept: 'application/json' };
    const options = { path: GATEWAY_LIST_PATH, headers, createConnection: () => connection, timeout: ANSWER_MS };
    const sent = request(options, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => {
        text += chunk;
        if (text.length > MAX_LIST_BYTES) failed();
      });
      answer.on('error', failed).on('end', () => (answer.statusCode === 200 ? resolve(text) : failed()));
    });
    sent.on('timeout', failed).on('error', failed).end();
  });
}

async function firstOf<T, R>(candidates: readonly T[], attempt: (candidate: T) => Promise<R>): Promise<R> {
  let last: ApplianceError | undefined;
  for (const candidate of candidates) {
    try {
      return await attempt(candidate);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      // A server that is not ours, or a proxy in the way, is worth telling more than one that is just down.
      last = last === undefined || error.kind === 'refused' ? error : last;
    }
  }
  throw last ?? new ApplianceError('missing', 'gateway-list.empty', 'there is no gateway');
}

function shuffled<T>(items: readonly T[]): T[] {
  const rest = [...items];
  const order: T[] = [];
  while (rest.length > 0) order.push(...rest.splice(randomInt(rest.length), 1));
  return order;
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const cancel = clock.after(delayMs, resolve);
    const stop = () => {
      cancel();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  try {
    return fromBase64Url(text);
  } catch (cause) {
    throw refused('it is no base64url', cause);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema refuses it
  }
}

function refused(why: string, cause?: unknown): ApplianceError {
  return new ApplianceError('refused', 'gateway-list.refused', `the list of gateways was not taken: ${why}`, { cause });
}

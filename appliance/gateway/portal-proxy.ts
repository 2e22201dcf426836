// Passes requests and upgrades to a process behind the edge, the portal or the recorder, over its Unix socket and streams both ways. Nothing is held beyond the
// streams' own buffers: who does not read is not read from.
import { Agent, type ClientRequest, type IncomingMessage, request as openRequest, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { answer } from './answers.ts';
import { hasBody, headersForClient, headersForPortal, withoutCookies } from './forwarded-headers.ts';
import type { EdgeLimits } from './limits.ts';
import { Silence } from './silence.ts';
import { join, writeHandshake } from './upgraded.ts';

/** Kept-alive connections to the portal; more requests at once open more. */
const IDLE_PORTAL_CONNECTIONS = 64;
const RETRIABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly attempt: number;
}

export interface ProxyParts {
  readonly to: 'portal' | 'settings' | 'recorder';
  readonly socketPath: string;
  readonly limits: EdgeLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class PortalProxy {
  readonly #to: ProxyParts['to'];
  readonly #socketPath: string;
  readonly #limits: EdgeLimits;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #failures: Counter;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: IDLE_PORTAL_CONNECTIONS, scheduling: 'lifo' });
  #reachable = true;

  constructor(parts: ProxyParts) {
    this.#to = parts.to;
    this.#socketPath = parts.socketPath;
    this.#limits = parts.limits;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#failures = parts.metrics.counter(
      `gateway_${parts.to}_failures_total`,
      `Requests the ${parts.to} did not answer, by reason`,
    );
  }

  /** Passes a checked request on and answers it, whatever happens. */
  forward(request: IncomingMessage, response: ServerResponse): void {
    this.#send({ request, response, attempt: 1 });
  }

  /** Passes a checked upgrade on; `onClosed` is called when both sides are gone. */
  upgrade(request: IncomingMessage, client: Duplex, head: Buffer, onClosed: () => void): void {
    client.on('close', onClosed);
    client.on('error', () => client.destroy()); // a reset; what is joined to it ends with it
    // The recorder has no use for a login.
    const kept = this.#to === 'portal' ? headersForPortal(request) : withoutCookies(headersForPortal(request));
    const headers = [...kept, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const outgoing = this.#open(request, headers, false); // a connection of its own, never used for another request
    if (!outgoing) return void answer(request, responseOn(request, client), 400, { last: true });
    const deadline = new Silence(this.#clock, this.#limits.answerMs, () => outgoing.destroy(new Error('no answer')));
    const settled = () => deadline.close();
    client.once('close', () => {
      settled();
      outgoing.destroy();
    });
    outgoing.once('upgrade', (reply: IncomingMessage, portal: Duplex, first: Buffer) => {
      settled();
      this.#succeeded();
      if (client.destroyed) return portal.destroy();
      writeHandshake(client, reply);
      join({ client, fromClient: head, portal, fromPortal: first });
    });
    outgoing.once('response', reply => {
      settled();
      this.#succeeded();
      const response = responseOn(request, client);
      response.shouldKeepAlive = false;
      this.#relayAnswer({ request, response, attempt: 1 }, reply);
    });
    outgoing.once('error', error => {
      settled();
      if (client.destroyed || !client.writable) return;
      const status = this.#failed(error);
      answer(request, responseOn(request, client), status, { last: true });
    });
    outgoing.end();
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @returns undefined for a target or header Node reads but would not write */
  #open(request: IncomingMessage, headers: string[], agent: Agent | false = this.#agent): ClientRequest | undefined {
    try {
      return openRequest({
        agent,
        socketPath: this.#socketPath,
        method: request.method,
        path: request.url,
        headers,
        maxHeaderSize: this.#limits.headerBytes * 4, // the portal is ours: cookies and policies are long
      });
    } catch (error) {
      this.#failures.add({ reason: 'unwritable' });
      this.#log.debug('gateway.request-unwritable', { error: describeError(error) });
      return undefined;
    }
  }

  #send(exchange: Exchange): void {
    const { request, response } = exchange;
    const outgoing = this.#open(request, headersForPortal(request));
    if (!outgoing) return void answer(request, response, 400, { last: true });
    const late = new Silence(this.#clock, this.#limits.answerMs, () => {
      outgoing.destroy();
      this.#expired(exchange, 'answer-late');
    });
    let settled = false;
    const lost = (error: Error) => {
      late.close();
      request.unpipe(outgoing);
      if (!settled) this.#lost(exchange, outgoing, error); // once an answer has begun, its own end decides
      settled = true;
    };
    outgoing.once('response', reply => {
      settled = true;
      late.close();
      this.#succeeded();
      this.#relayAnswer(exchange, reply);
    });
    outgoing.once('error', lost);
    outgoing.once('close', () => {
      if (!settled) lost(new Error('the portal gave no answer')); // a 101 nobody asked for ends without error
    });
    response.once('close', () => {
      late.close();
      // The client left, or was answered before its body had ended: a half-sent request must not wait for its rest.
      if (!response.writableFinished || !outgoing.writableFinished) outgoing.destroy();
    });
    if (hasBody(request)) this.#sendBody(exchange, outgoing, late);
    else outgoing.end();
  }

  /** Pipes the body; its silence counts until its end, also when the answer has begun before. */
  #sendBody(exchange: Exchange, outgoing: ClientRequest, late: Silence): void {
    const { request, response } = exchange;
    const silence = new Silence(this.#clock, this.#limits.bodySilenceMs, () => {
      late.close();
      outgoing.destroy();
      this.#expired(exchange, 'body-silent');
    });
    request.on('data', () => {
      silence.progress();
      late.progress(); // the portal's time begins with the last byte
    });
    request.once('end', () => silence.close());
    response.once('close', () => silence.close());
    request.pipe(outgoing);
  }

  #relayAnswer({ request, response }: Exchange, reply: IncomingMessage): void {
    if (response.destroyed || response.headersSent) return void reply.destroy();
    // An answer before the end of the body: what follows is not read to its end, so the connection can't go on.
    const early = !request.complete && hasBody(request);
    if (early) response.shouldKeepAlive = false;
    if (!this.#writeHead(request, response, reply)) return;
    const unread = new Silence(
      this.#clock,
      this.#limits.unreadMs,
      () => {
        this.#failures.add({ reason: 'answer-unread' });
        response.destroy();
      },
      () => !response.writableNeedDrain, // nothing waits for the client: the portal is the one who is silent
    );
    response.on('drain', () => unread.progress());
    response.once('close', () => {
      unread.close();
      reply.destroy();
      if (early) request.destroy();
    });
    reply.once('error', () => response.destroy()); // cut short: the client must see that too
    reply.once('aborted', () => response.destroy());
    reply.pipe(response);
  }

  /** @returns false when the portal's head can't be written, and the client was told so */
  #writeHead(request: IncomingMessage, response: ServerResponse, reply: IncomingMessage): boolean {
    try {
      response.writeHead(reply.statusCode ?? 0, reply.statusMessage, headersForClient(reply));
      return true;
    } catch (error) {
      this.#failures.add({ reason: 'malformed' });
      this.#log.warn('gateway.answer-malformed', { error: describeError(error) });
      reply.destroy();
      answer(request, response, 502, { last: true });
      return false;
    }
  }

  #lost(exchange: Exchange, outgoing: ClientRequest, error: Error): void {
    const { request, response, attempt } = exchange;
    if (response.destroyed || response.writableEnded) return;
    if (response.headersSent) return void response.destroy();
    // The portal may close a kept-alive connection just as it is used again; what changes nothing is asked once more.
    const again = outgoing.reusedSocket && attempt === 1 && RETRIABLE.has(request.method ?? '') && !hasBody(request);
    if (again) return void this.#send({ request, response, attempt: attempt + 1 });
    answer(request, response, this.#failed(error), { last: hasBody(request) });
  }

  #expired({ request, response }: Exchange, reason: 'answer-late' | 'body-silent'): void {
    this.#failures.add({ reason });
    if (response.destroyed) return;
    if (response.headersSent) return void response.destroy();
    response.once('finish', () => request.destroy());
    answer(request, response, reason === 'body-silent' ? 408 : 504, { last: true });
  }

  #succeeded(): void {
    if (!this.#reachable) this.#log.info(`gateway.${this.#to}-back`);
    this.#reachable = true;
  }

  /** @returns the status that tells the client */
  #failed(error: Error): 502 | 503 {
    const malformed = 'code' in error && String(error.code).startsWith('HPE_');
    this.#failures.add({ reason: malformed ? 'malformed' : 'unreachable' });
    if (this.#reachable) this.#log.warn(`gateway.${this.#to}-lost`, { error: describeError(error) });
    this.#reachable = false;
    return malformed ? 502 : 503;
  }
}

/** An answer on a socket that an upgrade has taken from the HTTP server. */
function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // An upgrade's socket is the TLS socket it came in on; `Duplex` is only how Node types the event.
  response.assignSocket(request.socket);
  response.once('finish', () => socket.end(() => socket.destroy()));
  return response;
}

// `/healthz`: this process answers. `/readyz`: it can do its work, so the portal answers and the certificate is in date.
import { request as openRequest } from 'node:http';
import { connect } from 'node:net';
import type { Clock } from '../clock.ts';

const ASK_AGAIN_MS = 1000; // a flood of `/readyz` asks the portal once a second
const PATIENCE_MS = 2000;

export interface Readiness {
  readonly portal: boolean;
  readonly certificate: boolean;
}

export class ReadinessProbe {
  readonly #clock: Clock;
  readonly #portalSocket: string;
  readonly #internalSocket: string;
  readonly #certificateInDate: () => boolean;
  #asked: { readonly at: number; readonly portal: Promise<boolean> } | undefined;

  constructor(parts: {
    clock: Clock;
    /** What requests of users go through. */
    portalSocket: string;
    /** Where the portal tells other processes how it is. */
    internalSocket: string;
    certificateInDate: () => boolean;
  }) {
    this.#clock = parts.clock;
    this.#portalSocket = parts.portalSocket;
    this.#internalSocket = parts.internalSocket;
    this.#certificateInDate = parts.certificateInDate;
  }

  async read(): Promise<Readiness> {
    const now = this.#clock.monotonic();
    if (!this.#asked || now - this.#asked.at >= ASK_AGAIN_MS) {
      this.#asked = { at: now, portal: this.#portalAnswers() };
    }
    return { portal: await this.#asked.portal, certificate: this.#certificateInDate() };
  }

  async #portalAnswers(): Promise<boolean> {
    const answers = await Promise.all([accepts(this.#portalSocket), isHealthy(this.#internalSocket)]);
    return answers.every(Boolean);
  }
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.once('connect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

function isHealthy(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const asking = openRequest({ socketPath, path: '/internal/health', timeout: PATIENCE_MS, agent: false }, reply => {
      resolve(reply.statusCode === 200);
      reply.resume();
    });
    asking.once('timeout', () => asking.destroy());
    asking.once('error', () => resolve(false));
    asking.once('close', () => resolve(false));
    asking.end();
  });
}

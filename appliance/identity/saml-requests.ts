// What was asked of identity providers and not answered yet: for ten minutes, once, and only in the browser that asked. In
// memory: after a restart whoever was asked begins again.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { samlFault } from './saml-fault.ts';

const REQUEST_MS = 10 * 60_000;
/** Strangers ask before they sign in; they can push out only each other's. */
const MAX_REQUESTS = 10_000;

export interface SamlPurpose {
  /** The login to be confirmed, or that ends when another begins in this browser; null for none. */
  readonly loginId: string | null;
  /** Where a confirmed login goes on; null when it is to sign in. */
  readonly confirms: string | null;
}

export interface SamlRequest extends SamlPurpose {
  readonly idpId: string;
  /** ID of the message: what an answer names in InResponseTo. */
  readonly id: string;
  /** ms UTC */
  readonly at: number;
}

export class SamlRequests {
  readonly #clock: Clock;
  readonly #open = new Map<string, SamlRequest & { readonly until: number; readonly browser: Buffer }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param browser what its cookie holds @returns the request, and the RelayState it is found by: a key, never an address */
  open(idpId: string, browser: string, purpose: SamlPurpose): { request: SamlRequest; relayState: string } {
    const now = this.#clock.monotonic();
    const id = `_${randomBytes(20).toString('hex')}`;
    const request = { ...purpose, idpId, id, at: this.#clock.now() };
    const relayState = randomBytes(16).toString('base64url');
    this.#open.set(relayState, { ...request, until: now + REQUEST_MS, browser: digestOf(browser) });
    for (const [old, { until }] of this.#open) {
      if (this.#open.size <= MAX_REQUESTS && until > now) break;
      this.#open.delete(old);
    }
    return { request, relayState };
  }

  /**
   * Gives it back once.
   * @returns undefined when there is none, or it is too old
   * @throws ApplianceError `saml.other-browser`; it stays open for the one that asked
   */
  take(relayState: string, browser: string): SamlRequest | undefined {
    const found = this.#open.get(relayState);
    if (found === undefined || found.until <= this.#clock.monotonic()) return undefined;
    if (!timingSafeEqual(found.browser, digestOf(browser))) {
      throw samlFault('saml.other-browser', 'it came in another browser than the one that asked');
    }
    this.#open.delete(relayState);
    const { idpId, id, at, loginId, confirms } = found;
    return { idpId, id, at, loginId, confirms };
  }
}

function digestOf(browser: string): Buffer {
  return createHash('sha256').update(browser).digest();
}

// The link of a session on the customer's side, and the paths beneath it. A console comes over a relay the appliance names;
// a new handshake takes the place of the link before it, which the guard allows only while that one has no path.
import type { Cancel, Clock } from '../clock.ts';
import type { SessionId } from '../guid.ts';
import type { PinnedKey } from '../link/credential-check.ts';
import type { DhKeyPair, LinkCrypto } from '../link/crypto.ts';
import { HandshakeGuard } from '../link/handshake-guard.ts';
import { Link } from '../link/link.ts';
import type { Path } from '../link/path.ts';
import type { FromAppliance } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { Signed } from '../protocol/signed.ts';

/** Relay legs that wait for their console at one time. */
const MAX_WAITING = 4;
/** Offers that came by two legs are one. */
const MAX_SEEN_OFFERS = 64;

export type AttachOffer = Extract<FromAppliance, { type: 'attach' }>;
export type LinkEnd = 'ended' | 'replaced' | 'appliance';

export interface SessionLinkOptions {
  readonly clock: Clock;
  readonly crypto: LinkCrypto;
  readonly sid: SessionId;
  readonly psk: Bytes;
  readonly keys: readonly PinnedKey[];
  /** One for the session; it is erased at the end. */
  readonly staticKey: DhKeyPair;
  readonly certify: (staticKey: Bytes) => Promise<Signed>;
  readonly trustedNow: () => number;
  readonly unacknowledgedBytes: number;
  readonly openRelay: (leg: { readonly gateway: string; readonly token: Bytes }) => Promise<Path>;
  readonly started: (link: Link) => void;
  /** A path is there again, or none is. */
  readonly attached: (isAttached: boolean) => void;
  /** Called while the link is still the one there is. */
  readonly ended: (why: LinkEnd) => void;
  readonly attemptsFailed: (count: number) => void;
  readonly refused: () => void;
}

export class SessionLink {
  readonly #options: SessionLinkOptions;
  readonly #guard: HandshakeGuard;
  readonly #waiting = new Set<Path>();
  readonly #seen = new Set<string>();
  #opening = 0;
  #link: Link | null = null;
  #unfollow: Cancel = () => undefined;
  #isClosed = false;

  constructor(options: SessionLinkOptions) {
    this.#options = options;
    this.#guard = new HandshakeGuard(failed => options.attemptsFailed(failed));
  }

  /** The link there is now, attached or not. */
  get link(): Link | null {
    return this.#link;
  }

  get isAttached(): boolean {
    return this.#link?.state.state === 'open';
  }

  /** A console wants a path. */
  offered(offer: AttachOffer): void {
    const key = offer.token.join();
    if (this.#isClosed || this.#seen.has(key)) return;
    this.#remember(key);
    if (this.#opening >= MAX_WAITING) return void this.#options.refused();
    this.#opening++;
    this.#take(offer)
      .catch(() => this.#options.refused()) // the path is closed, and what there was is not disturbed
      .finally(() => {
        this.#opening--;
      });
  }

  /** The appliance ends the technician's link, and what he still waits with. */
  cut(): void {
    for (const path of this.#waiting) path.close();
    this.#drop('appliance');
  }

  close(): void {
    this.#isClosed = true;
    this.cut();
    this.#options.staticKey.erase();
    this.#options.psk.fill(0);
  }

  async #take({ gateway, token, purpose }: AttachOffer): Promise<void> {
    const path = await this.#options.openRelay({ gateway, token });
    if (this.#isClosed) return path.close();
    this.#waiting.add(path);
    try {
      if (purpose === 'attach') await this.#attach(path);
      else await this.#accept(path);
    } finally {
      this.#waiting.delete(path);
    }
  }

  async #attach(path: Path): Promise<void> {
    if (this.#link === null) return path.close();
    await this.#link.attachPath(path);
  }

  async #accept(path: Path): Promise<void> {
    const { clock, crypto, sid, psk, keys, staticKey, certify, trustedNow, unacknowledgedBytes } = this.#options;
    const link = await Link.acceptApplet(
      {
        ...{ clock, crypto, sid, psk, keys, staticKey, certify, trustedNow, unacknowledgedBytes },
        ...{ caps: [], guard: this.#guard },
      },
      path,
    );
    if (this.#isClosed) return link.close();
    this.#drop('replaced');
    this.#link = link;
    this.#unfollow = link.onState(({ state }) => {
      if (state === 'closed') this.#drop('ended');
      else this.#options.attached(state === 'open');
    });
    this.#options.started(link);
  }

  #drop(why: LinkEnd): void {
    const link = this.#link;
    if (link === null) return;
    this.#unfollow();
    this.#options.ended(why);
    this.#link = null;
    link.close();
  }

  #remember(key: string): void {
    this.#seen.add(key);
    const [oldest] = this.#seen;
    if (this.#seen.size > MAX_SEEN_OFFERS && oldest !== undefined) this.#seen.delete(oldest);
  }
}

// Leases (TRUST: the applet's own leg): the appliance keeps a technician's rights alive for at most a minute at a time. Not
// renewed, rights are frozen and keys let go; five minutes later the session ends. The computer's clock plays no part: a
// lease runs from when its nonce was sent, on the monotonic clock.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { parseLease } from '../protocol/signed.ts';
import type { LinkIdentity } from './consents.ts';
import type { Later } from './objects.ts';

export const END_AFTER_LAPSE_MS = 5 * 60_000;
const NONCE_BYTES = 16;

export interface LeaseKeeperOptions {
  readonly clock: Clock;
  readonly random: (bytes: number) => Bytes;
  /** Whether the appliance's session key signed these bytes as a lease. */
  readonly verify: (payload: Bytes, signature: Bytes) => Later<boolean>;
  readonly sid: SessionId;
  readonly link: () => LinkIdentity | null;
  /** Release every key; nothing is admitted until `thawed`. */
  readonly frozen: (why: 'lapsed' | 'revoked') => void;
  readonly thawed: () => void;
  readonly ended: () => void;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #counter = -1;
  #asked: { readonly nonce: Bytes; readonly at: number } | null = null;
  #isFrozen = true; // nothing is admitted before the first lease
  #isRevoked = false;
  #hasEnded = false;
  #cancelLapse: Cancel | null = null;
  #cancelEnd: Cancel | null = null;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** A nonce for the next lease; an earlier one is void. To be sent on the applet's own leg. */
  ask(): Bytes {
    const nonce = this.#options.random(NONCE_BYTES);
    this.#asked = { nonce, at: this.#options.clock.monotonic() };
    return nonce;
  }

  /** @throws ApplianceError `lease.refused` for anything but the answer to the last nonce, about this very link */
  async accept(payload: Bytes, signature: Bytes): Promise<void> {
    if (!(await this.#options.verify(payload, signature))) throw refused('not signed by the appliance');
    const lease = parseLease(payload);
    const link = this.#options.link();
    const asked = this.#asked;
    if (this.#hasEnded) throw refused('the session has ended');
    if (lease.sid !== this.#options.sid) throw refused('a lease of another session');
    if (link === null || !equalBytes(lease.linkId, link.linkId) || lease.sub !== link.sub)
      throw refused('another link');
    if (asked === null || !equalBytes(lease.nonce, asked.nonce)) throw refused('not the answer to what was asked');
    if (lease.counter <= this.#counter) throw refused('an older lease');
    this.#asked = null;
    this.#counter = lease.counter;
    const leftMs = asked.at + lease.ttlMs - this.#options.clock.monotonic();
    if (leftMs <= 0) throw refused('it had lapsed when it came');
    this.#renew(leftMs);
  }

  /** The appliance has taken the technician's rights away: at once, whatever lease there is. */
  revoke(): void {
    if (this.#options.link() === null) return; // said late: `linkEnded` has taken them already, and nothing is to end
    this.#isRevoked = true;
    this.#freeze('revoked');
  }

  /** Another technician's link: leases start anew. */
  linkStarted(): void {
    this.#isRevoked = false;
    this.#asked = null;
    this.#freeze('lapsed');
  }

  /** There is no link, so nobody whose rights could lapse; nothing is admitted until the next one has a lease. */
  linkEnded(): void {
    this.#isFrozen = true;
    this.#asked = null;
    this.close();
  }

  close(): void {
    this.#cancelLapse?.();
    this.#cancelEnd?.();
    this.#cancelLapse = null;
    this.#cancelEnd = null;
  }

  #renew(leftMs: number): void {
    const { clock, thawed } = this.#options;
    if (this.#isRevoked) throw refused('rights on this link were taken away');
    this.close();
    this.#cancelLapse = clock.after(leftMs, () => this.#freeze('lapsed'));
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    thawed();
  }

  #freeze(why: 'lapsed' | 'revoked'): void {
    this.#cancelLapse?.();
    const { clock, frozen, ended } = this.#options;
    const wasFrozen = this.#isFrozen;
    this.#isFrozen = true;
    if (wasFrozen && this.#cancelEnd !== null) return;
    this.#cancelEnd = clock.after(END_AFTER_LAPSE_MS, () => {
      this.#hasEnded = true;
      ended();
    });
    frozen(why);
  }
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'lease.refused', why);
}

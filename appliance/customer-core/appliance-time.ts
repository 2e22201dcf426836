// What time it is by the appliance (TRUST: time). The computer's own clock may be wrong or set at will, so it is never
// asked: the appliance signs the time together with a nonce of ours, and the monotonic clock counts on from there.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { parseTime } from '../protocol/signed.ts';
import type { Later } from './objects.ts';

const NONCE_BYTES = 16;
/** An answer that took longer says too little: its time may be anywhere within. */
export const MAX_ROUND_TRIP_MS = 30_000;

export interface ApplianceTimeOptions {
  readonly clock: Clock;
  readonly random: (bytes: number) => Bytes;
  /** Whether the appliance's session key signed these bytes. */
  readonly verify: (payload: Bytes, signature: Bytes) => Later<boolean>;
}

export class ApplianceTime {
  readonly #options: ApplianceTimeOptions;
  #asked: { readonly nonce: Bytes; readonly at: number } | null = null;
  /** Appliance's ms UTC less monotonic ms. */
  #offset: number | null = null;
  #error = 0;

  constructor(options: ApplianceTimeOptions) {
    this.#options = options;
  }

  /** A nonce to send; an earlier one is void. */
  ask(): Bytes {
    const nonce = this.#options.random(NONCE_BYTES);
    this.#asked = { nonce, at: this.#options.clock.monotonic() };
    return nonce;
  }

  /** @throws ApplianceError `time.refused` for anything but the answer to the last nonce, in time */
  async accept(payload: Bytes, signature: Bytes): Promise<void> {
    if (!(await this.#options.verify(payload, signature))) throw refused('not signed by the appliance');
    const { nonce, time } = parseTime(payload);
    const asked = this.#asked;
    if (asked === null || !equalBytes(nonce, asked.nonce)) throw refused('not the answer to what was asked');
    this.#asked = null;
    const now = this.#options.clock.monotonic();
    if (now - asked.at > MAX_ROUND_TRIP_MS) throw refused('the answer took too long');
    this.#offset = time - (asked.at + now) / 2;
    this.#error = Math.ceil((now - asked.at) / 2);
  }

  get isKnown(): boolean {
    return this.#offset !== null;
  }

  /** How far `now` may be off either way, ms: the answer was made somewhere between question and answer. */
  get error(): number {
    return this.#error;
  }

  /** ms UTC. @throws ApplianceError `time.unknown` before the first answer */
  now(): number {
    if (this.#offset === null)
      throw new ApplianceError('unavailable', 'time.unknown', 'the appliance’s time is not known');
    return Math.floor(this.#options.clock.monotonic() + this.#offset);
  }
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'time.refused', why);
}

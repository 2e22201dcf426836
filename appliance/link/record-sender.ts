// Seals records of one direction and keeps them until they are acknowledged. A sequence number is sealed exactly once:
// what is sent again is the stored ciphertext, so no nonce is ever used twice.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import {
  associatedData,
  type Direction,
  HEADER_BYTES,
  MAX_INTERACTIVE_BYTES,
  nonceOf,
  RECORD,
  TAG_BYTES,
  writeHeader,
} from '../protocol/record.ts';
import { type LinkCrypto, whenReady } from './crypto.ts';
import { type EpochKeys, eraseEpoch, firstEpoch, nextEpoch } from './keys.ts';
import { LAST_EPOCH, LAST_SEQ, REKEY_MS, REKEY_RECORDS } from './limits.ts';

export interface RecordSenderOptions {
  readonly crypto: LinkCrypto;
  readonly clock: Clock;
  /** Used up by the sender, which erases it. */
  readonly secret: Bytes;
  readonly linkId: Bytes;
  readonly direction: Direction;
  /** A record was sealed later than it was asked for. */
  readonly sealed: () => void;
  readonly fail: (error: unknown) => void;
  readonly rekeyRecords?: number;
}

interface Stored {
  /** Null until sealed. */
  bytes: Bytes | null;
  readonly size: number;
  /** Sealed at once, so the cipher takes spare memory; and on no more than one path, which has let go of what arrived. */
  reusable: boolean;
}

/** Acknowledged records of about full size, whose memory the next ones take: allocating costs half as much as sealing. */
const MAX_SPARES = 64;
const FULL_BYTES = HEADER_BYTES + MAX_INTERACTIVE_BYTES + TAG_BYTES;
const isOfFullSize = (bytes: number) => bytes > FULL_BYTES - 1024 && bytes <= FULL_BYTES;

export class RecordSender {
  readonly #options: RecordSenderOptions;
  readonly #stored = new Map<number, Stored>();
  readonly #spares: Bytes[] = [];
  #keys: EpochKeys;
  #epochFirst = 0;
  #epochStartedAt: number;
  #nextSeq = 0;
  #acknowledged = 0;
  #transmit = 0;
  #highest = 0;
  #unacknowledgedBytes = 0;
  #untransmittedBytes = 0;

  constructor(options: RecordSenderOptions) {
    this.#options = options;
    this.#keys = firstEpoch(options.crypto, options.secret);
    this.#epochStartedAt = options.clock.monotonic();
  }

  /** Sealed, or being sealed, and not acknowledged. */
  get unacknowledgedBytes(): number {
    return this.#unacknowledgedBytes;
  }

  /** Sealed, or being sealed, and not given to the present path. */
  get untransmittedBytes(): number {
    return this.#untransmittedBytes;
  }

  /** The number of the record that goes out next. */
  get transmitSeq(): number {
    return this.#transmit;
  }

  /** Everything below this number was delivered. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get epoch(): number {
    return this.#keys.epoch;
  }

  /**
   * Seals one record. Number and epoch are taken before the cipher is called, so that calls may overlap.
   * @throws ApplianceError `link.exhausted` when numbers or epochs have run out
   */
  seal(parts: readonly Bytes[], length: number): void {
    this.#rekeyWhenDue();
    const seq = this.#nextSeq;
    if (seq >= LAST_SEQ) throw exhausted();
    this.#nextSeq++;
    const { linkId, direction, sealed, fail } = this.#options;
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, { type: RECORD.data, epoch: this.#keys.epoch, seq, length });
    const stored: Stored = { bytes: null, size: HEADER_BYTES + length + TAG_BYTES, reusable: false };
    this.#stored.set(seq, stored);
    this.#unacknowledgedBytes += stored.size;
    this.#untransmittedBytes += stored.size;
    const associated = associatedData(header, linkId, direction);
    const spare = isOfFullSize(stored.size) ? this.#spares.pop() : undefined;
    const result = whenReady(this.#keys.key, key => key.seal(nonceOf(seq), associated, parts, HEADER_BYTES, spare));
    if (!(result instanceof Promise)) {
      stored.bytes = withHeader(result, header);
      stored.reusable = isOfFullSize(result.buffer.byteLength);
      return;
    }
    result.then(bytes => {
      stored.bytes = withHeader(bytes, header);
      sealed();
    }, fail);
  }

  /** The next record for the present path, or null when none is sealed. */
  next(): Bytes | null {
    const stored = this.#stored.get(this.#transmit);
    if (stored === undefined || stored.bytes === null) return null;
    this.#transmit++;
    if (this.#transmit > this.#highest) this.#highest = this.#transmit;
    this.#untransmittedBytes -= stored.size;
    return stored.bytes;
  }

  /** Sends again from here, on another path. */
  rewind(seq: number): void {
    this.#transmit = Math.max(seq, this.#acknowledged);
    this.#untransmittedBytes = 0;
    for (const [at, stored] of this.#stored) {
      if (at < this.#transmit) continue;
      this.#untransmittedBytes += stored.size;
      if (at < this.#highest) stored.reusable = false;
    }
  }

  /**
   * Everything below `next` was delivered. A lower number than before is ignored.
   * @throws ApplianceError `link.protocol` for a record that was never sent
   */
  acknowledge(next: number): void {
    if (next > this.#highest)
      throw new ApplianceError('malformed', 'link.protocol', 'the peer acknowledges what was never sent');
    for (let seq = this.#acknowledged; seq < next; seq++) {
      const stored = this.#stored.get(seq);
      if (stored === undefined) continue;
      this.#stored.delete(seq);
      this.#unacknowledgedBytes -= stored.size;
      if (seq >= this.#transmit) this.#untransmittedBytes -= stored.size;
      this.#spare(stored);
    }
    this.#acknowledged = Math.max(this.#acknowledged, next);
    this.#transmit = Math.max(this.#transmit, next);
  }

  erase(): void {
    this.#stored.clear();
    this.#spares.length = 0;
    this.#erase(this.#keys);
  }

  /** What was delivered has left its only path. A peer that lies about it spoils its own next record. */
  #spare({ bytes, reusable }: Stored): void {
    if (bytes !== null && reusable && this.#spares.length < MAX_SPARES) this.#spares.push(new Uint8Array(bytes.buffer));
  }

  #rekeyWhenDue(): void {
    const { crypto, clock, rekeyRecords = REKEY_RECORDS } = this.#options;
    const now = clock.monotonic();
    const due = this.#nextSeq - this.#epochFirst >= rekeyRecords || now - this.#epochStartedAt >= REKEY_MS;
    // The peer holds two epochs, and gives up the older one with the first record of the newer one it delivers. Before
    // that is acknowledged, a third epoch could overtake it on another path.
    if (!due || this.#acknowledged <= this.#epochFirst) return;
    if (this.#keys.epoch + 1 >= LAST_EPOCH) throw exhausted();
    const old = this.#keys;
    this.#keys = nextEpoch(crypto, old);
    this.#erase(old);
    this.#epochFirst = this.#nextSeq;
    this.#epochStartedAt = now;
  }

  #erase(keys: EpochKeys): void {
    const erased = eraseEpoch(keys);
    if (erased instanceof Promise) erased.catch(this.#options.fail);
  }
}

function withHeader(record: Bytes, header: Bytes): Bytes {
  record.set(header);
  return record;
}

export function exhausted(): ApplianceError {
  return new ApplianceError('unavailable', 'link.exhausted', 'the link has used up its numbers; a new one is needed');
}

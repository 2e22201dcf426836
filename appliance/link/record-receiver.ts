// Opens records of one direction. They may come over several paths and be opened in any order; they are delivered in
// the order of their numbers, each once, and none before its tag was verified.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { associatedData, type Direction, HEADER_BYTES, nonceOf, type RecordHeader } from '../protocol/record.ts';
import { type AeadKey, type Later, type LinkCrypto, whenReady } from './crypto.ts';
import { tampered } from './errors.ts';
import { type EpochKeys, eraseEpoch, firstEpoch, nextEpoch } from './keys.ts';
import { LAST_EPOCH, LAST_SEQ, MAX_HELD_BYTES } from './limits.ts';
import { exhausted } from './record-sender.ts';

export interface RecordReceiverOptions {
  readonly crypto: LinkCrypto;
  /** Used up by the receiver, which erases it. */
  readonly secret: Bytes;
  readonly linkId: Bytes;
  readonly direction: Direction;
  readonly deliver: (plain: Bytes) => void;
  readonly fail: (error: unknown) => void;
}

interface Held {
  /** Null until its tag was verified. */
  plain: Bytes | null;
  readonly epoch: number;
  readonly size: number;
}

export class RecordReceiver {
  readonly #options: RecordReceiverOptions;
  readonly #held = new Map<number, Held>();
  #keys: EpochKeys;
  #upcoming: EpochKeys | null = null;
  #next = 0;
  #heldBytes = 0;
  #duplicates = 0;
  #over = false;

  constructor(options: RecordReceiverOptions) {
    this.#options = options;
    this.#keys = firstEpoch(options.crypto, options.secret);
  }

  /** The first record that was not delivered yet. */
  get next(): number {
    return this.#next;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Records that had come before, over another path. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /**
   * Takes a record whose number its path was to carry next.
   * @throws ApplianceError `link.tampered` `link.epoch` `link.window` `link.exhausted`: the link ends
   */
  accept({ seq, epoch }: RecordHeader, message: Bytes): void {
    if (this.#over) return;
    if (seq >= LAST_SEQ || epoch >= LAST_EPOCH) throw exhausted();
    if (seq < this.#next || this.#held.has(seq)) {
      this.#duplicates++;
      return;
    }
    if (this.#heldBytes + message.length > MAX_HELD_BYTES)
      throw new ApplianceError('limited', 'link.window', 'the peer sends more than fits while a record is missing');
    const key = this.#keyOf(epoch);
    const held: Held = { plain: null, epoch, size: message.length };
    this.#held.set(seq, held);
    this.#heldBytes += held.size;
    const opened = this.#open(key, seq, message);
    if (opened instanceof Promise) {
      opened.then(
        plain => this.#opened(held, plain),
        error => this.#options.fail(tampered(`record ${seq}`, error)),
      );
    } else {
      this.#opened(held, opened);
    }
  }

  erase(): void {
    this.#over = true;
    this.#held.clear();
    this.#erase(this.#keys);
    if (this.#upcoming !== null) this.#erase(this.#upcoming);
  }

  #open(key: Later<AeadKey>, seq: number, message: Bytes): Later<Bytes> {
    const { linkId, direction } = this.#options;
    const associated = associatedData(message, linkId, direction);
    try {
      return whenReady(key, aead => aead.open(nonceOf(seq), associated, message.subarray(HEADER_BYTES)));
    } catch (error) {
      throw tampered(`record ${seq}`, error);
    }
  }

  #opened(held: Held, plain: Bytes): void {
    held.plain = plain;
    try {
      for (let first = this.#held.get(this.#next); first?.plain && !this.#over; first = this.#held.get(this.#next)) {
        this.#held.delete(this.#next++);
        this.#heldBytes -= first.size;
        this.#enterEpoch(first.epoch);
        this.#options.deliver(first.plain);
      }
    } catch (error) {
      this.#options.fail(error);
    }
  }

  #keyOf(epoch: number): Later<AeadKey> {
    if (epoch === this.#keys.epoch) return this.#keys.key;
    if (epoch !== this.#keys.epoch + 1) throw wrongEpoch();
    this.#upcoming ??= nextEpoch(this.#options.crypto, this.#keys);
    return this.#upcoming.key;
  }

  /** The first record of the next epoch means that the present one was delivered to its end. */
  #enterEpoch(epoch: number): void {
    if (epoch === this.#keys.epoch) return;
    if (this.#upcoming === null || epoch !== this.#upcoming.epoch) throw wrongEpoch();
    const old = this.#keys;
    this.#keys = this.#upcoming;
    this.#upcoming = null;
    this.#erase(old);
  }

  #erase(keys: EpochKeys): void {
    const erased = eraseEpoch(keys);
    if (erased instanceof Promise) erased.catch(this.#options.fail);
  }
}

function wrongEpoch(): ApplianceError {
  return new ApplianceError('malformed', 'link.epoch', 'a record of an epoch that is neither the present nor the next');
}

// What was sent of one hashed stream, and how much of it is proved to be recorded: for each place between two messages that
// is not proved yet, when it was reached and what the stream is up to there.
import { ApplianceError } from '../errors.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { recordedBytes, type StreamName } from '../protocol/recorded-stream.ts';
import type { StreamPlace } from '../protocol/recording-receipt.ts';

/** SHA-256 over all that is added; asking for it does not end it. */
export interface StreamHash {
  add(bytes: Bytes): void;
  /** 32 bytes. */
  digest(): Bytes;
}

/** Where nothing waits for proof the oldest are forgotten: of a recorder that is there they were proved long ago. */
const MAX_PLACES = 16_384;

interface Place extends StreamPlace {
  /** Monotonic ms. */
  readonly reachedAt: number;
}

export class StreamLedger {
  readonly name: StreamName;
  readonly #hash: StreamHash;
  /** Not proved yet, in order. */
  #places: Place[] = [];
  #sent = 0;
  #proved: StreamPlace | null = null;

  constructor(name: StreamName, hash: StreamHash) {
    this.name = name;
    this.#hash = hash;
  }

  /** Bytes of the stream so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Bytes of it that are proved. */
  get covered(): number {
    return this.#proved?.offset ?? 0;
  }

  get uncovered(): number {
    return this.#sent - this.covered;
  }

  /** The furthest place that is proved. */
  get proved(): StreamPlace | null {
    return this.#proved;
  }

  /** Places that are kept until they are proved. */
  get places(): number {
    return this.#places.length;
  }

  /** When the oldest message was sent that is not proved; null when all are. */
  get oldestAt(): number | null {
    return this.#places[0]?.reachedAt ?? null;
  }

  /** @param message of `screen`, of kind 0 or 2, just before it is sent */
  add(message: Bytes, now: number): void {
    const bytes = recordedBytes(message);
    this.#hash.add(bytes);
    this.#sent += bytes.length;
    this.#places.push({ offset: this.#sent, digest: this.#hash.digest(), reachedAt: now });
    if (this.#places.length > MAX_PLACES) this.#places = this.#places.slice(-MAX_PLACES / 2);
  }

  /**
   * @returns whether it proves more than was proved
   * @throws ApplianceError `recording.receipt` where the stream was never there, or was up to something else
   */
  cover({ offset, digest }: StreamPlace): boolean {
    if (offset <= this.covered) return false;
    const index = this.#places.findIndex(place => place.offset >= offset);
    const place = this.#places[index];
    if (place?.offset !== offset) throw refused('a place the stream was never at');
    if (!equalBytes(place.digest, digest)) throw refused('something else than was sent');
    this.#places = this.#places.slice(index + 1);
    this.#proved = { offset, digest: place.digest };
    return true;
  }
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'recording.receipt', `a receipt for ${why}`);
}

// One picture that is recorded: what may still be sent of it, and whether input may be taken with it, as RecordingRule says.
import type { Cancel, Clock } from '../clock.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { RecordingState } from '../protocol/recording.ts';
import type { StreamLedger } from './stream-ledger.ts';

/** Sent longer ago than this and not proved: nothing goes on. */
export const MAX_UNPROVED_MS = 4000;
export const MAX_UNPROVED_BYTES = 4 * 1024 * 1024;
/** Each is a digest that is kept; what people do does not reach it in 4 s. */
const MAX_PLACES = 8192;
/** What is proved is counter-signed so often, and at the end. */
const ATTEST_MS = 10_000;

/** What an earlier stream left unproved for good. */
export interface Loss {
  readonly nonce: Bytes;
  readonly sent: number;
  readonly covered: number;
}

export interface RecordedStreamParts {
  readonly clock: Clock;
  readonly ledger: StreamLedger;
  readonly isForced: boolean;
  /** To be marked in it. */
  readonly losses: readonly Loss[];
  /** Counter-signs what is proved. */
  readonly attest: () => void;
  readonly changed: () => void;
  readonly closed: () => void;
}

export class RecordedStream {
  readonly #parts: RecordedStreamParts;
  /** Bytes up to the end of the first picture; null while it is not out. */
  #firstBytes: number | null = null;
  #isClosed = false;
  #attestedAt: number;
  #cancel: Cancel | null = null;

  constructor(parts: RecordedStreamParts) {
    this.#parts = parts;
    this.#attestedAt = parts.clock.monotonic();
  }

  get nonce(): Bytes {
    return this.#parts.ledger.name.nonce;
  }

  get isForced(): boolean {
    return this.#parts.isForced;
  }

  get losses(): readonly Loss[] {
    return this.#parts.losses;
  }

  get state(): RecordingState {
    if (this.#isClosed) return 'idle';
    if (this.#isLate || !this.#hasRoom(0)) return 'unproved';
    return this.#isFirstProved ? 'proved' : 'waiting';
  }

  /** Whether so much more may be sent now, all at once: of a picture, or a mark. */
  admits(bytes: number): boolean {
    if (this.#isClosed) return false;
    if (!this.#parts.isForced) return true;
    return !this.#isLate && this.#hasRoom(bytes) && (this.#firstBytes === null || this.#isFirstProved);
  }

  /** Whether input may be taken. */
  get admitsInput(): boolean {
    if (!this.#parts.isForced) return !this.#isClosed;
    return !this.#isClosed && this.#isFirstProved && !this.#isLate && this.#hasRoom(0);
  }

  /** @param message of `screen`, of kind 0 or 2, just before it is sent */
  add(message: Bytes): void {
    if (this.#isClosed) return;
    this.#parts.ledger.add(message, this.#parts.clock.monotonic());
    if (this.#cancel === null) this.#watch();
  }

  /** A picture is out, wholly. */
  pictureSent(): void {
    if (this.#firstBytes !== null) return;
    this.#firstBytes = this.#parts.ledger.sent;
    this.#parts.changed();
  }

  /** A receipt has proved more of it. */
  proved(): void {
    this.#watch();
    const now = this.#parts.clock.monotonic();
    if (now - this.#attestedAt < ATTEST_MS) return;
    this.#attestedAt = now;
    this.#parts.attest();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancel?.();
    this.#parts.closed();
  }

  get #isFirstProved(): boolean {
    return this.#firstBytes !== null && this.#parts.ledger.covered >= this.#firstBytes;
  }

  get #isLate(): boolean {
    const { oldestAt } = this.#parts.ledger;
    return oldestAt !== null && this.#parts.clock.monotonic() - oldestAt > MAX_UNPROVED_MS;
  }

  #hasRoom(bytes: number): boolean {
    const { uncovered, places } = this.#parts.ledger;
    return uncovered + bytes <= MAX_UNPROVED_BYTES && places < MAX_PLACES;
  }

  /** Tells when what is oldest becomes too old. */
  #watch(): void {
    this.#cancel?.();
    this.#cancel = null;
    const { clock, ledger, changed } = this.#parts;
    if (ledger.oldestAt === null || this.#isClosed) return;
    const dueMs = Math.max(0, ledger.oldestAt + MAX_UNPROVED_MS + 1 - clock.monotonic());
    this.#cancel = clock.after(dueMs, () => {
      this.#cancel = null;
      // Timers of a busy program may come a little early; nothing is added any more once it is late, so nobody else looks.
      if (this.#isLate) changed();
      else this.#watch();
    });
  }
}

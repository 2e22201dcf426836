// Recording, as the applet holds it over a session (TRUST: recording receipts, H-03). Picture and input go on only while
// every byte of the stream that was sent more than 4 s ago is proved to be recorded, and at most 4 MiB are not. A stream
// begins with one picture; nothing follows and no input is taken before that is proved. What a stream leaves unproved is a
// debt of the session, whatever becomes of stream and link: there is no other picture before it is proved, or closed as a
// marked loss, at most twice.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { PinnedKey } from '../link/credential-check.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import { CLOCK_SKEW_MS } from '../link/limits.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import type { RecordingState } from '../protocol/recording.ts';
import {
  parseRecordingReceipt,
  RECEIPT_DOMAIN,
  type RecordingAttestation,
  type RecordingReceipt,
} from '../protocol/recording-receipt.ts';
import { type Signed, signedMessage } from '../protocol/signed.ts';
import type { Later } from './objects.ts';
import { type Loss, RecordedStream } from './recorded-stream.ts';
import { type StreamHash, StreamLedger } from './stream-ledger.ts';

export const MAX_LOSSES = 2;
/** Streams that were not forced and whose end is not proved yet; an older one stays unattested. */
const MAX_TAILS = 4;
const NONCE_BYTES = 16;

export interface RecordingRuleOptions {
  readonly clock: Clock;
  readonly sid: SessionId;
  readonly newHash: () => StreamHash;
  readonly crypto: Pick<LinkCrypto, 'randomBytes' | 'verifyEs256'>;
  /** The appliance's keys for receipts, the present one and its successor; no other key of it counts. */
  readonly keys: readonly PinnedKey[];
  readonly applianceTime: () => number;
  /** Counter-signs what is proved, on the own leg. */
  readonly attest: (attestation: RecordingAttestation) => void;
  /** What may be sent or taken, or the state, may have changed. */
  readonly changed: () => void;
}

export class RecordingRule {
  readonly #options: RecordingRuleOptions;
  #current: { readonly stream: RecordedStream; readonly ledger: StreamLedger } | null = null;
  /** Closed, and not proved to their end. */
  #debts: readonly StreamLedger[] = [];
  /** The same of streams that were not forced: nobody waits for it. */
  #tails: readonly StreamLedger[] = [];
  /** To be marked in the next stream. */
  #unmarked: readonly Loss[] = [];
  #losses = 0;

  constructor(options: RecordingRuleOptions) {
    this.#options = options;
  }

  /** Marked losses there were, of the two there may be. */
  get losses(): number {
    return this.#losses;
  }

  get state(): RecordingState {
    if (this.#current !== null) return this.#current.stream.state;
    if (this.#debts.length === 0) return 'idle';
    return this.#losses < MAX_LOSSES ? 'debt' : 'lost';
  }

  /** What was sent and is not proved, and when the first of it was sent (monotonic ms); null where all is. */
  get unproved(): { readonly bytes: number; readonly since: number } | null {
    const ledger = this.#debts[0] ?? this.#current?.ledger;
    if (ledger === undefined || ledger.oldestAt === null) return null;
    return { bytes: ledger.uncovered, since: ledger.oldestAt };
  }

  /** Whether nothing that was sent waits for its proof, or may be added to. */
  get isSettled(): boolean {
    return this.#current === null && this.#debts.length === 0 && this.#tails.length === 0;
  }

  /** Nonce of the stream that is owed; null while none is. */
  get owed(): Bytes | null {
    return this.#debts[0]?.name.nonce ?? null;
  }

  /**
   * A picture is to be opened; the one before is closed.
   * @param isForced false: it is hashed and attested, and nothing is held back
   * @throws ApplianceError `recording.debt`, `recording.lost`
   */
  open(linkId: Bytes, isForced: boolean): RecordedStream {
    this.#current?.stream.close();
    if (isForced && this.#debts.length > 0) {
      if (this.#losses < MAX_LOSSES) throw refused('recording.debt', 'the last picture is not proved to be recorded');
      throw refused('recording.lost', 'too much was lost of the recording');
    }
    const { sid, crypto, newHash, clock, changed } = this.#options;
    const ledger = new StreamLedger({ sid, linkId, nonce: crypto.randomBytes(NONCE_BYTES) }, newHash());
    const stream = new RecordedStream({
      ...{ clock, ledger, isForced, changed, losses: this.#unmarked, attest: () => this.#attest(ledger) },
      closed: () => this.#closed(ledger, isForced),
    });
    this.#unmarked = [];
    this.#current = { stream, ledger };
    return stream;
  }

  /** @throws ApplianceError `recording.receipt`, `protocol.malformed`; nothing has changed then */
  async accept(signed: Signed): Promise<void> {
    const receipt = parseRecordingReceipt(signed.payload);
    const ledger = this.#find(receipt);
    if (!(await this.#isSigned(signed, receipt))) throw notProved('a signature that is wrong');
    if (receipt.time > this.#options.applianceTime() + CLOCK_SKEW_MS) throw notProved('a time to come');
    if (!ledger.cover(receipt)) return; // it came again, or late
    if (this.#current?.ledger === ledger) this.#current.stream.proved();
    else if (ledger.uncovered === 0) this.#forget(ledger);
    this.#options.changed();
  }

  /** A console says that the rest of this stream can't be delivered any more. */
  lost(nonce: Bytes): void {
    const ledger = this.#debts.find(({ name }) => equalBytes(name.nonce, nonce));
    if (ledger === undefined || this.#losses >= MAX_LOSSES) return;
    this.#losses++;
    this.#unmarked = [...this.#unmarked, { nonce, sent: ledger.sent, covered: ledger.covered }];
    this.#forget(ledger);
    this.#options.changed();
  }

  /** The link is gone, and the picture with it. */
  linkEnded(): void {
    this.#current?.stream.close();
  }

  #find({ sid, linkId, nonce }: RecordingReceipt): StreamLedger {
    if (sid !== this.#options.sid) throw notProved('another session');
    const open = this.#current === null ? [] : [this.#current.ledger];
    const ledger = [...open, ...this.#debts, ...this.#tails].find(({ name }) => equalBytes(name.nonce, nonce));
    if (ledger === undefined) throw notProved('a stream nobody waits for');
    if (!equalBytes(ledger.name.linkId, linkId)) throw notProved('another link');
    return ledger;
  }

  #isSigned({ payload, signature }: Signed, { kid }: RecordingReceipt): Later<boolean> {
    const { crypto, keys } = this.#options;
    const key = keys.find(pinned => pinned.kid === kid);
    if (key === undefined) throw notProved('a key that is not pinned');
    return crypto.verifyEs256(key.publicKey, signedMessage(RECEIPT_DOMAIN, payload), signature);
  }

  #closed(ledger: StreamLedger, isForced: boolean): void {
    this.#current = null;
    if (ledger.uncovered === 0) this.#attest(ledger);
    else if (isForced) this.#debts = [...this.#debts, ledger];
    else this.#tails = [...this.#tails, ledger].slice(-MAX_TAILS);
    this.#options.changed();
  }

  #forget(ledger: StreamLedger): void {
    this.#debts = this.#debts.filter(debt => debt !== ledger);
    this.#tails = this.#tails.filter(tail => tail !== ledger);
    this.#attest(ledger);
  }

  #attest({ name, proved }: StreamLedger): void {
    if (proved !== null) this.#options.attest({ ...name, ...proved, at: this.#options.applianceTime() });
  }
}

function notProved(what: string): ApplianceError {
  return refused('recording.receipt', `a receipt of ${what}`);
}

function refused(code: string, why: string): ApplianceError {
  return new ApplianceError('refused', code, why);
}

// The recording of a session as the customer's side holds it (H-03 H-05): the rule, the stream `recording` its receipts come
// by, what both people are told, and who signs what was sent.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { PinnedKey } from '../link/credential-check.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import type { LinkStream } from '../link/stream.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { parseRecording, RECORDING_STREAM, writeRecordingNews } from '../protocol/recording.ts';
import { ATTESTATION_DOMAIN, type RecordingAttestation, writeAttestation } from '../protocol/recording-receipt.ts';
import { RecordedScreen } from './desktop/recorded-screen.ts';
import type { BeforePause } from './desktop/recording-pause.ts';
import type { PictureQueue } from './desktop/screen-stream.ts';
import type { HostEvent, HostLine } from './host-log.ts';
import type { AppletSigned, AppletSigner } from './objects.ts';
import { RecordingRule } from './recording-rule.ts';
import type { Told } from './reports.ts';
import type { StreamHash } from './stream-ledger.ts';
import type { WindowModel } from './window-model.ts';

const RESET_MALFORMED = 2;
const MARKED: readonly string[] = ['asked', 'granted', 'refused', 'started', 'ended'] satisfies Told['stage'][];
type MarkedStage = 'asked' | 'granted' | 'refused' | 'started' | 'ended';

/** What a platform brings to it. */
export interface RecordingParts {
  /** The appliance's keys for receipts, the present one and its successor. */
  readonly keys: readonly PinnedKey[];
  readonly newHash: () => StreamHash;
}

export interface SessionRecordingOptions extends RecordingParts {
  readonly clock: Clock;
  readonly crypto: Pick<LinkCrypto, 'randomBytes' | 'verifyEs256'>;
  readonly sid: SessionId;
  readonly applianceTime: () => number;
  /** How far that may be off, ms. */
  readonly timeError: () => number;
  readonly isForced: () => boolean;
  /** Whether the technician may pause what runs, and since when he has; ms UTC by the appliance's clock. */
  readonly pause: () => { readonly mayPause: boolean; readonly pausedAt: number | null };
  /** The console wants it paused, or to go on. */
  readonly pauseWished: (isPaused: boolean) => void;
  /** Of the technician on the link there is; null while there is none. */
  readonly technician: () => { readonly linkId: Bytes; readonly sub: string; readonly technician: string } | null;
  readonly view: WindowModel;
  readonly sign: AppletSigner;
  readonly attest: (signed: AppletSigned) => void;
  readonly log: (event: HostEvent, about: Partial<HostLine>) => void;
  readonly refused: () => void;
  /** What may be sent or taken may have changed. */
  readonly changed: () => void;
}

export class SessionRecording {
  readonly #options: SessionRecordingOptions;
  readonly #rule: RecordingRule;
  #stream: LinkStream | null = null;
  #screen: RecordedScreen | null = null;
  #told: Bytes | null = null;
  #window: 'none' | 'on' | 'held' = 'none';
  #isHeldLogged = false;
  /** Told when there may be nothing left to be proved. */
  #settled: (() => void) | null = null;
  /** Attestations are signed one after the other. */
  #signing: Promise<unknown> = Promise.resolve();

  constructor(options: SessionRecordingOptions) {
    this.#options = options;
    const { clock, crypto, sid, keys, newHash, applianceTime } = options;
    this.#rule = new RecordingRule({
      ...{ clock, crypto, sid, keys, newHash, applianceTime },
      attest: attestation => this.#attest(attestation),
      changed: () => this.#changed(),
    });
  }

  /** A console has opened a stream. @returns false when it is none of the recording's */
  opened(stream: LinkStream): boolean {
    if (stream.kind !== RECORDING_STREAM || this.#stream !== null) return false;
    this.#stream = stream;
    this.#told = null;
    const over = () => {
      if (this.#stream === stream) this.#stream = null;
    };
    stream.listen({ message: bytes => this.#receive(stream, bytes), ended: over, reset: over });
    this.#tell();
    return true;
  }

  /**
   * A picture is to be opened. @param isWished a recording the customer allowed runs @param before what it goes on with
   * @returns null where it is not recorded · `wait`: one before it is owed · `never`: too much was lost in this session
   */
  record(
    isWished: boolean,
    { queue, isWaiting, width, height }: PictureQueue,
    before: BeforePause | null,
  ): RecordedScreen | 'wait' | 'never' | null {
    const isForced = this.#options.isForced();
    const technician = this.#options.technician();
    if ((!isForced && !isWished) || technician === null) return null;
    try {
      const recorded = this.#rule.open(technician.linkId, isForced);
      const { clock, applianceTime, sid } = this.#options;
      const { linkId, sub, technician: name } = technician;
      const { after = null, pausedMs = 0 } = before ?? {};
      const begin = { sid, width, height, linkId, sub, technician: name, after, pausedMs };
      this.#screen = new RecordedScreen({ clock, recorded, applianceTime, begin, queue, isWaiting });
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      if (error.code === 'recording.debt') return 'wait';
      if (error.code === 'recording.lost') return 'never';
      throw error;
    }
    this.#options.log('recording-started', {});
    this.#changed();
    return this.#screen;
  }

  /** Whether it may be paused, or is, may have changed. */
  pauseChanged(): void {
    this.#tell();
  }

  /** Something was reported that a recording marks. */
  reported({ stage, action }: Told): void {
    if (MARKED.includes(stage)) this.#screen?.action(action, stage as MarkedStage); // one of the list
  }

  chatted(line: Bytes, by: 'customer' | 'technician'): void {
    this.#screen?.chat(line, by);
  }

  /** Its picture has ended. */
  screenEnded(screen: RecordedScreen | null): void {
    if (screen === null || this.#screen !== screen) return;
    this.#screen = null;
    this.#options.log('recording-ended', {});
    this.#changed();
  }

  /** Resolves when all that was sent is proved and counter-signed, or after so long. */
  async settled(patienceMs: number): Promise<void> {
    if (!this.#rule.isSettled) {
      await new Promise<void>(resolve => {
        const cancel = this.#options.clock.after(patienceMs, resolve);
        this.#settled = () => {
          if (!this.#rule.isSettled) return;
          cancel();
          resolve();
        };
      });
      this.#settled = null;
    }
    await this.#signing;
  }

  linkEnded(): void {
    this.#stream = null;
    this.#rule.linkEnded();
  }

  async #receive(stream: LinkStream, bytes: Bytes): Promise<void> {
    try {
      const message = parseRecording(bytes);
      if (message.type === 'lost') this.#rule.lost(message.nonce);
      else if (message.type === 'pause') this.#options.pauseWished(message.paused);
      else await this.#rule.accept(message);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#options.refused();
      if (error.code !== 'protocol.malformed') return; // it proves nothing; the right one may still come
      if (this.#stream === stream) this.#stream = null;
      stream.reset(RESET_MALFORMED);
    }
  }

  #attest(attestation: RecordingAttestation): void {
    const payload = writeAttestation(attestation);
    this.#signing = this.#signing
      .then(() => this.#options.sign(ATTESTATION_DOMAIN, payload))
      .then(signature => this.#options.attest({ payload, signature }))
      .catch(() => this.#options.refused());
  }

  #changed(): void {
    this.#tell();
    this.#show();
    this.#options.changed();
    this.#settled?.();
  }

  #tell(): void {
    const { state, owed } = this.#rule;
    const nonce = state === 'debt' || state === 'lost' ? owed : null;
    const news = writeRecordingNews({ state, nonce, ...this.#options.pause() });
    if (this.#stream === null || equalBytes(this.#told ?? NOTHING, news)) return;
    this.#told = news;
    this.#stream.send(news);
  }

  /** The customer is told that he is recorded, and when pictures wait for the recorder. */
  #show(): void {
    const { state } = this.#rule;
    const isHeld = state === 'unproved' || state === 'debt' || state === 'lost';
    const next = this.#screen === null ? (isHeld ? 'held' : 'none') : isHeld && this.#screen.isForced ? 'held' : 'on';
    if (next === this.#window) return;
    this.#window = next;
    this.#logHeld();
    this.#options.view.update({ recording: next });
  }

  /** A picture that is held, not one that has ended: how much of it was shown without a proof, and since when. */
  #logHeld(): void {
    const { clock, applianceTime, timeError, log } = this.#options;
    const isHeld = this.#window === 'held' && (this.#rule.state === 'unproved' || this.#isHeldLogged);
    if (isHeld === this.#isHeldLogged) return;
    this.#isHeldLogged = isHeld;
    if (!isHeld) {
      log('recording-resumed', {});
      return;
    }
    const { bytes, since } = this.#rule.unproved ?? { bytes: 0, since: clock.monotonic() };
    const sentAt = new Date(applianceTime() - (clock.monotonic() - since));
    log('recording-held', { bytes, detail: `not proved since ${sentAt.toISOString()} ±${timeError()} ms` });
  }
}

const NOTHING = new Uint8Array();

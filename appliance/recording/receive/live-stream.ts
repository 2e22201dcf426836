// One stream from its first message to its finished file: who brings it, how it is doing, and when it is over.
import type { Clock } from '../../clock.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import { type SessionId, toBase64Url } from '../../guid.ts';
import type { Log } from '../../log.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { LIVE_AGAIN_MS, type RecordingGrant } from '../../protocol/recorder-portal.ts';
import type { RecorderState } from '../../protocol/recorder-socket.ts';
import type { BeginMark } from '../../protocol/recording-marks.ts';
import type { Signed } from '../../protocol/signed.ts';
import type { RecordingPortal } from '../portal-client.ts';
import type { RecordingShare } from '../recording-share.ts';
import { headOf, MAX_CLOCK_STEP_MS, type StreamRecorder } from '../stream-recorder.ts';
import { finishFile } from './finishing.ts';
import type { Journal } from './journal.ts';

/** A link lives five minutes without a path; a console that comes back after twice that has nothing to bring. */
const ABANDONED_MS = 10 * 60_000;
/** After its session is over, what the console still had to bring has come, or will not. */
const SETTLED_MS = 15_000;
/** The last receipt goes to the applet, which signs what it proves: the manifest says how far it has. */
const SIGNED_WITHIN_MS = 2000;

/** A console's connection. */
export interface StreamBringer {
  /** Everything before is there. */
  at(offset: number): void;
  proved(receipt: Signed): void;
  state(state: RecorderState): void;
  /** Another connection brings it now. */
  replaced(): void;
}

export interface LiveStreamParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly share: RecordingShare;
  readonly portal: Pick<RecordingPortal, 'live' | 'finished' | 'attested'>;
  /** The nonce, base64url. */
  readonly name: string;
  readonly journal: Journal;
  readonly recorder: StreamRecorder;
  /** It is finished, or there was nothing to finish. */
  readonly over: () => void;
}

export class LiveStream {
  readonly #parts: LiveStreamParts;
  #bringer: StreamBringer | null = null;
  #grant: RecordingGrant | null = null;
  #heardAt: number;
  #endedAt: number | null = null;
  /** When the portal said that its session is over. */
  #overAt: number | null = null;
  #isLiveTold = false;
  #liveToldAt = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(parts: LiveStreamParts) {
    this.#parts = parts;
    this.#heardAt = parts.clock.monotonic();
    parts.recorder.listen({
      check: begin => this.#check(begin),
      proved: receipt => this.#proved(receipt),
      stateChanged: state => this.#stateChanged(state),
    });
  }

  /** Its session's; null before anybody brought it. */
  get sid(): SessionId | null {
    return this.#parts.recorder.begin?.sid ?? this.#grant?.sid ?? null;
  }

  get state(): RecorderState {
    return this.#parts.recorder.state;
  }

  /** @throws ApplianceError `recording.refused` for what this grant is not for */
  async broughtBy(bringer: StreamBringer, grant: RecordingGrant): Promise<void> {
    const { recorder } = this.#parts;
    const { begin } = recorder;
    if (begin !== null && (begin.sid !== grant.sid || begin.sub !== grant.sub)) throw refused('a stream of another');
    if (this.#isOver || recorder.state === 'refused') throw refused('a stream that is over');
    this.#bringer?.replaced();
    this.#bringer = bringer;
    this.#grant = grant;
    this.#heardAt = this.#parts.clock.monotonic();
    await recorder.broughtAnew();
    if (this.#bringer !== bringer) return;
    bringer.at(recorder.offset);
    if (recorder.receipt !== null) bringer.proved(recorder.receipt.signed); // it may not have arrived
    if (recorder.state !== 'recording') bringer.state(recorder.state);
  }

  /** @throws ApplianceError where the stream can't be recorded; the connection ends then */
  async receive(bringer: StreamBringer, bytes: Bytes): Promise<void> {
    if (this.#bringer !== bringer) throw refused('a stream that another brings');
    this.#heardAt = this.#parts.clock.monotonic();
    await this.#parts.recorder.receive(bytes);
  }

  left(bringer: StreamBringer): void {
    if (this.#bringer !== bringer) return;
    this.#bringer = null;
    this.#tellLive(false);
  }

  /** Once a second. */
  async tick(): Promise<void> {
    const { recorder, clock, log, name, share } = this.#parts;
    if (this.#isOver) return;
    try {
      await recorder.flush();
      if (recorder.state !== 'recording' && recorder.state !== 'refused') return;
      const now = clock.monotonic();
      const isAbandoned = this.#bringer === null && now - this.#heardAt > ABANDONED_MS;
      if (recorder.isEnded) this.#endedAt ??= now;
      else if (now - this.#heardAt >= LIVE_AGAIN_MS) this.#askWhetherOver(now);
      const isSigned = this.#endedAt !== null && now - this.#endedAt >= SIGNED_WITHIN_MS;
      const isSettled = this.#overAt !== null && now - Math.max(this.#overAt, this.#heardAt) >= SETTLED_MS;
      const isOver = isSigned || recorder.state === 'refused' || isAbandoned || isSettled;
      if (isOver || recorder.isDone) await this.#finish();
    } catch (error) {
      if (isErased(error)) return this.#drop('recording.erased', () => share.discard(name));
      const { sid } = this;
      if (isOther(error) && sid !== null) return this.#drop('recording.second-film', () => share.setAside(name, sid));
      const known = error instanceof ApplianceError && error.kind !== 'defect';
      if (known) return; // the share or the portal is away: again in a second
      log.error('recording.defect', { stream: name, why: describeError(error) });
    }
  }

  /** What came stays for the next recorder. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#parts.recorder.flush();
    await this.#parts.recorder.close();
  }

  #check(begin: BeginMark): void {
    const { name } = this.#parts;
    if (begin.sid !== this.#grant?.sid || begin.sub !== this.#grant.sub) throw refused('a stream of another session');
    if (toBase64Url(begin.nonce) !== name) throw refused('a stream under another name');
    const earliest = this.#grant.since - MAX_CLOCK_STEP_MS;
    if (begin.at < earliest || begin.pausedMs > begin.at - earliest) throw refused('a stream from before its session');
  }

  #proved(receipt: Signed): void {
    this.#bringer?.proved(receipt);
    if (this.#bringer !== null) this.#tellLive(true);
  }

  #stateChanged(state: RecorderState): void {
    const { log, name, recorder } = this.#parts;
    if (state === 'recording') log.info('recording.goes-on', { stream: name });
    else log.warn('recording.stopped', { stream: name, sessionId: recorder.begin?.sid ?? '', state });
    this.#bringer?.state(state);
    if (state !== 'recording') this.#tellLive(false); // the next receipt says otherwise
  }

  #tellLive(isLive: boolean): void {
    const { recorder, clock } = this.#parts;
    const isDue = isLive && clock.monotonic() - this.#liveToldAt >= LIVE_AGAIN_MS;
    if (recorder.begin === null || (this.#isLiveTold === isLive && !isDue)) return;
    this.#tell(recorder.begin, isLive);
  }

  #tell({ sid, linkId, nonce }: BeginMark, isLive: boolean): void {
    const { portal, clock } = this.#parts;
    this.#isLiveTold = isLive;
    this.#liveToldAt = clock.monotonic();
    const live = { sid, linkId: toBase64Url(linkId), nonce: toBase64Url(nonce), isLive };
    portal.live(live).then(
      ({ isOver }) => {
        if (isOver) this.#overAt ??= clock.monotonic();
      },
      () => {
        this.#isLiveTold = !isLive; // told again with the next receipt
      },
    );
  }

  /** Nothing comes: whoever brought it may be gone with the session, which the portal alone knows. */
  #askWhetherOver(now: number): void {
    const { begin } = this.#parts.recorder;
    if (begin !== null && now - this.#liveToldAt >= LIVE_AGAIN_MS) this.#tell(begin, false);
  }

  /** @throws ApplianceError where share or portal are away */
  async #finish(): Promise<void> {
    const { share, portal, recorder, journal, log, name, over } = this.#parts;
    const { begin, writtenOffset, durationMs } = recorder;
    await recorder.end(this.#note());
    if (begin === null || writtenOffset === 0) await share.discard(name);
    else {
      const { isEnded, isPaused, receipt } = recorder;
      const isWhole = isEnded && writtenOffset === recorder.offset;
      const proof = { offset: writtenOffset, isWhole, isPaused, receipt: receipt?.signed ?? null };
      const receiptAt = (offset: number) => recorder.receiptAt(offset);
      const { bytes } = await finishFile(share, portal, { name, head: headOf(begin), durationMs, ...proof, receiptAt });
      log.info('recording.finished', { stream: name, sessionId: begin.sid, bytes });
    }
    this.#isOver = true;
    this.#tellLive(false);
    await recorder.close();
    await journal.remove();
    over();
  }

  /**
   * Its session was erased while it was being finished, or while this recorder was away; or somebody brought once more a stream that
   * is finished.
   */
  async #drop(event: string, drop: () => Promise<void>): Promise<void> {
    const { recorder, journal, log, name, over } = this.#parts;
    await drop();
    this.#isOver = true;
    this.#tellLive(false);
    await recorder.close();
    await journal.remove();
    log.warn(event, { stream: name });
    over();
  }

  /** Why it ends, where the applet did not say so. */
  #note(): string | null {
    const { recorder } = this.#parts;
    if (recorder.state === 'refused') return 'refused';
    if (recorder.isEnded) return null;
    return this.#overAt === null ? 'abandoned' : 'session-over';
  }
}

export function isErased(error: unknown): boolean {
  return error instanceof ApplianceError && error.code === 'recording.erased';
}

/** Of this stream another film is finished. */
export function isOther(error: unknown): boolean {
  return error instanceof ApplianceError && error.code === 'recording.other';
}

function refused(what: string): ApplianceError {
  return new ApplianceError('refused', 'recording.refused', what);
}

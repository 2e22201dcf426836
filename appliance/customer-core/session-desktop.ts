// The desktop in a session: what the grants for viewing, control and clipboard open, and what closes it (E-04 D-02 D-04).
// Viewing is the ground of the others: when it ends they end, for nobody may act on what he does not see.
//   viewing    opens eyes and the stream `screen`     control    lets events of the stream `input` through
//   clipboard  goes with both, under a number of its own
//   recording  has the picture recorded, whatever a console says; where the policy forces it nobody is asked. A technician
//              whose policy lets him may pause it
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { RateLimit } from '../link/rate-limit.ts';
import type { LinkStream } from '../link/stream.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { INPUT_STREAM, type InputState, type Monitor, SCREEN_STREAM, type ScreenEnd } from '../protocol/screen.ts';
import { InputStream } from './desktop/input-stream.ts';
import type { RecordedScreen } from './desktop/recorded-screen.ts';
import { RecordingPause } from './desktop/recording-pause.ts';
import { type PictureQueue, ScreenStream } from './desktop/screen-stream.ts';
import { SharedClipboard } from './desktop/shared-clipboard.ts';
import type { Desktop } from './desktop.ts';
import type { HeldGrant } from './grants.ts';
import type { HostEvent, HostLine } from './host-log.ts';
import type { ClipboardContent, InputSink } from './input-sink.ts';
import type { Told } from './reports.ts';
import type { ScreenSource } from './screen-source.ts';
import type { CustomerAction, StoppedBy } from './session-parts.ts';
import type { SessionRecording } from './session-recording.ts';
import type { SessionRights } from './session-rights.ts';
import type { WindowModel } from './window-model.ts';

const VIEWING = 'launch-desktop-viewing';
const CONTROL = 'launch-remote-control';
const CLIPBOARD = 'clipboard-synchronisation';
const RECORDING = 'record-sessions';
/** Signed and logged each: more often than this nobody copies. */
const CLIPBOARDS_PER_SECOND = 5;
const CLIPBOARD_BURST = 10;

export interface SessionDesktopOptions {
  readonly clock: Clock;
  readonly desktop: Desktop;
  readonly organisation: string;
  readonly view: WindowModel;
  readonly rights: () => SessionRights;
  readonly recording: SessionRecording;
  readonly applianceTime: () => number;
  readonly tell: (told: Told) => void;
  /** Resolves once the appliance has it. @throws ApplianceError where it does not answer: then `undone` is told */
  readonly tellFirst: (told: Told, undone: Told) => Promise<void>;
  readonly log: (event: HostEvent, about: Partial<HostLine>) => void;
  readonly refused: () => void;
}

interface Viewing {
  readonly held: HeldGrant;
  readonly source: Promise<ScreenSource>;
  stream: ScreenStream | null;
}

export class SessionDesktop {
  readonly actions: ReadonlyMap<string, CustomerAction> = new Map([
    [
      VIEWING,
      {
        start: held => this.#viewingStarts(held),
        stop: by => this.#viewingStops(by),
      },
    ],
    [
      CONTROL,
      {
        whyNot: () => this.#whyNot(this.#hasNoHands ? null : this.#options.desktop.openInput),
        start: held => this.#controlStarts(held),
        stop: () => this.#controlStops(),
      },
    ],
    [
      CLIPBOARD,
      {
        whyNot: () => this.#whyNot(this.#options.desktop.openClipboard),
        start: held => this.#clipboardStarts(held),
        stop: () => this.#clipboardStops(),
      },
    ],
    [
      RECORDING,
      {
        whyNot: () => (this.#viewing === null ? 'viewing-first' : null),
        start: held => this.#recordingStarts(held),
        stop: () => this.#recordingStops(),
      },
    ],
  ]);
  readonly #options: SessionDesktopOptions;
  readonly #clipboardPace: RateLimit;
  #viewing: Viewing | null = null;
  #control: HeldGrant | null = null;
  #recording: HeldGrant | null = null;
  readonly #pause: RecordingPause;
  #clipboard: { readonly held: HeldGrant; readonly shared: SharedClipboard } | null = null;
  #input: InputStream | null = null;
  #sink: InputSink | null = null;
  #isSinkWanted = false;
  /** It was tried under this viewing, and there are none. */
  #hasNoHands = false;
  #isCustomerActing = false;
  #isPaused = false;

  constructor(options: SessionDesktopOptions) {
    this.#options = options;
    this.#clipboardPace = new RateLimit(options.clock, CLIPBOARDS_PER_SECOND, CLIPBOARD_BURST);
    this.#pause = this.#makePause();
  }

  /** A console has opened a stream. @returns false when it is none of the desktop's, or one too many */
  opened(stream: LinkStream): boolean {
    if (stream.kind === SCREEN_STREAM && this.#viewing !== null) this.#openScreen(stream, this.#viewing);
    else if (stream.kind === INPUT_STREAM && this.#input === null) this.#openInput(stream);
    else return false;
    return true;
  }

  /** The customer holds pictures and input back, or lets them go on. */
  pause(isPaused: boolean): void {
    if (this.#viewing === null || isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.releaseKeys();
    this.#options.log(isPaused ? 'paused' : 'resumed', {});
    this.#options.tell({ stage: isPaused ? 'paused' : 'resumed', action: VIEWING });
    this.changed();
  }

  /** The policy was narrowed, rights were frozen or are back, a question is on the screen or gone, the link has a path or none. */
  changed(): void {
    this.#pause.policyChanged();
    this.#options.recording.pauseChanged();
    if (this.#mustBeRecordedNow) this.#viewing?.stream?.end('unrecorded'); // the console opens it anew, recorded
    this.#options.view.update({ isPaused: this.#isPaused, stopKey: this.#sink?.stopKey ?? null });
    this.#viewing?.stream?.holdChanged();
    this.#input?.stateChanged();
  }

  /** Lets go of all that is pressed by us. */
  releaseKeys(): void {
    this.#sink?.releaseKeys();
  }

  /** Another link, or none: its streams went with it. */
  linkEnded(): void {
    this.#input = null;
    this.releaseKeys();
  }

  close(): void {
    this.#closeSink();
  }

  // Viewing.

  /** The policy has become so while a picture is open that is not held to it. */
  get #mustBeRecordedNow(): boolean {
    const stream = this.#viewing?.stream;
    if (stream == null || stream.area === null || !this.#options.rights().narrowing.forcedRecording) return false;
    return stream.recorded?.isForced !== true;
  }

  /** What may be sent and taken, as far as recording goes, may have changed. */
  recordingChanged(): void {
    this.#viewing?.stream?.recordingChanged();
    if (this.#viewing?.stream?.admitsInput === false) this.releaseKeys();
    this.#input?.stateChanged();
  }

  #recordingStarts(held: HeldGrant): void {
    this.#recording = held;
    if (this.#viewing === null) return void this.#giveUp(held, 'appliance');
    this.#beginAnew();
    this.#options.recording.pauseChanged();
  }

  /** What the customer does not want kept any more ends there; the console opens the picture anew, and nobody keeps it. */
  #recordingStops(): void {
    this.#recording = null;
    this.#pause.drop();
    this.#options.view.update({ recordingPausedAt: null });
    const stream = this.#viewing?.stream;
    if (stream?.recorded?.isForced === false) stream.end('unrecorded');
    this.#options.recording.pauseChanged();
  }

  /** A recording begins with a picture: the console opens the one there is anew. */
  #beginAnew(): void {
    const stream = this.#viewing?.stream;
    if (stream != null && stream.area !== null && stream.recorded === null) stream.end('unrecorded');
  }

  // The pause of a recording.

  /** For the console: whether the technician may pause what runs, and since when he has. */
  get recordingPause(): { readonly mayPause: boolean; readonly pausedAt: number | null } {
    return { mayPause: this.#mayPause, pausedAt: this.#pause.since?.at ?? null };
  }

  /** The technician wants his recording to stop for a while, or to go on. */
  pauseRecording(isPaused: boolean): void {
    if (isPaused) this.#pause.begin().catch(() => this.#options.refused());
    else this.#pause.end('technician');
  }

  get #mayPause(): boolean {
    return !this.#isPauseBarred && this.#mayRecord;
  }

  get #isPauseBarred(): boolean {
    const { pauseRecording, forcedRecording } = this.#options.rights().narrowing;
    return !pauseRecording || forcedRecording;
  }

  #makePause(): RecordingPause {
    const { clock, applianceTime, refused, tell, tellFirst } = this.#options;
    const told = (stage: 'paused' | 'resumed', detail: string): Told => {
      const consentId = this.#recording?.grant.consentId;
      return { stage, action: RECORDING, detail, ...(consentId === undefined ? {} : { consentId }) };
    };
    return new RecordingPause({
      ...{ clock, applianceTime, refused, mayPause: () => this.#mayPause, isBarred: () => this.#isPauseBarred },
      tellFirst: () => tellFirst(told('paused', 'technician'), told('resumed', 'not paused: no answer')),
      tellOver: detail => tell(told('resumed', detail)),
      cut: () => {
        const stream = this.#viewing?.stream;
        const nonce = stream?.recorded?.nonce ?? null;
        if (stream?.recorded != null) stream.end('paused');
        return nonce;
      },
      changed: isOn => this.#pauseChanged(isOn),
    });
  }

  #pauseChanged(isOn: boolean): void {
    const { view, log, recording } = this.#options;
    log(isOn ? 'recording-paused' : 'recording-gone-on', {});
    view.update({ recordingPausedAt: this.#pause.since?.localAt ?? null });
    if (!isOn) this.#beginAnew();
    recording.pauseChanged();
  }

  #record(about: PictureQueue): RecordedScreen | 'wait' | 'never' | null {
    const isWished = this.#mayRecord && this.#pause.since === null;
    const recorded = this.#options.recording.record(isWished, about, this.#pause.before);
    if (recorded !== null && typeof recorded === 'object') this.#pause.named();
    return recorded;
  }

  get #mayRecord(): boolean {
    return this.#recording !== null && this.#admits(this.#recording, RECORDING);
  }

  #viewingStarts(held: HeldGrant): void {
    const { desktop } = this.#options;
    const source = Promise.resolve().then(() => desktop.openScreen());
    const viewing: Viewing = { held, source, stream: null };
    this.#viewing = viewing;
    this.#isPaused = false;
    this.#hasNoHands = false;
    source.then(
      // The desktop is there only once its screen is.
      () => (this.#viewing === viewing ? this.#openSink() : undefined),
      error => {
        if (!(error instanceof ApplianceError)) throw error;
        if (this.#viewing === viewing) this.#screenLost(viewing, 'unavailable', error.message);
      },
    );
    this.changed();
  }

  #viewingStops(by: StoppedBy): void {
    const viewing = this.#viewing;
    this.#viewing = null;
    this.#isPaused = false;
    viewing?.stream?.end('stopped');
    viewing?.source.then(
      source => source.close(),
      () => undefined, // told when it failed
    );
    this.#sink?.point(null);
    const others = [this.#control, this.#clipboard?.held, this.#recording];
    for (const held of others) if (held != null) this.#giveUp(held, by);
    this.#closeSink();
    this.changed();
  }

  #openScreen(stream: LinkStream, viewing: Viewing): void {
    const { clock, desktop, organisation, refused } = this.#options;
    viewing.stream?.end('replaced');
    viewing.stream = new ScreenStream({
      ...{ clock, stream, refused, source: viewing.source, codecs: desktop.codecs, name: organisation },
      admits: number => number === viewing.held.number && this.#admits(viewing.held, VIEWING),
      record: about => this.#record(about),
      recordingEnded: screen => this.#options.recording.screenEnded(screen),
      held: () => this.#heldBack(),
      monitorChosen: monitor => this.#monitorChosen(viewing, monitor),
      lost: why => this.#screenLost(viewing, why, why),
    });
    viewing.stream.shareClipboard(this.#received());
  }

  #heldBack(): 'paused' | 'frozen' | null {
    if (this.#isPaused) return 'paused';
    return this.#options.rights().isFrozen ? 'frozen' : null;
  }

  #monitorChosen({ held }: Viewing, monitor: Monitor | null): void {
    const detail = monitor === null ? 'all monitors' : `monitor ${monitor.id}: ${monitor.name}`;
    this.#options.tell({ stage: 'monitor', action: VIEWING, consentId: held.grant.consentId, detail });
  }

  /** What can't be shown is not to be called watched. */
  #screenLost(viewing: Viewing, why: ScreenEnd, detail: string): void {
    viewing.stream?.end(why);
    if (this.#viewing !== viewing) return;
    const { consentId } = viewing.held.grant;
    this.#options.tell({ stage: 'screen-lost', action: VIEWING, consentId, detail });
    this.#giveUp(viewing.held, 'appliance');
  }

  // Control.

  #controlStarts(held: HeldGrant): void {
    this.#control = held;
    if (this.#viewing === null || this.#hasNoHands) return void this.#giveUp(held, 'appliance');
    this.changed();
  }

  /** What stands on viewing is not even asked without it. */
  #whyNot(open: unknown): string | null {
    if (open === null) return 'not-possible-here';
    return this.#viewing === null ? 'viewing-first' : null;
  }

  #controlStops(): void {
    this.#control = null;
    this.releaseKeys();
    this.changed();
  }

  #openInput(stream: LinkStream): void {
    const input = new InputStream({
      ...{ stream, refused: this.#options.refused, state: () => this.#inputState(), sink: () => this.#sink },
      admitsInput: number => this.#options.rights().grants.admitsInput(number) && this.#isRecorded,
      seen: input => this.#viewing?.stream?.recorded?.input(input),
      admitsLaser: number => number === this.#viewing?.held.number && this.#admits(this.#viewing.held, VIEWING),
      area: () => this.#viewing?.stream?.area ?? null,
      cutText: (number, rfb) => this.#cutText(number, rfb),
      ended: () => {
        if (this.#input === input) this.#input = null;
        this.releaseKeys();
      },
    });
    this.#input = input;
  }

  #inputState(): InputState {
    const { gate, isFrozen } = this.#options.rights();
    if (this.#control === null) return 'off';
    if (this.#isPaused) return 'paused';
    if (isFrozen) return 'frozen';
    if (gate.isShut) return 'question';
    if (!this.#isRecorded) return 'unrecorded';
    return this.#isCustomerActing ? 'customer-input' : 'on';
  }

  /** What is done has to be seen later, where the picture has to be. */
  get #isRecorded(): boolean {
    return this.#viewing?.stream?.admitsInput ?? true;
  }

  /** From viewing on: its stop key must work whatever is allowed, and the spot of light belongs to viewing. */
  async #openSink(): Promise<void> {
    const { openInput } = this.#options.desktop;
    if (openInput === null || this.#isSinkWanted) return;
    this.#isSinkWanted = true;
    try {
      const sink = await openInput();
      if (!this.#isSinkWanted || this.#sink !== null) return sink.close();
      this.#sink = sink;
      sink.listen({
        state: state => {
          this.#isCustomerActing = state === 'customer-input';
          this.changed();
        },
        stopKey: () => this.#stopKey(),
        pointer: (x, y) => this.#viewing?.stream?.pointerMoved(x, y),
      });
      this.changed();
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#isSinkWanted = false;
      this.#hasNoHands = true;
      this.#options.log('input-paused', { detail: error.message });
      if (this.#control !== null) this.#giveUp(this.#control, 'appliance');
    }
  }

  #closeSink(): void {
    this.#isSinkWanted = false;
    this.#sink?.releaseKeys();
    this.#sink?.close();
    this.#sink = null;
    this.#isCustomerActing = false;
  }

  /** The customer wants everything to stop, now. */
  #stopKey(): void {
    const { grants, consents } = this.#options.rights();
    grants.stop('customer');
    consents.revoke(null, 'customer');
  }

  // Clipboard.

  #clipboardStarts(held: HeldGrant): void {
    const { openClipboard } = this.#options.desktop;
    if (this.#viewing === null || openClipboard === null) return void this.#giveUp(held, 'appliance');
    const shared = new SharedClipboard({
      open: openClipboard,
      mayTake: () => this.#clipboardPace.take(1),
      copied: content => this.#viewing?.stream?.clipboardChanged(content),
      log: detail => {
        this.#options.log('clipboard', { detail });
        this.#options.tell({ stage: 'clipboard', action: CLIPBOARD, consentId: held.grant.consentId, detail });
      },
      failed: () => this.#giveUp(held, 'appliance'),
    });
    this.#clipboard = { held, shared };
    this.#viewing.stream?.shareClipboard(this.#received());
  }

  #clipboardStops(): void {
    this.#clipboard?.shared.close();
    this.#clipboard = null;
    this.#viewing?.stream?.shareClipboard(null);
  }

  #received(): ((content: ClipboardContent) => void) | null {
    const { shared } = this.#clipboard ?? {};
    return shared === undefined ? null : content => shared.received(content);
  }

  async #cutText(number: number, rfb: Bytes): Promise<void> {
    const held = this.#clipboard?.held;
    if (held === undefined || number !== held.number || !this.#admits(held, CLIPBOARD))
      return void this.#options.refused();
    await this.#viewing?.stream?.receiveCutText(rfb);
  }

  #admits({ number }: HeldGrant, action: string): boolean {
    return this.#options.rights().grants.admits(number, action);
  }

  /** The yes behind it is given up; what runs on it stops. */
  #giveUp({ grant }: HeldGrant, by: StoppedBy): void {
    const { grants, consents } = this.#options.rights();
    grants.stopConsent(grant.consentId, by);
    consents.revoke(grant.consentId, by === 'customer' || by === 'technician' || by === 'time' ? by : 'appliance');
  }
}

// The customer's desktop in one session: its picture on the stream `screen` as long as the viewing grant lasts, and what
// moves it on `input` under the grants of control, clipboard and viewing. Nothing leaves under a grant that is not there.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { ClientPiece } from '../protocol/rfb-splitter.ts';
import {
  ALL_MONITORS,
  type InputMessage,
  type InputState,
  type Monitor,
  parseInputState,
  parseScreenNews,
  type Quality,
  type ScreenControl,
  type ScreenEnd,
  type ScreenNews,
  type ScreenState,
  writeInput,
  writeScreenControl,
  writeScreenRfb,
} from '../protocol/screen.ts';
import type { GrantStream, SessionLink } from './link-client.ts';
import { RESET_DONE, RESET_MALFORMED } from './link-messages.ts';
import { RfbChannel } from './rfb-channel.ts';
import { ScreenClipboard } from './screen-clipboard.ts';
import type { MakeViewer, ScreenViewer } from './screen-viewer.ts';

/** Numbers of the grants that run on this link; null where there is none. */
export interface ScreenGrants {
  readonly viewing: number | null;
  readonly control: number | null;
  readonly clipboard: number | null;
  /** The customer lets the picture be recorded, which his program sees to; where it must be, it is in any case. */
  readonly recording: number | null;
}

export const noGrants: ScreenGrants = { viewing: null, control: null, clipboard: null, recording: null };

/** `off`: there was no picture yet, or it was put away · `opening`: up to the first whole picture · `ended`: see `why`. */
export type ScreenPhase = 'off' | 'opening' | 'live' | 'ended';
/**
 * `malformed`: the customer's program sent what can't be read · `closed`: the grant or its link is over ·
 * `viewer`: what draws it could not be loaded.
 */
export type ScreenEndWhy = ScreenEnd | 'malformed' | 'closed' | 'viewer';

const POINTER_EVENT = 5; // RFC 6143 §7.5.5

export interface SessionScreenParts {
  readonly link: Pick<SessionLink, 'openStream'>;
  readonly makeViewer: MakeViewer;
  readonly changed: () => void;
}

export class SessionScreen {
  readonly clipboard: ScreenClipboard;
  readonly #parts: SessionScreenParts;
  #linkId: string | null = null;
  #grants: ScreenGrants = noGrants;
  #phase: ScreenPhase = 'off';
  #why: ScreenEndWhy | null = null;
  #screen: GrantStream | null = null;
  #input: GrantStream | null = null;
  #channel: RfbChannel | null = null;
  /** Draws the present stream. */
  #drawing: ScreenViewer | null = null;
  /** Has the last picture, which stays until there is another one. */
  #shown: ScreenViewer | null = null;
  #isVisible = true;
  #state: ScreenState = 'live';
  #inputState: InputState = 'off';
  #monitors: readonly Monitor[] = [];
  #monitor = ALL_MONITORS;
  #quality: Quality = 'auto';
  #bytes = 0;
  #frames = 0;

  constructor(parts: SessionScreenParts) {
    this.#parts = parts;
    this.clipboard = new ScreenClipboard({ send: rfb => this.#cutText(rfb), changed: parts.changed });
  }

  get phase(): ScreenPhase {
    return this.#phase;
  }

  /** Why there is no picture any more. */
  get why(): ScreenEndWhy | null {
    return this.#why;
  }

  get state(): ScreenState {
    return this.#state;
  }

  /** What becomes of keys and pointer; `off` while there is no control. */
  get input(): InputState {
    return this.#grants.control === null ? 'off' : this.#inputState;
  }

  get grants(): ScreenGrants {
    return this.#grants;
  }

  get monitors(): readonly Monitor[] {
    return this.#monitors;
  }

  get monitor(): number {
    return this.#monitor;
  }

  get quality(): Quality {
    return this.#quality;
  }

  /** With the picture there is, or the last one there was. */
  get shown(): ScreenViewer | null {
    return this.#shown;
  }

  /** Takes keys and pointer; null where there is no picture to point at. */
  get live(): ScreenViewer | null {
    return this.#phase === 'live' ? this.#shown : null;
  }

  /** Since the session was opened here. */
  get bytes(): number {
    return this.#bytes;
  }

  get frames(): number {
    return this.#frames;
  }

  /** What runs on the link of that id, by the customer's program. */
  update(linkId: string | null, grants: ScreenGrants): void {
    const before = this.#grants;
    this.#linkId = linkId;
    this.#grants = grants;
    if (grants.viewing !== before.viewing) {
      this.#closeScreen('closed');
      if (grants.viewing !== null) this.#openScreen(grants.viewing);
    }
    if (grants.control !== before.control) this.#controlChanged();
    this.clipboard.share(grants.clipboard !== null);
    if (!hasAny(grants)) this.#closeInput();
    else if (grants.control !== null || grants.clipboard !== null) this.#openInput();
  }

  /** Asks for the picture once more under the grant there is. */
  reopen(): void {
    if (this.#grants.viewing === null || this.#screen !== null) return;
    this.#openScreen(this.#grants.viewing);
    this.#parts.changed();
  }

  /** The last picture is not wanted any more. */
  putAway(): void {
    if (this.#phase !== 'ended') return;
    this.#phase = 'off';
    this.#shown = null;
    this.#parts.changed();
  }

  chooseMonitor(monitor: number): void {
    this.#monitor = monitor;
    this.#control({ type: 'monitor', monitor });
    this.#parts.changed();
  }

  chooseQuality(quality: Quality): void {
    this.#quality = quality;
    this.#control({ type: 'quality', quality });
    this.#parts.changed();
  }

  /** Whether somebody looks at it: of several sessions only that one runs at full rate. */
  show(isVisible: boolean): void {
    if (isVisible === this.#isVisible) return;
    this.#isVisible = isVisible;
    this.#control({ type: 'pace', visible: isVisible });
  }

  /** The technician's pointer, which only the customer sees. In pixels of the picture. */
  point(x: number, y: number, shown: boolean): void {
    const { viewing } = this.#grants;
    if (viewing === null || (!shown && this.#input === null)) return;
    this.#openInput();
    this.#send({ type: 'laser', grant: viewing, x, y, shown });
  }

  close(): void {
    this.#grants = noGrants;
    this.#closeScreen('closed');
    this.#closeInput();
  }

  /** One whole ClientCutText. @returns false when there is no leave for it */
  #cutText(rfb: Bytes): boolean {
    const { clipboard } = this.#grants;
    if (clipboard === null) return false;
    this.#openInput();
    this.#send({ type: 'clipboard', grant: clipboard, rfb });
    return true;
  }

  #openScreen(grant: number): void {
    if (this.#linkId === null) return;
    const channel: RfbChannel = new RfbChannel({
      said: piece => this.#said(channel, piece),
      over: error => this.#viewerOver(channel, error),
    });
    const stream = this.#parts.link.openStream(this.#linkId, 'screen', {
      message: bytes => this.#received(channel, bytes),
      ended: () => this.#screenEnded(channel, 'closed'),
    });
    this.#screen = stream;
    this.#channel = channel;
    this.#phase = 'opening';
    this.#why = null;
    this.#state = 'live';
    this.#control({ type: 'open', grant, monitor: this.#monitor, quality: this.#quality });
    if (!this.#isVisible) this.#control({ type: 'pace', visible: false });
    void this.#makeViewer(channel);
  }

  async #makeViewer(channel: RfbChannel): Promise<void> {
    try {
      const listener = {
        drawn: () => this.#drawn(channel),
        cutText: (bytes: Bytes) => void this.#heardCutText(channel, bytes),
      };
      const viewer = await this.#parts.makeViewer(channel, listener);
      if (this.#channel !== channel) return viewer.close();
      viewer.control(this.#grants.control !== null);
      this.#drawing = viewer;
    } catch {
      this.#screen?.reset(RESET_DONE);
      this.#screenEnded(channel, 'viewer');
    }
  }

  #drawn(channel: RfbChannel): void {
    if (this.#channel !== channel) return;
    this.#frames++;
    if (this.#phase === 'live') return;
    this.#phase = 'live';
    this.#shown = this.#drawing;
    this.#parts.changed();
  }

  async #heardCutText(channel: RfbChannel, bytes: Bytes): Promise<void> {
    try {
      if (this.#channel === channel) await this.clipboard.take(bytes);
    } catch (error) {
      this.#viewerOver(channel, error);
    }
  }

  async #received(channel: RfbChannel, bytes: Bytes): Promise<void> {
    if (this.#channel !== channel) return;
    this.#bytes += bytes.length;
    try {
      const message = parseScreenNews(bytes);
      if (message.type === 'rfb') await channel.take(message.bytes);
      else if (message.type === 'control') this.#heard(channel, message.control);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#screen?.reset(RESET_MALFORMED);
      this.#screenEnded(channel, 'malformed');
    }
  }

  #heard(channel: RfbChannel, news: ScreenNews): void {
    switch (news.type) {
      case 'monitors':
        this.#monitors = news.monitors;
        this.#monitor = news.monitor;
        break;
      case 'state':
        this.#state = news.state;
        break;
      case 'pointer':
        this.#drawing?.showPointer(news.shown ? news : null);
        return;
      case 'ended':
        this.#screen?.reset(RESET_DONE);
        this.#screenEnded(channel, news.why);
        // It is recorded from now on, or is not any more, as the customer's program says: it goes on under the same grant.
        if (news.why === 'unrecorded' || news.why === 'paused') this.reopen();
        break;
    }
    this.#parts.changed();
  }

  #said(channel: RfbChannel, { kind, bytes }: ClientPiece): void {
    if (this.#channel !== channel) return;
    const { control } = this.#grants;
    if (kind === 'screen') this.#screen?.send(writeScreenRfb(bytes));
    else if (kind === 'clipboard') this.#cutText(bytes);
    else if (control !== null) this.#event(control, bytes);
  }

  #event(grant: number, rfb: Bytes): void {
    this.#openInput();
    // The mouse is the technician's from then on, and drawn where his own is.
    if (rfb[0] === POINTER_EVENT) this.#drawing?.showPointer(null);
    this.#send({ type: 'event', grant, rfb });
  }

  /** The viewer could not read what it got, or was closed by itself. */
  #viewerOver(channel: RfbChannel, error: unknown): void {
    if (this.#channel !== channel) return;
    this.#screen?.reset(error === null ? RESET_DONE : RESET_MALFORMED);
    this.#screenEnded(channel, error === null ? 'closed' : 'malformed');
  }

  #closeScreen(why: ScreenEndWhy): void {
    if (this.#channel === null) return;
    this.#screen?.reset(RESET_DONE);
    this.#screenEnded(this.#channel, why);
  }

  #screenEnded(channel: RfbChannel, why: ScreenEndWhy): void {
    if (this.#channel !== channel) return;
    this.#channel = null;
    this.#screen = null;
    this.#phase = 'ended';
    this.#why = why;
    channel.end();
    this.clipboard.forget();
    this.#drawing?.close();
    this.#drawing = null;
    this.#parts.changed();
  }

  #control(control: ScreenControl): void {
    this.#screen?.send(writeScreenControl(control));
  }

  #controlChanged(): void {
    this.#inputState = 'question'; // the one that was just answered; the applet says when its pause is over
    this.#drawing?.control(this.#grants.control !== null);
  }

  #openInput(): void {
    if (this.#input !== null || this.#linkId === null) return;
    const stream: GrantStream = this.#parts.link.openStream(this.#linkId, 'input', {
      message: bytes => this.#inputSaid(stream, bytes),
      ended: () => this.#inputEnded(stream),
    });
    this.#input = stream;
  }

  #inputSaid(stream: GrantStream, bytes: Bytes): void {
    if (this.#input !== stream) return;
    try {
      this.#inputState = parseInputState(bytes);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      stream.reset(RESET_MALFORMED);
      this.#inputEnded(stream);
    }
    this.#parts.changed();
  }

  #inputEnded(stream: GrantStream): void {
    if (this.#input !== stream) return;
    this.#input = null;
    this.#inputState = 'off';
    this.#parts.changed();
  }

  #closeInput(): void {
    this.#input?.reset(RESET_DONE);
    this.#input = null;
  }

  #send(message: InputMessage): void {
    this.#input?.send(writeInput(message));
  }
}

function hasAny({ viewing, control, clipboard }: ScreenGrants): boolean {
  return viewing !== null || control !== null || clipboard !== null;
}

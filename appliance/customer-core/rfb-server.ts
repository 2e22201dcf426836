// The picture server of the applet: RFB 3.8 (RFC 6143) with the community's extensions, for one viewer. It shows a part of a
// screen; what a viewer types or points at, or copies, does not come this way: such messages are dropped and counted.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { OWN_PIXEL_FORMAT, type PixelFormat } from '../protocol/rfb.ts';
import { parseClientMessage, type RfbClientMessage } from '../protocol/rfb-client-messages.ts';
import {
  writeEndOfContinuousUpdates,
  writeSecurityDone,
  writeSecurityTypes,
  writeServerInit,
  writeVersion,
} from '../protocol/rfb-server-messages.ts';
import { ClientMessageSplitter } from '../protocol/rfb-splitter.ts';
import type { Quality, ScreenEnd } from '../protocol/screen.ts';
import type { ClipboardContent } from './input-sink.ts';
import type { PictureCodecs } from './picture-codecs.ts';
import { ExtendedClipboard } from './rfb/extended-clipboard.ts';
import { FramePump, type FrameWatch } from './rfb/frame-pump.ts';
import { Outbox } from './rfb/outbox.ts';
import { type Viewer, viewerOf } from './rfb/viewer.ts';
import type { Rectangle, ScreenSource } from './screen-source.ts';

/** What a stream that describes itself is told; each before the bytes it is about, `frameEnds` after them. */
export interface PictureWatch extends Omit<FrameWatch, 'formatChanged'> {
  formatChanged(format: PixelFormat, encodings: readonly number[]): void;
}

export interface RfbServerParts {
  readonly clock: Clock;
  /** Listened to and grabbed from here; closed by whoever opened it. */
  readonly source: ScreenSource;
  readonly codecs: PictureCodecs;
  /** What the viewer is told the desktop is called. */
  readonly name: string;
  /** Hands on what goes to the viewer. @returns false: nothing more before `drained` is called */
  readonly send: (bytes: Bytes) => boolean;
  /** What of the desktop is shown; asked again whenever the layout changes, and after `areaChanged`. */
  readonly area: () => Rectangle;
  /** Where the bytes have to describe themselves; null else. */
  readonly watch?: PictureWatch | null;
  /** It has ended by itself, for good. `error` is what it was, for the log. */
  readonly ended: (why: ScreenEnd, error: unknown) => void;
}

/** What a viewer says first, and how often he has said it. */
const OPENING_STEPS = 3;
const NO_ENCODINGS: readonly number[] = [];

export class RfbServer {
  readonly #parts: RfbServerParts;
  readonly #outbox: Outbox;
  readonly #pump: FramePump;
  readonly #splitter = new ClientMessageSplitter();
  readonly #clipboard: ExtendedClipboard;
  #opened = 0;
  #viewer: Viewer;
  #format: PixelFormat = OWN_PIXEL_FORMAT;
  #encodings = NO_ENCODINGS;
  #droppedInputs = 0;
  #closed = false;

  constructor(parts: RfbServerParts) {
    this.#parts = parts;
    this.#viewer = viewerOf(NO_ENCODINGS, false);
    this.#outbox = new Outbox(parts.send);
    const { clock, source, codecs, area } = parts;
    const failed = (error: unknown) => this.#end(reasonOf(error), error);
    this.#pump = new FramePump(
      { clock, source, codecs, area, outbox: this.#outbox, failed, watch: this.#frameWatch(parts.watch ?? null) },
      this.#viewer,
      this.#format,
    );
    this.#clipboard = new ExtendedClipboard(codecs, bytes => this.#outbox.answer(bytes));
  }

  /** Input and clipboard messages that came on this stream, where they are not taken. */
  get droppedInputs(): number {
    return this.#droppedInputs;
  }

  /** Says the first word. */
  start(): void {
    const pump = this.#pump;
    this.#parts.source.listen({
      damaged: () => pump.damaged(),
      layoutChanged: () => pump.areaChanged(),
      cursorChanged: () => pump.cursorChanged(),
      lost: why => this.#end(why, new ApplianceError('unavailable', 'screen.lost', why)),
    });
    this.#outbox.answer(writeVersion());
  }

  /**
   * What the viewer sends, cut anywhere.
   * @throws ApplianceError `protocol.malformed`, `rfb.too-many-answers`: the caller ends the stream
   */
  receive(bytes: Bytes): void {
    for (const piece of this.#splitter.push(bytes)) {
      if (this.#closed) return;
      if (this.#opened < OPENING_STEPS) this.#open();
      else if (piece.kind === 'screen') this.#handle(parseClientMessage(piece.bytes));
      else this.#droppedInputs += 1;
    }
  }

  /** `send` takes more again. */
  drained(): void {
    this.#outbox.drained();
    this.#pump.drained();
  }

  /** `area` gives another one now. */
  areaChanged(): void {
    this.#pump.areaChanged();
  }

  setQuality(quality: Quality): void {
    this.#pump.setQuality(quality);
  }

  /** Whether somebody looks at it; else one frame a second will do. */
  setVisible(visible: boolean): void {
    this.#pump.setVisible(visible);
  }

  /** Nothing is grabbed, and of a frame under way nothing more leaves; afterwards everything is sent anew. */
  setPaused(paused: boolean): void {
    this.#pump.setPaused(paused);
  }

  /**
   * From now on the clipboard is shared, or no longer.
   * @param received what the viewer put there; null: no longer
   */
  shareClipboard(received: ((content: ClipboardContent) => void) | null): void {
    this.#clipboard.share(received);
  }

  /** The customer has copied something. */
  clipboardChanged(content: ClipboardContent): void {
    this.#clipboard.changed(content);
  }

  /**
   * One whole ClientCutText, which came where it may.
   * @throws ApplianceError `protocol.malformed`, `rfb.too-many-answers`
   */
  async receiveCutText(bytes: Bytes): Promise<void> {
    await this.#clipboard.receive(bytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outbox.close();
    this.#pump.close();
    this.#clipboard.share(null);
  }

  #frameWatch(watch: PictureWatch | null): FrameWatch | null {
    if (watch === null) return null;
    return {
      formatChanged: () => watch.formatChanged(this.#format, this.#encodings),
      frameBegins: () => watch.frameBegins(),
      frameEnds: () => watch.frameEnds(),
    };
  }

  #open(): void {
    this.#opened += 1;
    if (this.#opened === 1) this.#outbox.answer(writeSecurityTypes());
    if (this.#opened === 2) this.#outbox.answer(writeSecurityDone());
    if (this.#opened < OPENING_STEPS) return;
    const { width, height } = this.#pump.area;
    this.#outbox.answer(writeServerInit(width, height, this.#parts.name));
    this.#pump.start();
  }

  #handle(message: RfbClientMessage): void {
    switch (message.type) {
      case 'pixel-format':
        this.#format = message.format;
        this.#pump.use(this.#viewer, this.#format);
        return;
      case 'encodings':
        this.#encodings = message.encodings;
        this.#learn(viewerOf(message.encodings, this.#parts.codecs.newZstd !== null));
        return;
      case 'update-request':
        this.#pump.request(message.incremental);
        return;
      case 'continuous-updates':
        this.#pump.setContinuous(message.on);
        if (!message.on) this.#outbox.answer(writeEndOfContinuousUpdates());
        return;
      case 'fence': {
        const answer = this.#pump.receiveFence(message.flags, message.payload);
        if (answer !== null) this.#outbox.answer(answer);
        return;
      }
      case 'desktop-size':
        this.#pump.sizeAsked();
    }
  }

  #learn(viewer: Viewer): void {
    const before = this.#viewer;
    this.#viewer = viewer;
    if (viewer.fence && !before.fence) this.#outbox.answer(this.#pump.announceFences());
    if (viewer.continuousUpdates && !before.continuousUpdates) this.#outbox.answer(writeEndOfContinuousUpdates());
    this.#clipboard.use(viewer);
    this.#pump.use(viewer, this.#format);
  }

  #end(why: ScreenEnd, error: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#parts.ended(why, error);
  }
}

function reasonOf(error: unknown): ScreenEnd {
  if (!(error instanceof ApplianceError)) return 'unavailable';
  if (error.code === 'screen.lost') return 'display-lost';
  return error.code.startsWith('rfb.') ? 'protocol' : 'unavailable';
}

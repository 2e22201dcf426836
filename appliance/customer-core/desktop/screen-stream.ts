// The stream `screen` of one viewing grant: the picture server behind it, cut to messages the link takes, and the monitor
// that is shown. Nothing is sent before the console has named the grant it watches under.
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { LinkStream } from '../../link/stream.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import {
  ALL_MONITORS,
  type Monitor,
  parseScreenControl,
  type ScreenControl,
  type ScreenEnd,
  type ScreenNews,
  type ScreenState,
  writeScreenControl,
  writeScreenRfb,
} from '../../protocol/screen.ts';
import type { ClipboardContent } from '../input-sink.ts';
import type { PictureCodecs } from '../picture-codecs.ts';
import { RfbServer } from '../rfb-server.ts';
import type { Rectangle, ScreenSource } from '../screen-source.ts';
import type { RecordedScreen, RecordedScreenParts } from './recorded-screen.ts';

/** Input and chat go in between pieces of this size. */
const PIECE_BYTES = 64 * 1024 - 128;
const RESET_REFUSED = 1;
const RESET_MALFORMED = 2;

export interface ScreenStreamParts {
  readonly clock: Clock;
  readonly stream: Pick<LinkStream, 'listen' | 'send' | 'end' | 'reset' | 'dropQueued'>;
  readonly source: Promise<ScreenSource>;
  readonly codecs: PictureCodecs;
  /** What the picture is called in a viewer's title. */
  readonly name: string;
  /** Whether this number is the viewing grant that runs. */
  readonly admits: (grant: number) => boolean;
  /** Whether pictures are held back: paused by the customer, or rights are frozen. */
  readonly held: () => 'paused' | 'frozen' | null;
  readonly monitorChosen: (monitor: Monitor | null) => void;
  /** The screen can't be shown any more. */
  readonly lost: (why: ScreenEnd) => void;
  readonly refused: () => void;
  /**
   * How this picture is recorded; null where it is not. Asked when it is opened, and again after `recordingChanged`, as long as
   * it may not be opened: `wait`. A console has no say in it.
   */
  readonly record: (about: PictureQueue) => RecordedScreen | 'wait' | 'never' | null;
  readonly recordingEnded: (recorded: RecordedScreen | null) => void;
}

/** What RecordedScreen needs of a picture. */
export type PictureQueue = Pick<RecordedScreenParts, 'queue' | 'isWaiting'> & {
  readonly width: number;
  readonly height: number;
};

export class ScreenStream {
  readonly #parts: ScreenStreamParts;
  #source: ScreenSource | null = null;
  #server: RfbServer | null = null;
  #monitor = ALL_MONITORS;
  #monitorsTold = '';
  #stateTold: ScreenState | null = null;
  #isPointerShown = false;
  #clipboard: ((content: ClipboardContent) => void) | null = null;
  #isOpened = false;
  #isOver = false;
  /** What the stream has not taken yet, in order; what leaves together is together. */
  readonly #pending: (readonly Bytes[])[] = [];
  #isFull = false;
  #recorded: RecordedScreen | null = null;
  /** Goes on when the rule lets a picture be opened. */
  #mayOpen: (() => void) | null = null;

  constructor(parts: ScreenStreamParts) {
    this.#parts = parts;
    parts.stream.listen({
      message: bytes => this.#receive(bytes),
      drained: () => this.#drained(),
      ended: () => this.end('stopped'),
      reset: () => this.#over(),
    });
  }

  /** What is shown, in pixels of the whole desktop; null before there is a picture. */
  get area(): Rectangle | null {
    return this.#source === null ? null : this.#areaOf(this.#source);
  }

  /** What the technician does may be taken, as far as recording goes. */
  get admitsInput(): boolean {
    return this.#recorded?.admitsInput ?? true;
  }

  /** Null where it is not recorded. */
  get recorded(): RecordedScreen | null {
    return this.#recorded;
  }

  /** The rule may say something else than before. */
  recordingChanged(): void {
    this.#mayOpen?.();
    this.#recorded?.ruleChanged();
    this.#goOn();
  }

  /** Called when `held` may have changed. */
  holdChanged(): void {
    const held = this.#parts.held();
    if (this.#server === null) return;
    this.#server.setPaused(held !== null);
    const state = held ?? 'live';
    if (state === this.#stateTold) return;
    this.#tell({ type: 'state', state });
    if (this.#stateTold !== null) this.#recorded?.stateChanged(state);
    this.#stateTold = state;
  }

  /** The customer's mouse, in pixels of the whole desktop. Of another monitor it is not shown, nor while pictures are held back. */
  pointerMoved(x: number, y: number): void {
    const { area } = this;
    if (area === null || this.#isFull || this.#parts.held() !== null) return;
    const [left, top] = [x - area.x, y - area.y];
    const shown = left >= 0 && top >= 0 && left < area.width && top < area.height;
    if (shown) this.#tell({ type: 'pointer', x: left, y: top, shown });
    else if (this.#isPointerShown) this.#tell({ type: 'pointer', x: 0, y: 0, shown });
    this.#isPointerShown = shown;
  }

  /** @param received what the technician has copied; null: the clipboard is not shared (any more) */
  shareClipboard(received: ((content: ClipboardContent) => void) | null): void {
    this.#clipboard = received;
    this.#server?.shareClipboard(received);
  }

  clipboardChanged(content: ClipboardContent): void {
    this.#server?.clipboardChanged(content);
  }

  /** A ClientCutText that was admitted. @throws ApplianceError `protocol.malformed` */
  async receiveCutText(rfb: Bytes): Promise<void> {
    await this.#server?.receiveCutText(rfb);
  }

  end(why: ScreenEnd): void {
    if (this.#isOver) return;
    const { stream } = this.#parts;
    this.#pending.length = 0;
    if (this.#recorded === null) stream.dropQueued(); // what was seen last is what was seen last
    this.#isFull = false; // what was hashed is sent, and the end with it
    this.#recorded?.end(why);
    this.#over();
    stream.send(writeScreenControl({ type: 'ended', why }));
    stream.end();
  }

  #over(): void {
    this.#isOver = true;
    this.#pending.length = 0;
    this.#server?.close();
    this.#server = null;
    this.#recorded?.close();
    this.#parts.recordingEnded(this.#recorded);
    this.#mayOpen?.();
  }

  async #receive(bytes: Bytes): Promise<void> {
    if (this.#isOver) return;
    try {
      const message = parseScreenControl(bytes);
      if (message.type === 'control') await this.#control(message.control);
      else if (this.#server === null) throw new ApplianceError('malformed', 'protocol.malformed', 'RFB before `open`');
      else this.#server.receive(message.bytes);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#failed(error);
    }
  }

  /** A screen that could not be opened was told where it was opened; everything else is the viewer's doing. */
  #failed({ code }: ApplianceError): void {
    if (this.#isOver || code === 'screen.unavailable') return;
    this.#parts.refused();
    this.#over();
    this.#parts.stream.reset(RESET_MALFORMED);
  }

  async #control(control: ScreenControl): Promise<void> {
    if (control.type === 'open') return this.#open(control);
    const server = this.#server;
    if (server === null) throw new ApplianceError('malformed', 'protocol.malformed', 'a wish before `open`');
    if (control.type === 'quality') server.setQuality(control.quality);
    else if (control.type === 'pace') server.setVisible(control.visible);
    else this.#choose(control.monitor);
  }

  async #open({ grant, monitor, quality }: Extract<ScreenControl, { type: 'open' }>): Promise<void> {
    if (this.#isOpened) throw new ApplianceError('malformed', 'protocol.malformed', 'opened twice');
    this.#isOpened = true;
    if (!this.#parts.admits(grant)) return this.#refuse();
    const source = await this.#parts.source;
    if (this.#isOver || !this.#parts.admits(grant)) return this.#refuse();
    this.#source = source;
    this.#monitor = findMonitor(source, monitor)?.id ?? ALL_MONITORS;
    const recording = await this.#record(source);
    if (this.#isOver || !this.#parts.admits(grant)) return this.#refuse();
    if (recording === 'never') return this.#parts.lost('unrecorded');
    this.#recorded = recording;
    recording?.start();
    const { clock, codecs, name } = this.#parts;
    const server = new RfbServer({
      ...{ clock, codecs, name, source: this.#heard(source) },
      area: () => this.#areaOf(source),
      send: bytes => this.#send(bytes),
      watch: recording,
      ended: why => this.#parts.lost(why),
    });
    this.#server = server;
    server.setQuality(quality);
    server.shareClipboard(this.#clipboard);
    this.#choose(monitor);
    this.holdChanged();
    server.start();
  }

  /** A picture before this one may have to be proved first. */
  async #record(source: ScreenSource): Promise<RecordedScreen | 'never' | null> {
    const { width, height } = this.#areaOf(source);
    const queue = (message: Bytes) => this.#queue([message]);
    for (;;) {
      const about = { width, height, queue, isWaiting: () => this.#pending.length > 0 };
      const recorded = this.#parts.record(about);
      if (recorded !== 'wait') return recorded;
      await new Promise<void>(resolve => {
        this.#mayOpen = resolve;
      });
      this.#mayOpen = null;
      if (this.#isOver) return null;
    }
  }

  /** The same source; of its layout we hear first, for the picture server asks at once what is to be shown of it. */
  #heard(source: ScreenSource): ScreenSource {
    const layoutChanged = () => this.#layoutChanged();
    return {
      get layout() {
        return source.layout;
      },
      get cursor() {
        return source.cursor;
      },
      listen: listener =>
        source.listen({
          damaged: () => listener.damaged(),
          cursorChanged: cursor => listener.cursorChanged(cursor),
          lost: why => listener.lost(why),
          layoutChanged: layout => {
            layoutChanged();
            listener.layoutChanged(layout);
          },
        }),
      grab: area => source.grab(area),
      close: () => source.close(),
    };
  }

  #refuse(): void {
    if (this.#isOver) return;
    this.#parts.refused();
    this.#over();
    this.#parts.stream.reset(RESET_REFUSED);
  }

  /** One that is not there any more is all of them. */
  #choose(monitor: number): void {
    const found = findMonitor(this.#source, monitor);
    this.#monitor = found?.id ?? ALL_MONITORS;
    this.#tellMonitors();
    this.#server?.areaChanged();
    this.#parts.monitorChosen(found);
  }

  #layoutChanged(): void {
    if (this.#source?.layout.monitors.some(({ id }) => id === this.#monitor) === false) this.#monitor = ALL_MONITORS;
    this.#tellMonitors();
  }

  #tellMonitors(): void {
    const monitors = this.#source?.layout.monitors ?? [];
    const news = { type: 'monitors', monitors, monitor: this.#monitor } as const;
    const text = JSON.stringify(news);
    if (text === this.#monitorsTold) return;
    this.#monitorsTold = text;
    this.#tell(news);
    this.#recorded?.monitors(monitors, this.#monitor);
  }

  #areaOf({ layout }: ScreenSource): Rectangle {
    const { width, height, monitors } = layout;
    return monitors.find(({ id }) => id === this.#monitor) ?? { x: 0, y: 0, width, height };
  }

  /** Past what waits: it is no part of the picture, and may say why that waits. */
  #tell(news: ScreenNews): void {
    if (!this.#isOver) this.#isFull = !this.#parts.stream.send(writeScreenControl(news));
  }

  /**
   * @param bytes whole rectangles. Where they are recorded they leave at once or not yet: half of one that the rule holds back
   * could never be drawn by the recorder, and so never be proved.
   * @returns false: the next frame is to wait until `drained`
   */
  #send(bytes: Bytes): boolean {
    const messages: Bytes[] = [];
    for (let at = 0; at < bytes.length; at += PIECE_BYTES)
      messages.push(writeScreenRfb(bytes.subarray(at, at + PIECE_BYTES)));
    if (this.#recorded !== null) this.#queue(messages);
    else for (const message of messages) this.#queue([message]);
    return !this.#isFull && this.#pending.length === 0;
  }

  #queue(messages: readonly Bytes[]): void {
    if (this.#isOver) return;
    if (this.#isFull || this.#pending.length > 0 || !this.#admits(messages)) this.#pending.push(messages);
    else this.#put(messages);
  }

  #admits(messages: readonly Bytes[]): boolean {
    return this.#recorded?.admits(messages) ?? true;
  }

  #put(messages: readonly Bytes[]): void {
    for (const message of messages) {
      this.#recorded?.sent(message);
      this.#isFull = !this.#parts.stream.send(message);
    }
  }

  #drained(): void {
    this.#isFull = false;
    this.#goOn();
  }

  #goOn(): void {
    while (!this.#isFull && !this.#isOver) {
      const [next] = this.#pending;
      if (next === undefined) {
        this.#recorded?.drained();
        return void this.#server?.drained();
      }
      if (!this.#admits(next)) return;
      this.#pending.shift();
      this.#put(next);
    }
  }
}

function findMonitor(source: ScreenSource | null, monitor: number): Monitor | null {
  return source?.layout.monitors.find(({ id }) => id === monitor) ?? null;
}

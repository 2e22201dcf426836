// A desktop in memory: a picture to paint on, hands that write down what they did, a clipboard. Beside it the console's end of
// the desktop's streams.
import jpegTurbo from '@julusian/jpeg-turbo';
import { NodePictureCodecs } from '../../appliance/applet/picture-codecs.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import type {
  ClipboardContent,
  DesktopInput,
  InputListener,
  InputSink,
  SystemClipboard,
} from '../../appliance/customer-core/input-sink.ts';
import type {
  Grabbed,
  Rectangle,
  ScreenLayout,
  ScreenListener,
  ScreenSource,
} from '../../appliance/customer-core/screen-source.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import {
  INPUT_PRIORITY,
  INPUT_STREAM,
  type InputMessage,
  type InputState,
  parseInputState,
  parseScreenNews,
  SCREEN_PRIORITY,
  SCREEN_STREAM,
  type ScreenControl,
  type ScreenNews,
  writeInput,
  writeScreenControl,
  writeScreenRfb,
} from '../../appliance/protocol/screen.ts';
import type { TestConsole } from './test-appliance.ts';

const [WIDTH, HEIGHT] = [320, 200];

class PaintedScreen implements ScreenSource {
  layout: ScreenLayout = {
    width: WIDTH,
    height: HEIGHT,
    monitors: [
      { id: 1, name: 'left', x: 0, y: 0, width: 160, height: HEIGHT, primary: true },
      { id: 2, name: 'right', x: 160, y: 0, width: 160, height: HEIGHT, primary: false },
    ],
  };
  readonly cursor = null;
  readonly pixels = new Uint8Array(WIDTH * HEIGHT * 4);
  listener: ScreenListener | null = null;
  grabs = 0;
  isClosed = false;

  listen(listener: ScreenListener): void {
    this.listener = listener;
  }

  grab({ x, y }: Rectangle): Grabbed {
    this.grabs++;
    return { pixels: this.pixels.subarray((y * WIDTH + x) * 4), stride: WIDTH * 4, damage: null };
  }

  paint(value: number): void {
    this.pixels.fill(value);
    this.listener?.damaged();
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Hands that write down what they did. */
export class WrittenHands implements InputSink {
  readonly stopKey = 'Ctrl + Shift + F8';
  readonly done: string[] = [];
  listener: InputListener | null = null;

  listen(listener: InputListener): void {
    this.listener = listener;
  }

  inject(input: DesktopInput): boolean {
    this.done.push(input.type === 'key' ? `key ${input.keysym}` : `pointer ${input.x},${input.y} ${input.buttons}`);
    return true;
  }

  releaseKeys(): void {
    if (this.done.at(-1) !== 'released') this.done.push('released');
  }

  point(at: { x: number; y: number } | null): void {
    this.done.push(at === null ? 'no spot' : `spot ${at.x},${at.y}`);
  }

  close(): void {
    this.done.push('closed');
  }
}

class MemoryClipboard implements SystemClipboard {
  readonly written: ClipboardContent[] = [];
  listener: ((content: ClipboardContent) => void) | null = null;

  listen(listener: (content: ClipboardContent) => void): () => void {
    this.listener = listener;
    return () => {
      this.listener = null;
    };
  }

  write(content: ClipboardContent): void {
    this.written.push(content);
  }

  close(): void {
    this.listener = null;
  }
}

export class TestDesktop implements Desktop {
  readonly codecs = new NodePictureCodecs(jpegTurbo);
  readonly screen = new PaintedScreen();
  readonly hands = new WrittenHands();
  readonly clipboard = new MemoryClipboard();
  /** Whether there are hands at all. */
  hasHands = true;
  /** What opening the screen fails with. */
  fault: Error | null = null;

  #isOpen = false;

  openScreen(): ScreenSource {
    if (this.fault !== null) throw this.fault;
    this.#isOpen = true;
    return this.screen;
  }

  /** As a real one: there are no hands before there are eyes. */
  readonly openInput = () => {
    if (this.#isOpen && this.hasHands) return this.hands;
    throw new ApplianceError('unavailable', 'input.unavailable', 'no screen yet, or no hands');
  };
  readonly openClipboard = () => this.clipboard;
  /** Says that nobody is at the screen, or somebody is again; null: nobody watches. */
  away: ((isAway: boolean) => void) | null = null;
  readonly watchPresence = (tell: (isAway: boolean) => void) => {
    this.away = tell;
    return () => {
      this.away = null;
    };
  };
}

/** The console's end of the stream `screen`. */
export class WatchedScreen {
  readonly stream: LinkStream;
  readonly news: ScreenNews[] = [];
  rfb: Bytes = new Uint8Array(0);
  /** What a recorder is brought. */
  recorded: Bytes = new Uint8Array(0);
  /** Whether anything of it is for a recorder. */
  isMarked = false;
  resetWith: number | null = null;

  constructor(console: TestConsole) {
    this.stream = console.link.openStream(SCREEN_STREAM, SCREEN_PRIORITY);
    this.stream.listen({
      message: bytes => {
        const message = parseScreenNews(bytes);
        if (message.type !== 'control') this.recorded = concat(this.recorded, recordedBytes(bytes));
        if (message.type === 'mark') this.isMarked = true;
        if (message.type === 'control') this.news.push(message.control);
        else if (message.type === 'rfb') this.rfb = concat(this.rfb, message.bytes);
      },
      reset: code => {
        this.resetWith = code;
      },
    });
  }

  control(control: ScreenControl): void {
    this.stream.send(writeScreenControl(control));
  }

  send(bytes: Bytes): void {
    this.stream.send(writeScreenRfb(bytes));
  }

  /** The states told, in order. */
  get states(): string[] {
    return this.news.flatMap(news => (news.type === 'state' ? [news.state] : []));
  }

  get ends(): string[] {
    return this.news.flatMap(news => (news.type === 'ended' ? [news.why] : []));
  }
}

/** The console's end of the stream `input`. */
export class OwnHands {
  readonly stream: LinkStream;
  readonly states: InputState[] = [];
  resetWith: number | null = null;

  constructor(console: TestConsole) {
    this.stream = console.link.openStream(INPUT_STREAM, INPUT_PRIORITY);
    this.stream.listen({
      message: bytes => void this.states.push(parseInputState(bytes)),
      reset: code => {
        this.resetWith = code;
      },
    });
  }

  send(message: InputMessage): void {
    this.stream.send(writeInput(message));
  }

  key(grant: number, keysym: number): void {
    const rfb = new Uint8Array(8);
    rfb.set([4, 1]);
    new DataView(rfb.buffer).setUint32(4, keysym);
    this.send({ type: 'event', grant, rfb });
  }

  pointer(grant: number, x: number, y: number): void {
    const rfb = new Uint8Array([5, 0, x >> 8, x & 255, y >> 8, y & 255]);
    this.send({ type: 'event', grant, rfb });
  }
}

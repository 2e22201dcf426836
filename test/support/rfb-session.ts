// A picture server and a viewer of it, joined in memory, for tests: time moves by hand, and the line can be held up.
import { createRequire } from 'node:module';
import { NodePictureCodecs } from '../../appliance/applet/picture-codecs.ts';
import type { Later } from '../../appliance/customer-core/objects.ts';
import type { PictureCodecs, StreamCompressor } from '../../appliance/customer-core/picture-codecs.ts';
import { RfbServer, type RfbServerParts } from '../../appliance/customer-core/rfb-server.ts';
import { ManualClock } from './manual-clock.ts';
import { type ClientOptions, NUMBERS, RfbClient } from './rfb-client.ts';
import { TestScreen } from './test-screen.ts';

export const codecs = new NodePictureCodecs(createRequire(import.meta.url)('@julusian/jpeg-turbo'));

/** What a viewer that knows everything but our own encoding sends. */
export const TIGHT_VIEWER = [
  ...[NUMBERS.copyRect, NUMBERS.tight, NUMBERS.raw, NUMBERS.quality6, NUMBERS.compression2, NUMBERS.lastRect],
  ...[NUMBERS.extendedDesktopSize, NUMBERS.desktopSize, NUMBERS.cursorWithAlpha, NUMBERS.cursor, NUMBERS.qemuKeys],
  ...[NUMBERS.fence, NUMBERS.continuousUpdates, NUMBERS.extendedClipboard],
];
export const ZSTD_VIEWER = [NUMBERS.zstd, ...TIGHT_VIEWER];

export interface RfbSessionOptions extends Partial<Pick<RfbServerParts, 'area' | 'codecs' | 'name'>> {
  readonly screen?: TestScreen;
  readonly encodings?: readonly number[];
  readonly mode?: ClientOptions['mode'];
}

/** Turns of the loop in which nothing is under way. */
const CALM_TURNS = 8;

export class RfbSession implements Disposable {
  readonly clock = new ManualClock();
  readonly screen: TestScreen;
  readonly server: RfbServer;
  readonly client: RfbClient;
  /** Gets what the server sends, before the viewer does. */
  sniff: ((bytes: Uint8Array) => void) | null = null;
  /** What `send` answers; while false nothing more is sent. */
  isOpen = true;
  /** Why the server takes nothing more from its viewer; null while it does. */
  refusal: unknown = null;
  readonly ends: { readonly why: string; readonly error: unknown }[] = [];

  #busy = 0;

  constructor(options: RfbSessionOptions = {}) {
    this.screen = options.screen ?? new TestScreen(320, 240);
    const { layout } = this.screen;
    this.server = new RfbServer({
      ...{
        clock: this.clock,
        source: this.screen,
        codecs: this.#watched(options.codecs ?? codecs),
        name: options.name ?? 'test',
      },
      area:
        options.area ?? (() => ({ x: 0, y: 0, width: this.screen.layout.width, height: this.screen.layout.height })),
      send: bytes => {
        const copy = bytes.slice();
        this.sniff?.(copy);
        queueMicrotask(() => this.client.push(copy));
        return this.isOpen;
      },
      ended: (why, error) => this.ends.push({ why, error }),
    });
    const { encodings = ZSTD_VIEWER, mode = 'continuous' } = options;
    this.client = new RfbClient({ encodings, mode, send: bytes => queueMicrotask(() => this.#receive(bytes)) });
    if (layout.width === 0) throw new Error('a screen without pixels');
    this.server.start();
  }

  /** Waits until the viewer shows exactly what is on the screen, moving time on where nothing else happens. */
  async settle(mostMs = 1000): Promise<void> {
    for (let ms = 0; ms <= mostMs; ms += 10) {
      await this.calm();
      if (this.isExact()) return;
      this.clock.advance(10);
    }
    throw new Error(`the viewer's picture differs after ${mostMs} ms`);
  }

  /** Lets everything happen that happens without time: compression, sending, decoding. */
  async calm(): Promise<void> {
    for (let turns = 0; turns < CALM_TURNS; turns++) {
      if (this.#busy > 0 || !this.client.isIdle) turns = 0;
      if (this.client.failed !== null) throw this.client.failed;
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** Time for so many frames, of which each is waited for. */
  async frames(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.clock.advance(20);
      await this.calm();
    }
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.refusal !== null) return;
    try {
      this.server.receive(bytes);
    } catch (error) {
      this.refusal = error;
      this.server.close();
    }
  }

  /** Counts what is being compressed. */
  #watched(codecs: PictureCodecs): PictureCodecs {
    const watch = async <T>(later: Later<T>) => {
      this.#busy += 1;
      try {
        return await later;
      } finally {
        this.#busy -= 1;
      }
    };
    const stream = (compressor: StreamCompressor): StreamCompressor => ({
      compress: bytes => watch(compressor.compress(bytes)),
      close: () => compressor.close(),
    });
    const { jpeg, newZstd } = codecs;
    return {
      newDeflate: level => stream(codecs.newDeflate(level)),
      newZstd: newZstd === null ? null : () => stream(newZstd()),
      inflate: (bytes, most) => watch(codecs.inflate(bytes, most)),
      jpeg: jpeg && ((pixels, size, quality) => watch(jpeg(pixels, size, quality))),
      sameBytes: (a, b) => codecs.sameBytes(a, b),
    };
  }

  /** Whether the viewer has the very pixels of the screen. */
  isExact(): boolean {
    return Buffer.compare(Buffer.from(this.client.pixels.buffer), Buffer.from(this.screen.pixels.buffer)) === 0;
  }

  [Symbol.dispose](): void {
    this.server.close();
    this.client.close();
  }
}

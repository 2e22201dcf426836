// A program that measures an RFB server (3.8, security None) from outside: it takes updates as fast as they come, and passes
// over their pixels. Prints one JSON object (Measured).
//   node measure-rfb.ts '{"port": 5900, "seconds": 10, "encodings": [7, …], "key": {"x": …, "y": …, "keysym": …} | null,
//                         "pids": [of the server]}'
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OWN_PIXEL_FORMAT } from '../../appliance/protocol/rfb.ts';
import { Input } from './byte-input.ts';
import { cpuMs } from './cpu-time.ts';
import { NUMBERS } from './rfb-client.ts';
import { OPENING, writeClientMessage } from './rfb-messages.ts';

export interface Task {
  readonly port: number;
  readonly seconds: number;
  readonly encodings: readonly number[];
  /** Pressed again and again; the time to the next update near the place is measured. */
  readonly key: { readonly x: number; readonly y: number; readonly keysym: number } | null;
  readonly pids: readonly number[];
}

export interface Measured {
  readonly seconds: number;
  readonly updatesPerSecond: number;
  readonly kilobytesPerSecond: number;
  readonly megapixelsPerSecond: number;
  /** Of all processes named, all their threads. */
  readonly cpuMsPerSecond: number;
  readonly keyMs: readonly number[];
  /** Rectangles by encoding. */
  readonly rectangles: Record<string, number>;
}

const WARM_UP_MS = 1500;
const PIXEL_BYTES = 4;
/** A key is pressed so long after the last, with a little more or less: in step with nothing. */
const BETWEEN_KEYS_MS = 137;
const LATE_MS = 2000;
/** What is near to a place: a cursor that blinks elsewhere is no answer to a key. */
const NEAR = { x: 1500, y: 800 };

class Meter {
  readonly #task: Task;
  readonly #input = new Input();
  readonly #socket: Socket;
  #width = 0;
  #height = 0;
  updates = 0;
  bytes = 0;
  pixels = 0;
  rectangles: Record<string, number> = {};
  #pressedAt: number | null = null;
  keyMs: number[] = [];
  first: () => void = () => undefined;

  constructor(task: Task) {
    this.#task = task;
    this.#socket = connect({ port: task.port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
      this.#input.push(bytes);
    });
  }

  async run(): Promise<void> {
    await this.#open();
    for (;;) {
      const type = await this.#input.u8();
      if (type === 0) await this.#update();
      else if (type === 1 || type === 3) await this.#aside(type);
      else if (type !== 2) throw new Error(`a message of type ${type}`);
    }
  }

  /** Colours of a map, or a clipboard. */
  async #aside(type: 1 | 3): Promise<void> {
    await this.#skip(3);
    if (type === 3) await this.#skip(await this.#input.u32());
    else await this.#skip(6 * (await this.#input.u16()));
  }

  press(): void {
    const { key } = this.#task;
    if (key === null) return;
    if (this.#pressedAt !== null && performance.now() - this.#pressedAt < LATE_MS) return;
    this.#pressedAt = performance.now();
    const press = { type: 'key', keysym: key.keysym, scanCode: 0 } as const;
    this.#send(writeClientMessage({ ...press, down: true }), writeClientMessage({ ...press, down: false }));
  }

  async #open(): Promise<void> {
    await this.#skip(12);
    this.#send(OPENING.slice(0, 12));
    await this.#skip(await this.#input.u8());
    this.#send(OPENING.slice(12, 13));
    await this.#skip(4);
    this.#send(OPENING.slice(13));
    [this.#width, this.#height] = [await this.#input.u16(), await this.#input.u16()];
    await this.#skip(16);
    await this.#skip(await this.#input.u32());
    this.#send(
      writeClientMessage({ type: 'pixel-format', format: OWN_PIXEL_FORMAT }),
      writeClientMessage({ type: 'encodings', encodings: this.#task.encodings }),
    );
    const { key } = this.#task;
    if (key !== null) this.#send(writeClientMessage({ type: 'pointer', buttons: 0, x: key.x, y: key.y }));
    this.#request(false);
  }

  async #update(): Promise<void> {
    await this.#skip(1);
    const count = await this.#input.u16();
    let real = 0;
    for (let i = 0; i < count || count === 0xffff; i++) {
      const place = { x: await this.#input.u16(), y: await this.#input.u16() };
      const [width, height] = [await this.#input.u16(), await this.#input.u16()];
      const encoding = (await this.#input.u32()) | 0;
      if (encoding === NUMBERS.lastRect) break;
      const name = await this.#passOver(encoding, width, height);
      if (name === null) continue;
      real += 1;
      this.pixels += width * height;
      this.rectangles[name] = (this.rectangles[name] ?? 0) + 1;
      this.#see(place);
    }
    this.#request(true);
    if (real === 0) return;
    this.updates += 1;
    this.first();
  }

  #see({ x, y }: { x: number; y: number }): void {
    const { key } = this.#task;
    if (key === null || this.#pressedAt === null || x > key.x + NEAR.x || y > key.y + NEAR.y) return;
    this.keyMs.push(performance.now() - this.#pressedAt);
    this.#pressedAt = null;
  }

  /** @returns the name of what was passed over; null when it was no pixels */
  async #passOver(encoding: number, width: number, height: number): Promise<string | null> {
    switch (encoding) {
      case NUMBERS.cursor:
        await this.#skip(width * height * PIXEL_BYTES + Math.ceil(width / 8) * height);
        return null;
      case NUMBERS.desktopSize:
        return null;
      case NUMBERS.raw:
        await this.#skip(width * height * PIXEL_BYTES);
        return 'raw';
      case NUMBERS.copyRect:
        await this.#skip(4);
        return 'copy';
      case NUMBERS.zstd: {
        const packed = await this.#input.u32();
        await this.#skip(4 + packed);
        return 'zstd';
      }
      case NUMBERS.tight:
        return this.#tight(width, height);
      default:
        throw new Error(`encoding ${encoding}`);
    }
  }

  async #tight(width: number, height: number): Promise<string> {
    const control = await this.#input.u8();
    if (control >> 4 === 8) {
      await this.#skip(3);
      return 'tight-fill';
    }
    if (control >> 4 === 9) {
      await this.#skip(await this.#compactLength());
      return 'tight-jpeg';
    }
    const filter = (control & 0x40) === 0 ? 0 : await this.#input.u8();
    if (filter !== 1) {
      await this.#data(width * height * 3);
      return 'tight-full';
    }
    const colours = (await this.#input.u8()) + 1;
    await this.#skip(colours * 3);
    await this.#data(colours === 2 ? Math.ceil(width / 8) * height : width * height);
    return colours === 2 ? 'tight-mono' : 'tight-palette';
  }

  async #data(plain: number): Promise<void> {
    await this.#skip(plain < 12 ? plain : await this.#compactLength());
  }

  async #compactLength(): Promise<number> {
    let length = 0;
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = await this.#input.u8();
      length |= (shift === 14 ? byte : byte & 127) << shift;
      if (byte < 128) break;
    }
    return length;
  }

  async #skip(bytes: number): Promise<void> {
    if (bytes > 0) await this.#input.take(bytes);
  }

  #request(incremental: boolean): void {
    const area = { x: 0, y: 0, width: this.#width, height: this.#height };
    this.#send(writeClientMessage({ type: 'update-request', incremental, area }));
  }

  #send(...messages: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(messages));
  }
}

async function measure(task: Task): Promise<Measured> {
  const meter = new Meter(task);
  const first = new Promise<void>(resolve => {
    meter.first = resolve;
  });
  void meter.run();
  await first;
  await delay(WARM_UP_MS);
  const cpu = () => task.pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const before = {
    updates: meter.updates,
    bytes: meter.bytes,
    pixels: meter.pixels,
    cpu: cpu(),
    at: performance.now(),
  };
  meter.rectangles = {};
  meter.keyMs = [];
  while (performance.now() - before.at < task.seconds * 1000) {
    await delay(BETWEEN_KEYS_MS + Math.random() * 60);
    meter.press();
  }
  const seconds = (performance.now() - before.at) / 1000;
  return {
    seconds,
    updatesPerSecond: (meter.updates - before.updates) / seconds,
    kilobytesPerSecond: (meter.bytes - before.bytes) / seconds / 1000,
    megapixelsPerSecond: (meter.pixels - before.pixels) / seconds / 1e6,
    cpuMsPerSecond: (cpu() - before.cpu) / seconds,
    keyMs: meter.keyMs,
    rectangles: meter.rectangles,
  };
}

process.stdout.write(`${JSON.stringify(await measure(JSON.parse(process.argv[2] ?? '{}')))}\n`);
process.exit();

// What is handed on of a picture ends where a rectangle ends, so that a recorder can draw all it has got, and prove it.
import { createHash } from 'node:crypto';
import test from 'ava';
import { RecordedScreen } from '../../appliance/customer-core/desktop/recorded-screen.ts';
import { ScreenStream, type ScreenStreamParts } from '../../appliance/customer-core/desktop/screen-stream.ts';
import { MAX_UNPROVED_MS } from '../../appliance/customer-core/recorded-stream.ts';
import type { ScreenSource } from '../../appliance/customer-core/screen-source.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { RecordedReader, recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import { RFB_VERSION } from '../../appliance/protocol/rfb.ts';
import { writeScreenControl, writeScreenRfb } from '../../appliance/protocol/screen.ts';
import { RfbDecoder } from '../../appliance/recording/decode/rfb-decoder.ts';
import { NUMBERS, RfbClient } from '../support/rfb-client.ts';
import { OPENING } from '../support/rfb-messages.ts';
import { codecs, RfbSession, TIGHT_VIEWER, ZSTD_VIEWER } from '../support/rfb-session.ts';
import { photoColour, TestScreen, textColour } from '../support/test-screen.ts';
import { TestRecording } from './open-recording.ts';

type ScreenStreamPart = ScreenStreamParts['stream'];

const lossless = (encodings: readonly number[]) => encodings.filter(encoding => encoding !== NUMBERS.quality6);

for (const [name, encodings, mode] of [
  ['Raw', [NUMBERS.raw], 'requests'],
  ['Tight with JPEG', TIGHT_VIEWER, 'continuous'],
  ['Tight', lossless(TIGHT_VIEWER), 'continuous'],
  ['zstd with JPEG', ZSTD_VIEWER, 'continuous'],
  ['zstd', lossless(ZSTD_VIEWER), 'continuous'],
] as const) {
  test(`H-03 ${name}: a recorder can draw each piece to its end, and none is large`, async t => {
    using session = new RfbSession({ encodings, mode, screen: new TestScreen(1280, 400) });
    const decoder = new RfbDecoder({ cursor: () => undefined });
    const version = Uint8Array.from(OPENING.subarray(0, RFB_VERSION.length)); // said before anybody listens
    let [drawing, bytes, largest] = [decoder.push(version), version.length, 0];
    session.sniff = sniffed => {
      const piece: Bytes = new Uint8Array(sniffed);
      bytes += piece.length;
      largest = Math.max(largest, piece.length);
      const end = bytes;
      drawing = drawing.then(async () => {
        await decoder.push(piece);
        t.is(decoder.settled, end);
      });
    };
    await session.settle();
    for (let seed = 1; seed < 3; seed++) {
      session.screen.draw({ x: 0, y: 0, width: 1280, height: 400 }, textColour(seed));
      await session.settle();
      session.screen.draw({ x: seed * 9, y: seed * 7, width: 900, height: 300 }, photoColour(seed));
      await session.settle(3000);
    }
    await drawing;
    t.true(largest <= 640 * 1024, `${largest} bytes`);
    t.true(bytes > 100_000);
    decoder.close();
  });
}

const STEP_MS = 100;
/** In each step: a line on which a large picture takes a quarter of a minute. */
const LINE_BYTES = 2000;
/** As much as a stream of the link queues before it says no. */
const QUEUE_BYTES = 256 * 1024;

/** A line that takes its time, a console that hands on all it gets, and a recorder behind it. */
class SlowLine {
  readonly recording = new TestRecording();
  readonly screen = new TestScreen(800, 600);
  readonly recorded = this.recording.rule.open(this.recording.linkId, true);
  readonly client: RfbClient;
  /** What was sent and is not proved. */
  readonly #unproved: { readonly at: number; readonly end: number }[] = [];
  readonly #queue: Bytes[] = [];
  readonly #reader = new RecordedReader();
  readonly #decoder = new RfbDecoder({ cursor: () => undefined });
  readonly #got: { readonly bytes: Bytes; readonly rfb: number }[] = [];
  #listener: Parameters<ScreenStreamPart['listen']>[0] | null = null;
  #picture: ScreenStream;
  #sent = 0;
  #rfb = 0;
  #passed = 0;
  /** How long ago the oldest was sent that was not proved, whenever something was. */
  oldest = 0;
  holds = 0;

  constructor() {
    const { clock } = this.recording;
    this.client = new RfbClient({
      ...{ encodings: lossless(ZSTD_VIEWER), mode: 'continuous' },
      send: bytes => queueMicrotask(() => void this.#listener?.message?.(writeScreenRfb(bytes))),
    });
    this.#picture = new ScreenStream({
      ...{ clock, codecs, name: 'test', source: Promise.resolve<ScreenSource>(this.screen) },
      stream: this.#stream(),
      ...{ admits: () => true, held: () => null, monitorChosen: () => undefined, refused: () => undefined },
      ...{ lost: () => undefined, recordingEnded: () => undefined },
      record: ({ queue, isWaiting, width, height }) => {
        const { sid, linkId } = this.recording;
        const begin = { sid, linkId, sub: 'member', technician: 'Tess', width, height, after: null, pausedMs: 0 };
        const { recorded } = this;
        return new RecordedScreen({ clock, recorded, queue, isWaiting, applianceTime: () => clock.now(), begin });
      },
    });
    const open = { type: 'open', grant: 1, monitor: 0, quality: 'sharp' } as const;
    void this.#listener?.message?.(writeScreenControl(open));
  }

  /** Until the viewer has what is on the screen. @returns how long that took, in s */
  async settle(mostSeconds: number): Promise<number> {
    for (let ms = 0; ms <= mostSeconds * 1000; ms += STEP_MS) {
      await this.#step();
      const pixels = (words: Uint32Array) => Buffer.from(words.buffer, words.byteOffset, words.byteLength);
      if (pixels(this.client.pixels).equals(pixels(this.screen.pixels))) return ms / 1000;
    }
    throw new Error(`the viewer's picture differs after ${mostSeconds} s`);
  }

  close(): void {
    this.#picture.end('stopped');
    this.client.close();
    this.#decoder.close();
  }

  #stream(): ScreenStreamPart {
    return {
      listen: listener => {
        this.#listener = listener;
      },
      send: message => {
        this.#send(message);
        return this.#queue.reduce((sum, { length }) => sum + length, 0) < QUEUE_BYTES;
      },
      ...{ end: () => undefined, reset: () => undefined, dropQueued: () => 0 },
    };
  }

  #send(message: Bytes): void {
    this.#queue.push(message);
    if (message[0] === 1) return; // it is no part of the picture
    const [oldest] = this.#unproved;
    const now = this.recording.clock.monotonic();
    if (oldest !== undefined) this.oldest = Math.max(this.oldest, now - oldest.at);
    this.#sent += recordedBytes(message).length;
    this.#unproved.push({ at: now, end: this.#sent });
  }

  async #step(): Promise<void> {
    const { clock, rule } = this.recording;
    clock.advance(STEP_MS);
    for (let room = LINE_BYTES + this.#passed; ; room -= this.#queue.shift()?.length ?? 0) {
      const [next] = this.#queue;
      this.#passed = next === undefined ? 0 : room;
      if (next === undefined || next.length > room) break;
      await this.#arrive(next);
    }
    if (rule.state === 'unproved') this.holds++;
    if (clock.monotonic() % 1000 === 0) await this.#prove();
    this.#picture.recordingChanged();
    if (this.#queue.length === 0) this.#listener?.drained?.();
    for (let turns = 0; turns < 8; turns++) {
      if (!this.client.isIdle) turns = 0;
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  async #arrive(message: Bytes): Promise<void> {
    if (message[0] === 1) return;
    const bytes = recordedBytes(message);
    for (const piece of this.#reader.push(bytes)) {
      if (piece.type !== 'rfb') continue;
      this.#rfb += piece.bytes.length;
      this.client.push(piece.bytes);
      await this.#decoder.push(piece.bytes);
    }
    this.#got.push({ bytes, rfb: this.#rfb });
  }

  /** As a recorder does: as far as it could draw. */
  async #prove(): Promise<void> {
    const drawn = this.#got.findLastIndex(({ rfb }) => rfb <= this.#decoder.settled);
    if (drawn < 0) return;
    const hash = createHash('sha256');
    let offset = 0;
    for (const { bytes } of this.#got.slice(0, drawn + 1)) {
      hash.update(bytes);
      offset += bytes.length;
    }
    const { sid, linkId, rule } = this.recording;
    const digest = new Uint8Array(hash.digest());
    await rule.accept(this.recording.receipt({ sid, linkId, nonce: this.recorded.nonce, offset, digest }));
    while ((this.#unproved[0]?.end ?? Number.POSITIVE_INFINITY) <= offset) this.#unproved.shift();
  }
}

test('H-03 a line on which a picture takes a quarter of a minute: it comes, and nothing leaves while something older than 4 s is unproved', async t => {
  const line = new SlowLine();
  t.teardown(() => line.close());
  line.screen.draw({ x: 0, y: 0, width: 800, height: 600 }, photoColour(1));
  const first = await line.settle(120);
  line.screen.draw({ x: 0, y: 0, width: 800, height: 600 }, photoColour(2));
  const second = await line.settle(120);
  t.true(first > 8 && second > 8, `${first} s, ${second} s`);
  t.true(line.holds > 0, 'the rule has held it back meanwhile');
  t.true(line.oldest <= MAX_UNPROVED_MS, `${line.oldest} ms`);
});

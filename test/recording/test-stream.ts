// A stream as an applet sends it: marks and RFB bytes, and what it is up to at each place.
import { createHash, randomBytes } from 'node:crypto';
import { type SessionId, sessionIdFrom } from '../../appliance/guid.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import { type BeginMark, type Mark, writeMark } from '../../appliance/protocol/recording-marks.ts';
import { OWN_PIXEL_FORMAT } from '../../appliance/protocol/rfb.ts';
import { writeScreenMark, writeScreenRfb } from '../../appliance/protocol/screen.ts';
import { opening, raw, tightFill, update } from './rfb-server-bytes.ts';

/** Past on every machine. */
export const STARTED_AT = Date.UTC(2024, 5, 1, 8);
export const [WIDTH, HEIGHT] = [200, 150];

export function random(bytes: number): Bytes {
  return new Uint8Array(randomBytes(bytes));
}

type Rgb = readonly [number, number, number];

export class TestStream {
  readonly sid: SessionId;
  readonly sub: string;
  readonly nonce = random(16);
  readonly linkId = random(16);
  /** All of it so far. */
  bytes: Bytes = new Uint8Array();
  at = STARTED_AT;

  constructor(sid = sessionIdFrom(random(16)), sub = 'tina') {
    this.sid = sid;
    this.sub = sub;
  }

  get offset(): number {
    return this.bytes.length;
  }

  digest(offset = this.offset): Bytes {
    return new Uint8Array(createHash('sha256').update(this.bytes.subarray(0, offset)).digest());
  }

  /** `begin`, the opening and the first picture, of one colour. */
  start(colour: Rgb = [10, 20, 30], over: Partial<BeginMark> = {}): Bytes {
    const { sid, sub, nonce, linkId } = this;
    const begin = {
      ...{ type: 'begin', at: this.at, version: 1, nonce, sid, linkId, sub, technician: 'Tina' },
    } as const;
    const look = { width: WIDTH, height: HEIGHT, format: OWN_PIXEL_FORMAT, encodings: [7] };
    const from = this.offset;
    this.mark({ ...begin, forced: true, ...look, after: null, pausedMs: 0, ...over, type: 'begin' });
    this.rfb(opening(WIDTH, HEIGHT));
    this.fill({ x: 0, y: 0, width: WIDTH, height: HEIGHT }, colour);
    return this.bytes.slice(from);
  }

  mark(mark: Mark): Bytes {
    return this.#add(writeScreenMark(writeMark(mark)));
  }

  /** Time goes on by so many ms, and a beat says so. */
  beat(ms: number, keys = 0): Bytes {
    this.at += ms;
    return this.mark({ type: 'beat', at: this.at, keys });
  }

  fill(area: { x: number; y: number; width: number; height: number }, colour: Rgb): Bytes {
    return this.rfb(update(tightFill(area, colour)));
  }

  /** So many bytes that don't compress. */
  noise(width: number, height: number): Bytes {
    const pixels = random(width * height * 3);
    const at = (x: number, y: number): Rgb => {
      const from = (y * width + x) * 3;
      return [pixels[from] ?? 0, pixels[from + 1] ?? 0, pixels[from + 2] ?? 0];
    };
    return this.rfb(update(raw({ x: 0, y: 0, width, height }, at)));
  }

  rfb(bytes: readonly number[]): Bytes {
    const from = this.offset;
    for (let at = 0; at < bytes.length; at += 60_000)
      this.#add(writeScreenRfb(Uint8Array.from(bytes.slice(at, at + 60_000))));
    return this.bytes.slice(from);
  }

  end(): Bytes {
    return this.mark({ type: 'end', at: this.at, why: 'stopped' });
  }

  #add(message: Bytes): Bytes {
    const whole = recordedBytes(message);
    const all = new Uint8Array(this.bytes.length + whole.length);
    all.set(this.bytes);
    all.set(whole, this.bytes.length);
    this.bytes = all;
    return whole;
  }
}

// A screen a test draws on: it tells of damage as a real one does, and counts what it is asked for.

import type {
  CursorPicture,
  Grabbed,
  Rectangle,
  ScreenLayout,
  ScreenListener,
  ScreenSource,
} from '../../appliance/customer-core/screen-source.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import type { Monitor } from '../../appliance/protocol/screen.ts';

export class TestScreen implements ScreenSource {
  layout: ScreenLayout;
  cursor: CursorPicture | null = null;
  /** 0x00RRGGBB, row by row. */
  pixels: Uint32Array<ArrayBuffer>;
  grabs = 0;
  /** Whether it says where something was drawn. */
  knowsDamage = true;
  /** Set to make the next grab fail. */
  error: Error | null = null;
  #listener: ScreenListener | null = null;
  #damage: Rectangle[] = [];
  #told = false;
  #lastArea: Rectangle | null = null;

  constructor(width: number, height: number) {
    this.layout = { width, height, monitors: [monitor(1, 0, 0, width, height)] };
    this.pixels = new Uint32Array(width * height);
  }

  listen(listener: ScreenListener): void {
    this.#listener = listener;
  }

  grab(area: Rectangle): Grabbed {
    if (this.error !== null) throw this.error;
    this.grabs += 1;
    this.#told = false;
    const same = this.#lastArea !== null && JSON.stringify(this.#lastArea) === JSON.stringify(area);
    const damage = same && this.knowsDamage ? this.#damage : null;
    this.#damage = [];
    this.#lastArea = { ...area };
    const { width } = this.layout;
    const pixels: Bytes = new Uint8Array(this.pixels.slice().buffer, (area.y * width + area.x) * 4);
    return { pixels, stride: width * 4, damage };
  }

  /** Draws each pixel of an area anew. */
  draw(area: Rectangle, colour: (x: number, y: number) => number): void {
    for (let y = area.y; y < area.y + area.height; y++) {
      for (let x = area.x; x < area.x + area.width; x++) {
        this.pixels[y * this.layout.width + x] = colour(x - area.x, y - area.y);
      }
    }
    this.damage(area);
  }

  /** Moves what is in an area, as scrolling does; what is left behind stays. */
  move({ x, y, width, height }: Rectangle, dx: number, dy: number): void {
    const before = this.pixels.slice();
    for (let row = y; row < y + height; row++) {
      const from = row * this.layout.width + x;
      const to = (row + dy) * this.layout.width + x + dx;
      this.pixels.set(before.subarray(from, from + width), to);
    }
    const [left, top] = [Math.min(x, x + dx), Math.min(y, y + dy)];
    this.damage({ x: left, y: top, width: width + Math.abs(dx), height: height + Math.abs(dy) });
  }

  /** Says that something may have changed. */
  damage(area: Rectangle): void {
    this.#damage.push(area);
    if (this.#told) return;
    this.#told = true;
    this.#listener?.damaged();
  }

  resize(width: number, height: number, monitors = [monitor(1, 0, 0, width, height)]): void {
    this.layout = { width, height, monitors };
    this.pixels = new Uint32Array(width * height);
    this.#lastArea = null;
    this.#listener?.layoutChanged(this.layout);
  }

  showCursor(cursor: CursorPicture | null): void {
    this.cursor = cursor;
    this.#listener?.cursorChanged(cursor);
  }

  lose(why: 'display-lost' | 'display-stuck'): void {
    this.#listener?.lost(why);
  }

  close(): void {
    this.#listener = null;
  }
}

export function monitor(id: number, x: number, y: number, width: number, height: number): Monitor {
  return { id, name: `SCREEN-${id}`, x, y, width, height, primary: id === 1 };
}

/** A generator of numbers from 0 to 2^32 − 1 that gives the same for the same seed. */
export function numbersFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    state ^= state >>> 13;
    return state >>> 0;
  };
}

/** Looks like lines of text: black and grey on white, each line different. */
export function textColour(seed: number): (x: number, y: number) => number {
  return (x, y) => {
    const [line, column] = [Math.floor(y / 16), Math.floor(x / 8)];
    if (y % 16 > 11 || x % 8 > 6) return 0xffffff;
    const glyph = (Math.imul(line * 131 + seed, 0x9e3779b1) ^ Math.imul(column * 31 + 7, 0x85ebca6b)) >>> 0;
    const bit = (glyph >>> (((x % 8) + (y % 12) * 2) % 31)) & 3;
    return [0xffffff, 0xffffff, 0x808080, 0x101010][bit] ?? 0;
  };
}

/** Looks like a photograph: more colours than any palette has. */
export function photoColour(seed: number): (x: number, y: number) => number {
  return (x, y) => {
    const noise = (Math.imul(x * 7919 + seed, 0x9e3779b1) ^ Math.imul(y * 104729 + seed, 0x85ebca6b)) >>> 28;
    const red = 128 + 90 * Math.sin((x + seed) / 40) + noise;
    const green = 128 + 90 * Math.sin((y - seed) / 30) + noise;
    const blue = 128 + 90 * Math.sin((x + y) / 50) + noise;
    return (Math.floor(red) << 16) | (Math.floor(green) << 8) | Math.floor(blue);
  };
}

// The picture of an X server as `xwd` writes it (X11/XWDFile.h), for comparing pixels.
import { execFileSync } from 'node:child_process';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, row by row. */
  readonly rgb: Buffer;
}

const WORD = {
  headerSize: 0,
  width: 4,
  height: 5,
  byteOrder: 7,
  bitsPerPixel: 11,
  bytesPerLine: 12,
  colours: 19,
} as const;
const COLOUR_BYTES = 12;

export function pictureOf(display: string): Picture {
  const file = execFileSync('xwd', ['-root', '-silent', '-display', display], { maxBuffer: 256 * 1024 * 1024 });
  const word = (name: keyof typeof WORD) => file.readUInt32BE(WORD[name] * 4);
  const [width, height] = [word('width'), word('height')];
  // Where windows have visuals of several depths, xwd puts them together with three bytes for a pixel.
  const step = word('bitsPerPixel') / 8;
  if ((step !== 3 && step !== 4) || word('byteOrder') !== 0)
    throw new Error('not a picture in true colour, little-endian');
  const from = word('headerSize') + word('colours') * COLOUR_BYTES;
  const rgb = Buffer.alloc(width * height * 3);
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0, at = from + y * word('bytesPerLine'); x < width; x++, at += step) {
      rgb[out++] = file[at + 2] ?? 0;
      rgb[out++] = file[at + 1] ?? 0;
      rgb[out++] = file[at] ?? 0;
    }
  }
  return { width, height, rgb };
}

/** How many pixels differ; all of them when the sizes do. */
export function differing(one: Picture, other: Picture): number {
  if (one.width !== other.width || one.height !== other.height) return one.width * one.height;
  if (one.rgb.equals(other.rgb)) return 0;
  const [a, b] = [one.rgb, other.rgb];
  let count = 0;
  for (let at = 0; at < a.length; at += 3)
    if (a[at] !== b[at] || a[at + 1] !== b[at + 1] || a[at + 2] !== b[at + 2]) count++;
  return count;
}

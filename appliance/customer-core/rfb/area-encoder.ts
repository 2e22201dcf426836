// What makes rectangles of areas, whatever the encoding. Painting is done at once, from pixels that may change afterwards;
// compression follows in the order of painting, for each compressor is one stream from the first frame to the last.
import type { Bytes } from '../../protocol/bytes.ts';
import type { Later } from '../objects.ts';
import type { Rectangle } from '../screen-source.ts';
import type { PixelWriter } from './pixel-writer.ts';
import type { Pixels } from './pixels.ts';

export interface AreaEncoder {
  /** How the viewer wants his pixels, where the encoding leaves that to him. */
  writeAs?(writer: PixelWriter): void;
  /** Takes an area that may have few colours. @returns false when it has more than the encoding has a short way for */
  few(pixels: Pixels, area: Rectangle): boolean;
  /** Takes any area, exactly. */
  many(pixels: Pixels, area: Rectangle): void;
  /** Rectangles `finish` will give. */
  readonly count: number;
  /** It takes no other area before `finish`. */
  readonly full: boolean;
  /** What was taken, as whole rectangles. */
  finish(): Later<Bytes[]>;
  close(): void;
}

/** Bytes an encoder holds of what was painted and not compressed yet. */
export const MAX_PAINTED_BYTES = 1024 * 1024;

// Cursor With Alpha (community extension): an encoding of its own inside, which is Raw here, then red, green and blue
// multiplied with alpha, and alpha.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import type { CursorPicture } from '../screen-source.ts';
import { fittingCursor, rgbaOf, writeCursorRectangle } from './cursor.ts';

export function writeCursorWithAlpha(cursor: CursorPicture | null): Bytes {
  const picture = fittingCursor(cursor);
  return writeCursorRectangle(picture, ENCODING.cursorWithAlpha, concat(new Uint8Array(4), rgbaOf(picture, true)));
}

// VMware's cursor, the one with alpha that noVNC knows: kind 1, a byte for nothing, then red, green, blue and alpha as they
// are.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import type { CursorPicture } from '../screen-source.ts';
import { fittingCursor, rgbaOf, writeCursorRectangle } from './cursor.ts';

const WITH_ALPHA = 1;

export function writeVmwareCursor(cursor: CursorPicture | null): Bytes {
  const picture = fittingCursor(cursor);
  const rest = concat(Uint8Array.of(WITH_ALPHA, 0), rgbaOf(picture, false));
  return writeCursorRectangle(picture, ENCODING.vmwareCursor, rest);
}

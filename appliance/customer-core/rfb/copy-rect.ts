// CopyRect (RFC 6143 §7.7.2): twelve bytes of head, and where in his own picture the viewer finds the rectangle.
import type { Bytes } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';
import type { Copy } from './copies.ts';

export function writeCopyRect(copy: Copy): Bytes {
  const { fromX, fromY } = copy;
  return writeRectangle(copy, ENCODING.copyRect, Uint8Array.of(fromX >> 8, fromX & 255, fromY >> 8, fromY & 255));
}

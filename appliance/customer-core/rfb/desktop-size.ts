// DesktopSize (RFC 6143 §7.8.2): the picture has another size from here on, and what the viewer had is void.
import type { Bytes } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';

export function writeDesktopSize(width: number, height: number): Bytes {
  return writeRectangle({ x: 0, y: 0, width, height }, ENCODING.desktopSize);
}

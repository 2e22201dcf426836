// QEMU Extended Key Event (community extension): an empty rectangle says that scan codes are welcome. Keys come on the
// stream `input`; this only makes the viewer send them with theirs.
import type { Bytes } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';

export function writeQemuKeys(): Bytes {
  return writeRectangle({ x: 0, y: 0, width: 0, height: 0 }, ENCODING.qemuKeys);
}

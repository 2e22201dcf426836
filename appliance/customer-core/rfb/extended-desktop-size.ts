// ExtendedDesktopSize (community extension): the size with the screens it is made of. It also answers a viewer who would like
// another size: the customer's monitors are his own, so that is always refused.
import type { Bytes } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import type { RfbScreen } from '../../protocol/rfb-client-messages.ts';
import { SIZE_REASON, SIZE_STATUS, writeRectangle, writeScreens } from '../../protocol/rfb-server-messages.ts';
import type { Monitor } from '../../protocol/screen.ts';
import type { Rectangle } from '../screen-source.ts';

/** @param asked it answers a viewer's SetDesktopSize */
export function writeExtendedDesktopSize(area: Rectangle, monitors: readonly Monitor[], asked: boolean): Bytes {
  const { width, height } = area;
  const [x, y] = asked ? [SIZE_REASON.thisViewer, SIZE_STATUS.prohibited] : [SIZE_REASON.server, SIZE_STATUS.done];
  return writeRectangle({ x, y, width, height }, ENCODING.extendedDesktopSize, writeScreens(screensOf(area, monitors)));
}

/** The monitors as far as they are in the area, in pixels of it; the whole of it where none is. */
function screensOf(area: Rectangle, monitors: readonly Monitor[]): RfbScreen[] {
  const screens = monitors.flatMap(({ id, x, y, width, height }) => {
    const [left, top] = [Math.max(x, area.x), Math.max(y, area.y)];
    const [right, bottom] = [Math.min(x + width, area.x + area.width), Math.min(y + height, area.y + area.height)];
    if (right <= left || bottom <= top) return [];
    return [{ id, x: left - area.x, y: top - area.y, width: right - left, height: bottom - top, flags: 0 }];
  });
  return screens.length > 0 ? screens : [{ id: 0, x: 0, y: 0, width: area.width, height: area.height, flags: 0 }];
}

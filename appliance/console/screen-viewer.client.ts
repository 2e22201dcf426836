// The viewer of a picture, loaded when the first one comes: noVNC awaits at its top level, which a page that is to be
// there at once must not.

import type { DecoderWorker } from './decoder-messages.ts';
import type { RfbChannel } from './rfb-channel.ts';
import type { ScreenViewer, ViewerListener } from './screen-viewer.ts';
import { CheckedRfb } from './viewer/checked-rfb.ts';
import { CustomerPointer } from './viewer/customer-pointer.ts';

export function makeViewer(channel: RfbChannel, listener: ViewerListener, worker: DecoderWorker): ScreenViewer {
  const place = document.createElement('div');
  place.className = 'picture';
  const rfb = new CheckedRfb(place, channel, listener, worker);
  rfb.scaleViewport = true;
  const pointer = new CustomerPointer(place, (x, y) => rfb.placeOf(x, y));
  return {
    place,
    get frames() {
      return rfb.frames;
    },
    get width() {
      return rfb.width;
    },
    get height() {
      return rfb.height;
    },
    fit: isOn => {
      rfb.scaleViewport = isOn;
    },
    pixelAt: (x, y) => rfb.pixelAt(x, y),
    showPointer: at => pointer.show(at),
    focus: () => rfb.focus({ preventScroll: true }),
    control: isOn => rfb.control(isOn),
    press: keys => {
      for (const { keysym, code } of keys) rfb.sendKey(keysym, code, true);
      for (const { keysym, code } of keys.toReversed()) rfb.sendKey(keysym, code, false);
    },
    type: text => rfb.type(text),
    releaseKeys: () => rfb.releaseKeys(),
    picture: () => rfb.toBlob(),
    close: () => {
      pointer.close();
      rfb.close();
    },
  };
}

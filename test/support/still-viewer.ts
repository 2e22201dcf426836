// A viewer of which nobody wants anything but pictures: what a console's screen asks of one besides, done by nothing.
import type { ScreenViewer } from '../../appliance/console/screen-viewer.ts';

export abstract class StillViewer implements ScreenViewer {
  abstract readonly frames: number;
  abstract readonly width: number;
  abstract readonly height: number;
  readonly place = null;
  close = () => undefined;
  control = () => undefined;
  fit = () => undefined;
  focus = () => undefined;
  press = () => undefined;
  type = () => undefined;
  releaseKeys = () => undefined;
  pixelAt = () => null;
  showPointer = () => undefined;
  picture = () => Promise.resolve(new Blob());
}

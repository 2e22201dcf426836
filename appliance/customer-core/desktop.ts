// The customer's desktop as a session is handed it: the applet brings one per operating system, the browser entry one that
// can only be seen.
import type { InputSink, SystemClipboard } from './input-sink.ts';
import type { Later } from './objects.ts';
import type { PictureCodecs } from './picture-codecs.ts';
import type { ScreenSource } from './screen-source.ts';

export interface Desktop {
  readonly codecs: PictureCodecs;
  /** Called when viewing was allowed. @throws ApplianceError `screen.unavailable`: with what the customer can do about it */
  openScreen(): Later<ScreenSource>;
  /** Null where nothing can be controlled. @throws ApplianceError `input.unavailable` */
  readonly openInput: (() => Later<InputSink>) | null;
  /** Null where there is none to share. @throws ApplianceError `clipboard.unavailable` */
  readonly openClipboard: (() => Later<SystemClipboard>) | null;
  /** Tells when nobody is at the screen any more, and when somebody is. Null where that can't be known. @returns stops it */
  readonly watchPresence: ((tell: (isAway: boolean) => void) => () => void) | null;
}

// The customer's desktop, whatever system it is of: only here, and in what this calls, is known which one.
import type { Clock } from '../clock.ts';
import type { InputSink, SystemClipboard } from '../customer-core/input-sink.ts';
import type { ScreenSource } from '../customer-core/screen-source.ts';
import { ApplianceError } from '../errors.ts';
import { openLinuxDesktop } from './desktop-linux.ts';
import { openWindowsDesktop } from './desktop-windows.ts';

export interface DesktopOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
}

export interface CustomerDesktop {
  readonly screen: ScreenSource;
  /** Null where the system has no way to it: the screen can be shown all the same. */
  readonly input: InputSink | null;
  readonly clipboard: SystemClipboard | null;
  close(): void;
}

/** @throws ApplianceError `screen.unavailable`, with what the customer or IT can do about it */
export async function openDesktop(options: DesktopOptions): Promise<CustomerDesktop> {
  if (process.platform === 'linux') return openLinuxDesktop(options);
  if (process.platform === 'win32') return openWindowsDesktop(options);
  throw new ApplianceError('unavailable', 'screen.unavailable', 'this system’s screen cannot be shown yet', {
    hint: 'Chat and files work. The screen can be shown from Linux with X11 and from Windows.',
  });
}

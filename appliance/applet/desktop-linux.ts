// A desktop on Linux: X11. Screen, input and clipboard have a connection each, so that none holds up another.
import type { InputSink, SystemClipboard } from '../customer-core/input-sink.ts';
import { ApplianceError } from '../errors.ts';
import type { CustomerDesktop, DesktopOptions } from './desktop.ts';
import { X11Clipboard } from './input/x11-clipboard.ts';
import { X11Input } from './input/x11-input.ts';
import { X11Laser } from './screen/x11-laser.ts';
import { X11Screen } from './screen/x11-screen.ts';
import { XConnection } from './x11/connection.ts';

export async function openLinuxDesktop(options: DesktopOptions): Promise<CustomerDesktop> {
  const screen = await X11Screen.open(options);
  try {
    const [input, clipboard] = await Promise.all([openInput(options), openClipboard(options)]);
    const close = () => {
      input?.close();
      clipboard?.close();
      screen.close();
    };
    return { screen, input, clipboard, close };
  } catch (error) {
    screen.close();
    throw error;
  }
}

function openInput({ clock, environment }: DesktopOptions): Promise<InputSink | null> {
  return ifPossible(environment, clock, async connection => {
    const fixes = await connection.extension('fixes');
    const laser = fixes === null ? null : new X11Laser(connection, fixes);
    return X11Input.open({ connection, clock, point: at => laser?.point(at) });
  });
}

function openClipboard({ clock, environment }: DesktopOptions): Promise<SystemClipboard | null> {
  return ifPossible(environment, clock, connection => X11Clipboard.open({ connection, clock }));
}

/** @returns null where the server can't do it: the screen can still be shown */
async function ifPossible<Part>(
  environment: DesktopOptions['environment'],
  clock: DesktopOptions['clock'],
  open: (connection: XConnection) => Promise<Part>,
): Promise<Part | null> {
  const connection = await XConnection.open({ clock, environment });
  try {
    return await open(connection);
  } catch (error) {
    connection.close();
    if (error instanceof ApplianceError && NOT_HERE.includes(error.code)) return null;
    throw error;
  }
}

const NOT_HERE = ['input.unavailable', 'clipboard.unavailable'];

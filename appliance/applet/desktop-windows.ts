// A desktop on Windows.

import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { CustomerDesktop, DesktopOptions } from './desktop.ts';
import { openWindowsInput, type WindowsInputCalls } from './ffi-windows.ts';
import { WindowsClipboard } from './input/windows-clipboard.ts';
import { WindowsInput } from './input/windows-input.ts';
import { WindowsMessages } from './input/windows-messages.ts';
import { WindowsScreen } from './screen/windows-screen.ts';

export async function openWindowsDesktop({ clock }: DesktopOptions): Promise<CustomerDesktop> {
  const screen = new WindowsScreen(clock); // first of all: it makes coordinates those of real pixels
  const calls = openWindowsInput();
  const messages = new WindowsMessages(calls, clock);
  const [input, clipboard] = [openInput(clock, calls, messages), new WindowsClipboard(clock, messages)];
  const close = () => {
    input?.close();
    clipboard.close();
    messages.close();
    screen.close();
  };
  return { screen, input, clipboard, close };
}

/** @returns null where Windows does not tell of the customer's own input: the screen can still be shown */
function openInput(clock: Clock, calls: WindowsInputCalls, messages: WindowsMessages): WindowsInput | null {
  try {
    return new WindowsInput(clock, calls, messages);
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'input.unavailable') return null;
    throw error;
  }
}

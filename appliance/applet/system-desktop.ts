// The customer's desktop as his session opens it: screen, input and clipboard come and go together, when viewing is allowed
// and when it ends.
import { tmpdir } from 'node:os';
import type { Clock } from '../clock.ts';
import type { Desktop } from '../customer-core/desktop.ts';
import type { InputSink, SystemClipboard } from '../customer-core/input-sink.ts';
import type { ScreenSource } from '../customer-core/screen-source.ts';
import { ApplianceError } from '../errors.ts';
import { type CustomerDesktop, openDesktop } from './desktop.ts';
import { loadJpegAddon } from './jpeg-addon.ts';
import { NodePictureCodecs } from './picture-codecs.ts';
import { watchPresence } from './presence/watch.ts';

export interface SystemDesktopOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** A file of the add-on for JPEG, by its name; it is part of the signed program. */
  readonly readAddon: (name: string) => Uint8Array;
  readonly warn: (why: string) => void;
}

export class SystemDesktop implements Desktop {
  readonly #options: SystemDesktopOptions;
  #codecs: NodePictureCodecs | null = null;
  #opened: Promise<CustomerDesktop> | null = null;

  constructor(options: SystemDesktopOptions) {
    this.#options = options;
  }

  /** Made when they are first needed: a session of chat alone loads no add-on. */
  get codecs(): NodePictureCodecs {
    const { readAddon, warn, clock } = this.#options;
    this.#codecs ??= new NodePictureCodecs(loadJpegAddon(readAddon, { folder: tmpdir(), now: clock.now() }, warn));
    return this.#codecs;
  }

  async openScreen(): Promise<ScreenSource> {
    const opened = openDesktop(this.#options);
    this.#opened = opened;
    const desktop = await opened;
    const { screen } = desktop;
    return {
      get layout() {
        return screen.layout;
      },
      get cursor() {
        return screen.cursor;
      },
      listen: listener => screen.listen(listener),
      grab: area => screen.grab(area),
      close: () => {
        if (this.#opened === opened) this.#opened = null;
        desktop.close();
      },
    };
  }

  readonly openInput = async (): Promise<InputSink> => {
    const input = (await this.#desktop())?.input ?? null;
    if (input !== null) return input;
    throw new ApplianceError('unavailable', 'input.unavailable', 'mouse and keyboard of this computer can’t be used', {
      hint: 'The screen can be seen all the same.',
    });
  };

  readonly openClipboard = async (): Promise<SystemClipboard> => {
    const clipboard = (await this.#desktop())?.clipboard ?? null;
    if (clipboard === null)
      throw new ApplianceError('unavailable', 'clipboard.unavailable', 'the clipboard of this computer can’t be used');
    let stop: () => void = () => undefined;
    return {
      listen: listener => {
        stop = clipboard.listen(listener);
        return stop;
      },
      write: content => clipboard.write(content),
      close: () => stop(), // it goes with the desktop; the customer may share it once more before
    };
  };

  readonly watchPresence = (tell: (isAway: boolean) => void) => watchPresence(this.#options, tell);

  /** Null where the screen could not be opened: that has been told. */
  async #desktop(): Promise<CustomerDesktop | null> {
    try {
      return await this.#opened;
    } catch (error) {
      if (error instanceof ApplianceError) return null;
      throw error;
    }
  }
}

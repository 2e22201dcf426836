// A program of the customer's that has the keyboard's focus and covers the screen: it notes what it is told of keys and
// buttons, and can hold the keyboard for itself, as an open menu does.
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { Desktop } from './desktop.ts';
import type { Typist } from './typist.ts';

const EVENTS = { 2: 'key down', 3: 'key up', 4: 'button down', 5: 'button up', 6: 'motion' } as const;
const MASK = 0b100_1111; // keys, buttons, motion
const INPUT_ONLY = 2;
const MAPPING_NOTIFY = 34;
const MARK = { keysym: 0xff1b, keycode: 9 } as const; // Escape

export interface Told {
  readonly what: (typeof EVENTS)[keyof typeof EVENTS];
  /** Keycode or button. */
  readonly detail: number;
  /** Modifiers and buttons that were down before it. */
  readonly state: number;
  readonly x: number;
  readonly y: number;
}

export class KeyWindow {
  readonly connection: XConnection;
  readonly #id: number;
  #told: Told[] = [];
  #marked: () => void = () => undefined;
  #mapped: () => void = () => undefined;

  private constructor(connection: XConnection, id: number) {
    this.connection = connection;
    this.#id = id;
    connection.onEvent(({ rawData }) => {
      if (rawData.readUInt8(0) === MAPPING_NOTIFY) this.#mapped();
      const what = EVENTS[(rawData.readUInt8(0) & 0x7f) as keyof typeof EVENTS];
      if (what === undefined) return;
      const [x, y] = [rawData.readInt16LE(20), rawData.readInt16LE(22)];
      this.#told.push({ what, detail: rawData.readUInt8(1), state: rawData.readUInt16LE(28), x, y });
      if (what === 'key up' && rawData.readUInt8(1) === MARK.keycode) this.#marked();
    });
  }

  static async open(desktop: Desktop): Promise<KeyWindow> {
    const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
    const { client, screen } = connection;
    const id = client.AllocID();
    const [width, height] = [screen.pixel_width, screen.pixel_height];
    const values = { eventMask: MASK, overrideRedirect: 1 };
    client.CreateWindow(id, screen.root, 0, 0, width, height, 0, 0, INPUT_ONLY, 0, values);
    client.MapWindow(id);
    const window = new KeyWindow(connection, id);
    await window.focus();
    return window;
  }

  async focus(): Promise<void> {
    this.connection.client.SetInputFocus(this.#id, 0);
    await this.settle();
  }

  /** The server has dealt with all that was asked of it before. */
  async settle(): Promise<void> {
    await this.connection.ask(answer => this.connection.client.GetInputFocus(answer));
  }

  /** What it was told since the last call, until all is done that was injected before. */
  async told(typist: Typist): Promise<readonly Told[]> {
    const marked = new Promise<void>(resolve => {
      this.#marked = resolve;
    });
    typist.press(MARK.keysym);
    await marked;
    const told = this.#told;
    this.#told = [];
    return told.filter(({ what, detail }) => !(what.startsWith('key') && detail === MARK.keycode));
  }

  /** It has been told so many times that the keyboard is another one. */
  mapped(times: number): Promise<void> {
    return new Promise(resolve => {
      let left = times;
      this.#mapped = () => {
        left--;
        if (left === 0) resolve();
      };
    });
  }

  /** Keycodes that are down, and buttons, on the server itself. */
  async held(): Promise<{ readonly keys: readonly number[]; readonly buttons: number }> {
    const { client, screen } = this.connection;
    const map = await this.connection.ask<Buffer>(answer => client.QueryKeymap(answer));
    const keys = Array.from({ length: 256 }, (_, keycode) => keycode).filter(
      keycode => (map.readUInt8(keycode >> 3) >> (keycode & 7)) & 1,
    );
    const { keyMask } = await this.connection.ask<{ keyMask: number }>(answer =>
      client.QueryPointer(screen.root, answer),
    );
    return { keys, buttons: keyMask >> 8 };
  }

  /** Holds the keyboard for itself. */
  async grabKeyboard(): Promise<void> {
    const { client } = this.connection;
    await this.connection.ask<number>(answer => client.GrabKeyboard(this.#id, 0, 0, 1, 1, answer));
  }

  close(): void {
    this.connection.close();
  }
}

// The technician's hands on an X11 desktop. What comes is done in its order: a key may have to wait for an answer of the
// server, and what follows waits with it. Letting go doesn't wait for anything.
import type { InputDevice, KeyboardState, PointerPlace, XEvent, XInput, Xkb } from 'x11';
import type { Cancel, Clock } from '../../clock.ts';
import type { DesktopInput, InputListener, InputSink } from '../../customer-core/input-sink.ts';
import { ApplianceError } from '../../errors.ts';
import type { XConnection } from '../x11/connection.ts';
import { CustomerInput } from './customer-input.ts';
import { CustomerPriority } from './customer-priority.ts';
import { Injection } from './injection.ts';
import { Keyboard } from './keyboard.ts';
import { OwnEvents } from './own-events.ts';
import { Pointer } from './pointer.ts';
import { PointerWatch } from './pointer-watch.ts';
import { RAW_EVENTS } from './raw-input.ts';
import { keyId, SkippedKeys } from './skipped-keys.ts';

/** Of a server that doesn't answer; a person makes some hundred in a second. */
const MAX_QUEUED = 1024;
const MAPPING_NOTIFY = { type: 34, ofPointer: 2 } as const;
const XKB_MAP_EVENTS = [0, 1]; // NewKeyboardNotify, MapNotify
const XTEST_NAME = / XTEST (?:pointer|keyboard)$/;

export interface X11InputOptions {
  /** Its own: it is closed with it. */
  readonly connection: XConnection;
  readonly clock: Clock;
  /** Shows the spot the technician points at. */
  readonly point: InputSink['point'];
}

interface Parts {
  readonly xinput: XInput;
  readonly xkb: Xkb;
  readonly own: OwnEvents;
  readonly keyboard: Keyboard;
  readonly pointer: Pointer;
  readonly xtestDevices: readonly number[];
}

export class X11Input implements InputSink {
  /** Seen whoever has the keyboard, so no other program can take it. */
  readonly stopKey = 'Ctrl + Shift + F8';
  readonly #connection: XConnection;
  readonly #keyboard: Keyboard;
  readonly #pointer: Pointer;
  readonly #priority: CustomerPriority;
  readonly #stopListening: Cancel;
  readonly #pointerWatch: PointerWatch;
  readonly #queue: DesktopInput[] = [];
  readonly #skipped = new SkippedKeys();
  readonly point: InputSink['point'];
  #listener: InputListener | null = null;
  #isWorking = false;
  #isClosed = false;

  private constructor({ connection, clock, point }: X11InputOptions, parts: Parts, modifiers: number) {
    this.#connection = connection;
    this.#keyboard = parts.keyboard;
    this.#pointer = parts.pointer;
    this.point = point;
    this.#priority = new CustomerPriority({ clock, changed: state => this.#turn(state) });
    this.#pointerWatch = new PointerWatch(
      clock,
      () => readPointer(connection),
      ({ x, y }) => this.#listener?.pointer(x, y),
    );
    const customer = new CustomerInput(
      {
        ...{ xinput: parts.xinput, xkb: parts.xkb, xtestDevices: parts.xtestDevices, own: parts.own },
        ...{ priority: this.#priority, map: () => parts.keyboard.map, stopKey: () => this.#listener?.stopKey() },
        moved: () => this.#pointerWatch.moved(),
      },
      modifiers,
    );
    this.#stopListening = connection.onEvent(event => {
      this.#watchMaps(event, parts.xkb);
      customer.see(event);
    });
    void connection.closed.then(() => this.#end());
  }

  /** @throws ApplianceError `input.unavailable`, `screen.lost` */
  static async open(options: X11InputOptions): Promise<X11Input> {
    const { connection, clock } = options;
    const [xtest, xinput, xkb] = [
      await connection.extension('xtest'),
      await connection.extension('xinput'),
      await connection.extension('xkb'),
    ];
    if (xtest === null || xkb === null || xinput === null) throw unavailable();
    // Before 2.1 a program's grab hid the customer's input from us, and he would not have right of way.
    const { majorVersion = 0, minorVersion = 0 } = xinput.xi2 ?? {};
    if (majorVersion < 2 || (majorVersion === 2 && minorVersion < 1)) throw unavailable();
    const devices = await connection.ask<readonly InputDevice[]>(answer =>
      xinput.XIQueryDevice(xinput.AllDevices, answer),
    );
    const xtestDevices = devices.filter(({ name }) => XTEST_NAME.test(name));
    const device = xtestDevices.find(({ use }) => use === xinput.DeviceType.SlaveKeyboard)?.deviceId;
    if (device === undefined) throw unavailable();
    const mask = RAW_EVENTS.reduce((all, name) => all | xinput.EventMask[name], 0);
    xinput.XISelectEvents(connection.screen.root, { deviceId: xinput.AllMasterDevices, mask });
    const { MapNotify, NewKeyboardNotify, StateNotify } = xkb.EventType;
    const news = NewKeyboardNotify | StateNotify;
    for (const one of [xkb.UseCoreKbd, device]) xkb.SelectEvents(one, news | MapNotify, 0, news | MapNotify, 0, 0);
    const own = new OwnEvents();
    const injection = new Injection(connection, xtest, own);
    const keyboard = await Keyboard.open({ connection, xkb, injection, clock, device });
    const pointer = new Pointer(injection);
    pointer.mappingChanged(await readPointerMapping(connection));
    const { mods } = await connection.ask<KeyboardState>(answer => xkb.GetState(xkb.UseCoreKbd, answer));
    const numbers = xtestDevices.map(({ deviceId }) => deviceId);
    return new X11Input(options, { xinput, xkb, own, keyboard, pointer, xtestDevices: numbers }, mods);
  }

  listen(listener: InputListener): void {
    this.#listener = listener;
  }

  inject(input: DesktopInput): boolean {
    if (this.#isClosed || this.#queue.length >= MAX_QUEUED) return false;
    if (this.#priority.isCustomers) {
      this.#skip(input);
      return false;
    }
    if (input.type === 'key' && this.#skipped.drops(input)) return false;
    this.#queue.push(input);
    if (!this.#isWorking) void this.#work();
    return true;
  }

  releaseKeys(): void {
    this.#queue.length = 0;
    if (this.#isClosed) return;
    this.#keyboard.releaseAll();
    this.#pointer.releaseAll();
  }

  close(): void {
    if (this.#isClosed) return;
    this.releaseKeys();
    this.#keyboard.restore();
    this.point(null);
    this.#end();
    this.#connection.close();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    try {
      for (let input = this.#queue.shift(); input !== undefined; input = this.#queue.shift()) {
        if (input.type === 'pointer') this.#pointer.inject(input);
        else if (input.down) await this.#keyboard.press(input);
        else this.#keyboard.release(input);
      }
    } catch {
      // The display is gone, which the screen tells, or its keyboard can't be read: no more input, and nothing stays down.
      this.#keyboard.releaseAll();
      this.#end();
      this.#connection.close();
    } finally {
      this.#isWorking = false;
    }
  }

  #turn(state: 'on' | 'customer-input'): void {
    if (state === 'customer-input') {
      for (const id of this.#keyboard.heldKeys) this.#skipped.skip(id, true);
      for (const input of this.#queue) this.#skip(input);
      this.releaseKeys();
    }
    this.#listener?.state(state);
  }

  #skip(input: DesktopInput): void {
    if (input.type === 'pointer') this.#pointer.skip(input);
    else this.#skipped.skip(keyId(input), input.down);
  }

  #watchMaps({ rawData }: XEvent, xkb: Xkb): void {
    const type = rawData.readUInt8(0) & 0x7f;
    if (type === xkb.firstEvent && XKB_MAP_EVENTS.includes(rawData.readUInt8(1))) this.#keyboard.mapChanged();
    if (type !== MAPPING_NOTIFY.type || rawData.readUInt8(4) !== MAPPING_NOTIFY.ofPointer) return;
    readPointerMapping(this.#connection).then(
      mapping => this.#pointer.mappingChanged(mapping),
      () => undefined, // `closed` tells of it
    );
  }

  #end(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#priority.close();
    this.#pointerWatch.close();
    this.#stopListening();
  }
}

async function readPointer(connection: XConnection): Promise<{ x: number; y: number }> {
  const { root } = connection.screen;
  const { rootX, rootY } = await connection.ask<PointerPlace>(answer => connection.client.QueryPointer(root, answer));
  return { x: rootX, y: rootY };
}

function readPointerMapping(connection: XConnection): Promise<readonly number[]> {
  return connection.ask(answer => connection.client.GetPointerMapping(answer));
}

function unavailable(): ApplianceError {
  return new ApplianceError('unavailable', 'input.unavailable', 'this X server lacks XTEST, XKB or XInput 2.1', {
    hint: 'Viewing works; for control the computer needs an X server of 2011 or newer with these extensions on.',
  });
}

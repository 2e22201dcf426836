// What input and clipboard use of the X11 client, beside what the screen does.
declare module 'x11' {
  interface XEvent {
    /** Of the last request that the server had dealt with; counted on beyond the wire's 16 bits. */
    readonly seq: number;
  }

  interface XTest extends Extension {
    /** Detail: keycode or button; of a motion 0, which says that the place is one of the screen. Time 0: at once. */
    FakeInput(type: number, detail: number, time: number, root: number, x: number, y: number): void;
  }

  interface InputDevice {
    readonly deviceId: number;
    readonly use: number;
    readonly attachment: number;
    readonly name: string;
  }

  interface XInput extends Extension {
    readonly xi2: { readonly majorVersion: number; readonly minorVersion: number } | null;
    readonly AllDevices: number;
    readonly AllMasterDevices: number;
    readonly DeviceType: { readonly SlavePointer: number; readonly SlaveKeyboard: number };
    readonly EventMask: Readonly<Record<RawEventName, number>>;
    readonly EventType: Readonly<Record<RawEventName, number>>;
    XIQueryDevice(device: number, answer: Answer<readonly InputDevice[]>): void;
    XISelectEvents(window: number, mask: { readonly deviceId: number; readonly mask: number }): void;
  }

  type RawEventName =
    | 'RawKeyPress'
    | 'RawKeyRelease'
    | 'RawButtonPress'
    | 'RawButtonRelease'
    | 'RawMotion'
    | 'RawTouchBegin'
    | 'RawTouchUpdate'
    | 'RawTouchEnd';

  interface KeyboardState {
    /** All modifiers together; the parts it is made of follow. */
    readonly mods: number;
    readonly baseMods: number;
    readonly latchedMods: number;
    readonly lockedMods: number;
    readonly group: number;
  }

  interface Xkb extends Extension {
    readonly UseCoreKbd: number;
    readonly EventType: {
      readonly NewKeyboardNotify: number;
      readonly MapNotify: number;
      readonly StateNotify: number;
    };
    SelectEvents(device: number, which: number, clear: number, all: number, affectMap: number, map: number): void;
    GetState(device: number, answer: Answer<KeyboardState>): void;
    LatchLockState(
      device: number,
      affectLocks: number,
      locks: number,
      lockGroup: boolean,
      group: number,
      affectLatches: number,
      latches: number,
      latchGroup: boolean,
      groupLatch: number,
    ): void;
  }

  interface Fixes {
    readonly SelectionEventMask: { readonly SetSelectionOwner: number };
    SelectSelectionInput(window: number, selection: number, mask: number): void;
  }

  interface Extensions {
    readonly xtest: XTest;
    readonly xinput: XInput;
    readonly xkb: Xkb;
  }

  /** From the root window's corner. */
  interface PointerPlace {
    readonly rootX: number;
    readonly rootY: number;
  }

  interface Client {
    QueryPointer(window: number, answer: Answer<PointerPlace>): void;
    GetPointerMapping(answer: Answer<readonly number[]>): void;
    ChangeKeyboardMapping(first: number, each: number, keysyms: readonly number[]): void;
    ChangeProperty(
      mode: number,
      window: number,
      property: number,
      type: number,
      format: 8 | 32,
      data: Buffer | readonly number[],
    ): void;
    DeleteProperty(window: number, property: number): void;
    /** Offset and length in units of 4 bytes. */
    GetProperty(
      remove: 0 | 1,
      window: number,
      property: number,
      type: number,
      offset: number,
      length: number,
      answer: Answer<Property & { readonly format: number }>,
    ): void;
    SetSelectionOwner(window: number, selection: number, time: number): void;
    GetSelectionOwner(selection: number, answer: Answer<number>): void;
    ConvertSelection(window: number, selection: number, target: number, property: number, time: number): void;
    SendEvent(window: number, propagate: 0 | 1, mask: number, event: Buffer): void;
  }
}

/** X.Org's keysymdef.h; a description begins with the character, if there is one, in brackets. */
declare module 'x11/lib/keysyms.js' {
  const keySyms: Readonly<Record<string, { readonly code: number; readonly description?: string }>>;
  export = keySyms;
}

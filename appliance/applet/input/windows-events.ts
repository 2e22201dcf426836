// Structures of Windows that say what is pressed (winuser.h, 64 bits): INPUT, which injects, and RAWINPUT, which tells.
//   INPUT     type 4 · pad 4 · mouse: x 4 · y 4 · data 4 · flags 4 · time 4 · pad 4 · extra 8
//                              keyboard: key 2 · scan code 2 · flags 4 · time 4 · pad 4 · extra 8 · pad 8
//   RAWINPUT  type 4 · size 4 · device 8 · wParam 8
//             mouse: flags 2 · pad 2 · button flags 2 · button data 2 · raw buttons 4 · x 4 · y 4 · extra 4
//             keyboard: scan code 2 · flags 2 · reserved 2 · key 2 · message 4 · extra 4
export const INPUT_BYTES = 40;
const TYPE = { mouse: 0, keyboard: 1 } as const;
const KEY = { extended: 1, up: 2, unicode: 4, scanCode: 8 } as const;
const MOVE = 0x8001 | 0x4000; // of the whole desktop, absolute
const WHEEL_STEP = 120;
/** Flags of a press and of a release, with what goes with them; in the order of RFC 6143. A wheel has no release. */
const BUTTONS = [
  ...[
    [0x2, 0x4, 0],
    [0x20, 0x40, 0],
    [0x8, 0x10, 0],
  ],
  ...[
    [0x800, 0, WHEEL_STEP],
    [0x800, 0, -WHEEL_STEP],
    [0x1000, 0, -WHEEL_STEP],
    [0x1000, 0, WHEEL_STEP],
  ],
] as const;
export const BUTTON_COUNT = BUTTONS.length;
/** What we inject carries this, and comes back with it. */
export const OURS = 0x5350_5254;
/** The whole desktop, on the wire. */
const WHOLE = 0x1_0000;

/** @param virtualKey with `EXTENDED` where it is one */
export function keyInput(down: boolean, virtualKey: number, scanCode: number): Buffer {
  const flags = (virtualKey & 0x100 ? KEY.extended : 0) | (down ? 0 : KEY.up);
  return keyboard(virtualKey & 0xff, scanCode, flags);
}

/** @param scanCode of a PC XT, with bit 7 for the keys after 0xe0 */
export function scanCodeInput(down: boolean, scanCode: number): Buffer {
  const flags = KEY.scanCode | (scanCode & 0x80 ? KEY.extended : 0) | (down ? 0 : KEY.up);
  return keyboard(0, scanCode & 0x7f, flags);
}

/** A character as such, whatever the keyboard is. */
export function characterInputs(character: string): Buffer[] {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return [0, KEY.up].flatMap(up => units.map(unit => keyboard(0, unit, KEY.unicode | up)));
}

export function moveInput(x: number, y: number, width: number, height: number): Buffer {
  const share = (at: number, length: number) => Math.ceil((Math.min(at, length - 1) * WHOLE) / length);
  return mouse(share(x, width), share(y, height), 0, MOVE);
}

/** @param swapped for a left-handed mouse. @returns null where there is nothing to say */
export function buttonInput(down: boolean, at: number, swapped: boolean): Buffer | null {
  const button = BUTTONS[swapped && (at === 0 || at === 2) ? 2 - at : at];
  const flags = button?.[down ? 0 : 1] ?? 0;
  return flags === 0 ? null : mouse(0, 0, button?.[2] ?? 0, flags);
}

function keyboard(virtualKey: number, scanCode: number, flags: number): Buffer {
  const input = Buffer.alloc(INPUT_BYTES);
  input.writeUInt32LE(TYPE.keyboard, 0);
  input.writeUInt16LE(virtualKey, 8);
  input.writeUInt16LE(scanCode, 10);
  input.writeUInt32LE(flags, 12);
  input.writeUInt32LE(OURS, 24);
  return input;
}

function mouse(x: number, y: number, data: number, flags: number): Buffer {
  const input = Buffer.alloc(INPUT_BYTES);
  input.writeUInt32LE(TYPE.mouse, 0);
  input.writeInt32LE(x, 8);
  input.writeInt32LE(y, 12);
  input.writeInt32LE(data, 16);
  input.writeUInt32LE(flags, 20);
  input.writeUInt32LE(OURS, 32);
  return input;
}

export type RawWindowsInput =
  | {
      readonly type: 'mouse';
      readonly isOurs: boolean;
      readonly distance: number;
      readonly pressed: readonly string[];
      readonly released: readonly string[];
    }
  | { readonly type: 'key'; readonly isOurs: boolean; readonly virtualKey: number; readonly down: boolean };

const ABSOLUTE = 1;
const KEY_UP = 1;
const RAW_BUTTONS = ['left', 'right', 'middle', 'back', 'forward'];
const WHEELS = 0x400 | 0x800;

/** @returns null for another device, or for less than a whole structure */
export function parseRawWindowsInput(raw: Buffer): RawWindowsInput | null {
  if (raw.length < 40) return null;
  const type = raw.readUInt32LE(0);
  if (type === TYPE.keyboard) {
    const [flags, virtualKey, isOurs] = [raw.readUInt16LE(26), raw.readUInt16LE(30), raw.readUInt32LE(36) === OURS];
    return { type: 'key', isOurs, virtualKey, down: (flags & KEY_UP) === 0 };
  }
  if (type !== TYPE.mouse || raw.length < 48) return null;
  const [flags, buttons, isOurs] = [raw.readUInt16LE(24), raw.readUInt16LE(28), raw.readUInt32LE(44) === OURS];
  const moved = Math.abs(raw.readInt32LE(36)) + Math.abs(raw.readInt32LE(40));
  const distance = (buttons & WHEELS) !== 0 || (flags & ABSOLUTE && moved > 0) ? Number.POSITIVE_INFINITY : moved;
  const named = (shift: number) => RAW_BUTTONS.filter((_, at) => buttons & (1 << (2 * at + shift)));
  return { type: 'mouse', isOurs, distance, pressed: named(0), released: named(1) };
}

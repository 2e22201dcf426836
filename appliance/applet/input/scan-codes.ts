// From the scan codes of a PC XT keyboard, as QEMU's extended key event has them (a code after 0xe0 with bit 7 set), to the
// keycodes of an X server that counts keys as Linux does (linux/input-event-codes.h, plus 8).
const FIRST_KEYCODE = 8;
/** Up to this code Linux took over the numbers of the XT keyboard. */
const LAST_SAME = 0x53;
const LINUX_CODES: Readonly<Record<number, number>> = {
  ...{
    86: 86,
    87: 87,
    88: 88,
    89: 117,
    92: 121,
    112: 93,
    115: 89,
    119: 91,
    120: 90,
    121: 92,
    123: 94,
    125: 124,
    126: 121,
  },
  // F13 to F23
  ...Object.fromEntries(Array.from({ length: 11 }, (_, key) => [0x64 + key, 183 + key])),
  // After 0xe0: keypad, right-hand modifiers, arrows and the block above them, sound, Windows and menu keys.
  ...{ 156: 96, 157: 97, 181: 98, 183: 99, 184: 100, 198: 119, 199: 102, 200: 103, 201: 104, 203: 105, 205: 106 },
  ...{ 207: 107, 208: 108, 209: 109, 210: 110, 211: 111, 219: 125, 220: 126, 221: 127, 160: 113, 174: 114, 176: 115 },
};

/** @returns null for a key that this table doesn't know */
export function keycodeOfScanCode(scanCode: number): number | null {
  const code = scanCode > 0 && scanCode <= LAST_SAME ? scanCode : LINUX_CODES[scanCode];
  return code === undefined ? null : code + FIRST_KEYCODE;
}

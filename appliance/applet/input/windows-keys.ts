// Keys of Windows: what a keysym is there, as a key or as a character (winuser.h, "Virtual-Key Codes").
import keySyms from 'x11/lib/keysyms.js';

/** Virtual keys of keysyms that type nothing; 0x100: the second of two keys, which Windows calls extended. */
export const EXTENDED = 0x100;
const VIRTUAL_KEYS: Readonly<Record<number, number>> = {
  ...{ 65288: 0x08, 65289: 0x09, 65056: 0x09, 65293: 0x0d, 65299: 0x13, 65300: 0x91, 65307: 0x1b, 65377: 0x12c },
  ...{ 65360: 0x124, 65361: 0x125, 65362: 0x126, 65363: 0x127, 65364: 0x128, 65365: 0x121, 65366: 0x122 },
  ...{ 65367: 0x123, 65379: 0x12d, 65535: 0x12e, 65383: 0x15d, 65407: 0x190, 65509: 0x14, 65386: 0x2f },
  // Shift, Control, Alt, Windows; AltGr is the right Alt key.
  ...{ 65505: 0xa0, 65506: 0xa1, 65507: 0xa2, 65508: 0x1a3, 65513: 0xa4, 65514: 0x1a5, 65027: 0x1a5 },
  ...{ 65511: 0xa4, 65512: 0x1a5, 65515: 0x15b, 65516: 0x15c },
  // Keypad: digits as such, and as they are without NumLock.
  ...{ 65421: 0x10d, 65450: 0x6a, 65451: 0x6b, 65452: 0x6c, 65453: 0x6d, 65454: 0x6e, 65455: 0x16f },
  ...Object.fromEntries(Array.from({ length: 10 }, (_, digit) => [0xffb0 + digit, 0x60 + digit])),
  ...{ 65429: 0x24, 65430: 0x25, 65431: 0x26, 65432: 0x27, 65433: 0x28, 65434: 0x21, 65435: 0x22, 65436: 0x23 },
  ...{ 65437: 0x0c, 65438: 0x2d, 65439: 0x2e },
  ...Object.fromEntries(Array.from({ length: 24 }, (_, key) => [0xffbe + key, 0x70 + key])), // F1 to F24
  // Sound, as browsers name them.
  ...{ 269025042: 0x1ad, 269025041: 0x1ae, 269025043: 0x1af, 269025044: 0x1b3 },
};
const UNICODE = 0x0100_0000;

/** @returns undefined for a keysym that types a character, or is unknown */
export function virtualKeyOf(keysym: number): number | undefined {
  return VIRTUAL_KEYS[keysym];
}

/** @returns undefined for a keysym that types nothing */
export function characterOf(keysym: number): string | undefined {
  if ((keysym >= 0x20 && keysym <= 0x7e) || (keysym >= 0xa0 && keysym <= 0xff)) return String.fromCharCode(keysym);
  if (keysym > UNICODE && keysym <= UNICODE + 0x10_ffff) return String.fromCodePoint(keysym - UNICODE);
  return oldCharacters.get(keysym);
}

/** Keysyms from before Unicode: X.Org's own list tells the character of each. */
const oldCharacters: ReadonlyMap<number, string> = new Map(
  Object.values(keySyms).flatMap(({ code, description }) => {
    const [, character] = /^\((.)\)/u.exec(description ?? '') ?? [];
    return character === undefined || code >= UNICODE ? [] : [[code, character] as const];
  }),
);

// The technician's keyboard in a test: what a console sends for a text, key by key.
import type { InputSink } from '../../appliance/customer-core/input-sink.ts';

export const KEYSYM = {
  ...{ shift: 0xffe1, control: 0xffe3, capsLock: 0xffe5, alt: 0xffe9, altGr: 0xfe03, super: 0xffeb, numLock: 0xff7f },
  ...{
    return: 0xff0d,
    tab: 0xff09,
    f8: 0xffc5,
    print: 0xff61,
    left: 0xff51,
    end: 0xff57,
    keypad1: 0xffb1,
    keypadEnd: 0xff9c,
  },
} as const;
/** Characters that have a keysym of their own from before Unicode. */
const OLD_KEYSYMS: Readonly<Record<string, number>> = { '\n': KEYSYM.return, '€': 0x20ac, ж: 0x6d6 };

export function keysymOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  return OLD_KEYSYMS[character] ?? (code < 0x100 ? code : 0x0100_0000 + code);
}

export class Typist {
  readonly #sink: InputSink;

  constructor(sink: InputSink) {
    this.#sink = sink;
  }

  /** @returns whether it was let through */
  key(down: boolean, keysym: number, scanCode = 0): boolean {
    return this.#sink.inject({ type: 'key', down, keysym, scanCode });
  }

  press(keysym: number, scanCode = 0): void {
    this.key(true, keysym, scanCode);
    this.key(false, keysym, scanCode);
  }

  type(text: string): void {
    for (const character of text) this.press(keysymOf(character));
  }

  /** As a shortcut: all but the last are held. */
  together(...keysyms: readonly number[]): void {
    for (const keysym of keysyms) this.key(true, keysym);
    for (const keysym of keysyms.toReversed()) this.key(false, keysym);
  }
}

// Keycodes that no key has, for characters that no key types. A program reads the keyboard's map anew when it is told of a
// change, which stands in its queue before the key that needs it; but one that is behind would read a key of before by the
// map of now. So a keycode is given away again only after a while, the one first that wasn't used for longest.
import type { Key } from './keyboard-map.ts';

/** For programs that are this far behind. */
export const REST_MS = 500;
/** Linux has no key 0; programs take its keycode for "no key". */
const NO_KEY = 8;

interface Spare {
  readonly keycode: number;
  readonly keysym: number;
  usedAt: number;
}

export class SpareKeys {
  readonly #bound = new Map<number, Spare>();

  /** Keycodes that are ours now. */
  get keycodes(): number[] {
    return [...this.#bound.keys()];
  }

  /** Somebody has changed the map: what he took from us isn't ours any more. */
  mapChanged(keys: readonly Key[]): void {
    for (const { keycode, keysym } of [...this.#bound.values()]) {
      const here = keys.find(key => key.keycode === keycode)?.groups[0]?.keysyms[0];
      if (here !== keysym) this.#bound.delete(keycode);
    }
  }

  /** @returns what may be given to another character, and how long it must rest before; null when all are held */
  next(
    keys: readonly Key[],
    held: (keycode: number) => boolean,
    now: number,
  ): { keycode: number; restMs: number } | null {
    const isEmpty = ({ keycode, groups }: Key) =>
      keycode > NO_KEY && !this.#bound.has(keycode) && groups.every(({ keysyms }) => keysyms.every(one => one === 0));
    const empty = keys.find(isEmpty);
    if (empty !== undefined) return { keycode: empty.keycode, restMs: 0 };
    const [oldest] = [...this.#bound.values()]
      .filter(({ keycode }) => !held(keycode))
      .sort((a, b) => a.usedAt - b.usedAt);
    return oldest === undefined
      ? null
      : { keycode: oldest.keycode, restMs: Math.max(0, oldest.usedAt + REST_MS - now) };
  }

  bind(keycode: number, keysym: number, now: number): void {
    this.#bound.set(keycode, { keycode, keysym, usedAt: now });
  }

  used(keycode: number, now: number): void {
    const spare = this.#bound.get(keycode);
    if (spare !== undefined) spare.usedAt = now;
  }
}

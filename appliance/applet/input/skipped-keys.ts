// Keys that were pressed when it was the customer's turn, and are not up again: they don't count when it is over, though the
// console repeats them.
import type { KeyInput } from '../../customer-core/input-sink.ts';

const MAX_SKIPPED = 256;

export class SkippedKeys {
  readonly #ids = new Set<string>();

  /** It was dropped, or let go while the technician still holds it. */
  skip(id: string, down: boolean): void {
    if (!down) this.#ids.delete(id);
    else if (this.#ids.size < MAX_SKIPPED) this.#ids.add(id);
  }

  /** Whether it doesn't count; with its release that is over. */
  drops(input: KeyInput): boolean {
    const id = keyId(input);
    if (!this.#ids.has(id)) return false;
    this.skip(id, input.down);
    return true;
  }
}

/** The same for press and release of one key, though Shift may have changed its keysym in between. */
export function keyId({ keysym, scanCode }: KeyInput): string {
  return scanCode === 0 ? `keysym ${keysym}` : `scan code ${scanCode}`;
}

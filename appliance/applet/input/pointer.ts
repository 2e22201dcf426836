// The technician's mouse: each event says where it is and which buttons are down; what differs from before is pressed or
// released.
import type { PointerInput } from '../../customer-core/input-sink.ts';
import type { Injection } from './injection.ts';

const BUTTONS = 7;

export class Pointer {
  readonly #injection: Injection;
  /** Bits as in RFC 6143: what we hold. */
  #pressed = 0;
  /** Still down at the technician's, but no longer here: it counts only when it is pressed anew. */
  #skipped = 0;
  /** The button to press for a click of this number: of a left-handed customer's mouse the right one is 1. */
  #physical: readonly number[] = [];

  constructor(injection: Injection) {
    this.#injection = injection;
  }

  /** @param mapping of the server: for each button, counted from 1, what a press of it means */
  mappingChanged(mapping: readonly number[]): void {
    this.#physical = Array.from({ length: BUTTONS }, (_, at) => mapping.indexOf(at + 1) + 1);
  }

  inject({ x, y, buttons }: PointerInput): void {
    this.#skipped &= buttons;
    const wanted = buttons & ~this.#skipped;
    this.#injection.motion(x, y);
    for (let at = 0; at < BUTTONS; at++) {
      const bit = 1 << at;
      if ((wanted ^ this.#pressed) & bit) this.#press(at, (wanted & bit) !== 0);
    }
    this.#injection.flush();
  }

  /** It was dropped: what is pressed in it doesn't count later on either. */
  skip({ buttons }: PointerInput): void {
    this.#skipped = buttons;
  }

  releaseAll(): void {
    this.#skipped |= this.#pressed;
    for (let at = 0; at < BUTTONS; at++) if (this.#pressed & (1 << at)) this.#press(at, false);
    this.#injection.flush();
  }

  #press(at: number, down: boolean): void {
    this.#pressed = down ? this.#pressed | (1 << at) : this.#pressed & ~(1 << at);
    // 0: a button that is switched off, or one this mouse hasn't got
    const button = this.#physical[at] ?? at + 1;
    if (button > 0) this.#injection.button(down, button);
  }
}

// What goes to the viewer, in order and no faster than it is taken: a frame piece by piece, and between frames the answers to
// what the viewer asked. Answers wait for the end of a frame; a viewer that asks on and on and reads nothing ends the stream.
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';

export const MAX_ANSWERS = 64;

export class Outbox {
  readonly #send: (bytes: Bytes) => boolean;
  #answers: Bytes[] = [];
  #framing = false;
  #full = false;
  #held = false;
  #closed = false;
  #goOn: (() => void) | null = null;

  /** @param send false: nothing more before `drained` */
  constructor(send: (bytes: Bytes) => boolean) {
    this.#send = send;
  }

  /** Whether a frame may begin. */
  get isFree(): boolean {
    return !this.#framing && !this.#full && !this.#closed;
  }

  /**
   * Sends now, or when the frame under way has ended.
   * @throws ApplianceError `rfb.too-many-answers`
   */
  answer(bytes: Bytes): void {
    if (this.isFree) this.#full = !this.#send(bytes);
    else if (this.#answers.length < MAX_ANSWERS) this.#answers.push(bytes);
    else throw new ApplianceError('limited', 'rfb.too-many-answers', 'a viewer that asks and does not read');
  }

  beginFrame(): void {
    this.#framing = true;
  }

  /** A part of a frame, handed on as one; resolves then. */
  async write(bytes: Bytes): Promise<void> {
    while ((this.#full || this.#held) && !this.#closed) {
      await new Promise<void>(resolve => {
        this.#goOn = resolve;
      });
    }
    if (!this.#closed) this.#full = !this.#send(bytes);
  }

  endFrame(): void {
    this.#framing = false;
    this.#sendAnswers();
  }

  drained(): void {
    this.#full = false;
    if (!this.#framing) this.#sendAnswers();
    this.#wake();
  }

  /** While it is held no part of a frame leaves. */
  hold(held: boolean): void {
    this.#held = held;
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#answers = [];
    this.#wake();
  }

  #sendAnswers(): void {
    while (this.#answers.length > 0 && this.isFree) {
      const [answer] = this.#answers.splice(0, 1);
      if (answer !== undefined) this.#full = !this.#send(answer);
    }
  }

  #wake(): void {
    const goOn = this.#goOn;
    this.#goOn = null;
    goOn?.();
  }
}

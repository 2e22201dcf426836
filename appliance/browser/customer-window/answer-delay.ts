// A question takes no answer in its first moment: a click or a key meant for what was there before must not be one. The buttons
// show it; they are not `disabled`, for then the focus would leave the No, and a screen reader would lose its place.
export const ANSWER_DELAY_MS = 700;

export class AnswerDelay {
  readonly #buttons: readonly HTMLElement[];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(buttons: readonly HTMLElement[]) {
    this.#buttons = buttons;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** A question has just appeared. */
  begin(): void {
    clearTimeout(this.#timer);
    this.#set(false);
    this.#timer = setTimeout(() => this.#set(true), ANSWER_DELAY_MS);
  }

  #set(isOver: boolean): void {
    this.#isOver = isOver;
    for (const button of this.#buttons) button.setAttribute('aria-disabled', String(!isOver));
  }
}

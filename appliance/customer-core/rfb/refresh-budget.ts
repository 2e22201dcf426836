// How much of what was lossy is refreshed in one frame: much where the line takes it at once, little where that would keep
// the next change waiting.
const LEAST_PIXELS = 16 * 1024;
const MOST_PIXELS = 1024 * 1024;
const FIRST_PIXELS = 256 * 1024;
/** A frame that the viewer had dealt with so soon could have been larger; one that took so long was too large. */
const SOON_MS = 60;
const LATE_MS = 200;

export class RefreshBudget {
  #pixels = FIRST_PIXELS;
  /** When a frame with a refresh was sent; null when the last frame had none. */
  #sentAt: number | null = null;

  get pixels(): number {
    return this.#pixels;
  }

  sent(at: number, withRefresh: boolean): void {
    this.#sentAt = withRefresh ? at : null;
  }

  /** The viewer has dealt with the last frame. */
  dealtWith(at: number): void {
    if (this.#sentAt === null) return;
    const took = at - this.#sentAt;
    this.#sentAt = null;
    if (took < SOON_MS) this.#pixels = Math.min(MOST_PIXELS, this.#pixels * 2);
    if (took > LATE_MS) this.#pixels = Math.max(LEAST_PIXELS, this.#pixels / 2);
  }
}

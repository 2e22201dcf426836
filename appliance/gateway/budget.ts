// Counts what is held, overall and by source; what would be too much is not given.

export type Release = () => void;

export class Budget {
  readonly #most: number;
  readonly #mostPerSource: number;
  readonly #bySource = new Map<string, number>();
  #held = 0;

  constructor(most: number, mostPerSource: number) {
    this.#most = most;
    this.#mostPerSource = mostPerSource;
  }

  get held(): number {
    return this.#held;
  }

  /** @returns what gives the place back, once; undefined when there is none */
  take(source: string): Release | undefined {
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#held >= this.#most || ofSource >= this.#mostPerSource) return undefined;
    this.#held += 1;
    this.#bySource.set(source, ofSource + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#giveBack(source);
    };
  }

  #giveBack(source: string): void {
    this.#held -= 1;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left > 0) this.#bySource.set(source, left);
    else this.#bySource.delete(source); // so that the map holds only who is here
  }
}

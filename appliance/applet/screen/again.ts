/** A job that is asked for at any rate: while it runs, all who ask for it again get one more run after it. */
export class Again {
  readonly #job: () => Promise<void>;
  #running: Promise<void> | null = null;
  #wanted = false;

  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  /** @returns when what was there to be done at the time of the call is done. Throws as the job does. */
  run(): Promise<void> {
    this.#wanted = true;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #runAll(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#job();
    }
  }
}

// Order over results that may come later. `Fifo`: results are worked out side by side and used in the order they were
// asked for. `Serial`: items are handled one by one, the next when the one before is done.
import type { Later } from './crypto.ts';

interface Slot<T> {
  value: T | undefined;
  ready: boolean;
}

export class Fifo<T> {
  readonly #use: (value: T) => void;
  readonly #fail: (error: unknown) => void;
  readonly #slots: Slot<T>[] = [];
  #failed = false;

  /** @param fail called once; nothing is used afterwards */
  constructor(use: (value: T) => void, fail: (error: unknown) => void) {
    this.#use = use;
    this.#fail = fail;
  }

  get idle(): boolean {
    return this.#slots.length === 0;
  }

  push(value: Later<T>): void {
    if (this.#failed) return;
    if (!(value instanceof Promise) && this.#slots.length === 0) {
      this.#attempt(value);
      return;
    }
    const slot: Slot<T> = { value: undefined, ready: false };
    this.#slots.push(slot);
    if (value instanceof Promise)
      value.then(
        done => this.#settle(slot, done),
        error => this.#stop(error),
      );
    else this.#settle(slot, value);
  }

  #settle(slot: Slot<T>, value: T): void {
    slot.value = value;
    slot.ready = true;
    while (!this.#failed && this.#slots[0]?.ready === true) {
      const first = this.#slots.shift();
      if (first !== undefined) this.#attempt(first.value as T); // ready, so its value is there
    }
  }

  #attempt(value: T): void {
    try {
      this.#use(value);
    } catch (error) {
      this.#stop(error);
    }
  }

  #stop(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#slots.length = 0;
    this.#fail(error);
  }
}

export class Serial<T> {
  readonly #handle: (item: T) => Later<void>;
  readonly #fail: (error: unknown) => void;
  readonly #waiting: T[] = [];
  #busy = false;
  #failed = false;

  constructor(handle: (item: T) => Later<void>, fail: (error: unknown) => void) {
    this.#handle = handle;
    this.#fail = fail;
  }

  push(item: T): void {
    if (this.#failed) return;
    this.#waiting.push(item);
    if (!this.#busy) this.#run();
  }

  #run(): void {
    this.#busy = true;
    while (!this.#failed) {
      const item = this.#waiting.shift();
      if (item === undefined) break;
      try {
        const done = this.#handle(item);
        if (done instanceof Promise) {
          done.then(
            () => this.#run(),
            error => this.#stop(error),
          );
          return;
        }
      } catch (error) {
        this.#stop(error);
        return;
      }
    }
    this.#busy = false;
  }

  #stop(error: unknown): void {
    this.#failed = true;
    this.#waiting.length = 0;
    this.#fail(error);
  }
}

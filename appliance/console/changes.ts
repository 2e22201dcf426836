// Tells who watches that something changed; all changes of one turn are one.
import type { Cancel } from '../clock.ts';

export class Changes {
  readonly #listeners = new Set<() => void>();
  #pending = false;

  on(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(): void {
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

// Notices that files were written, replaced, put in or taken away. It asks every so often instead of being told: a watch
// of the kernel's stays with a file that a rename has replaced.
import { statSync } from 'node:fs';
import type { Cancel, Clock } from '../clock.ts';

const WATCH_MS = 5000;

export class FileWatch {
  readonly #paths: () => readonly string[];
  readonly #cancel: Cancel;
  #seen: string;

  /** @param paths asked anew at each look; files that don't exist count as such */
  constructor(clock: Clock, paths: () => readonly string[], onChanged: () => void) {
    this.#paths = paths;
    this.#seen = this.#fingerprint();
    this.#cancel = clock.every(WATCH_MS, () => {
      const now = this.#fingerprint();
      if (now === this.#seen) return;
      this.#seen = now; // before the call: a change during it is seen the next time
      onChanged();
    });
  }

  close(): void {
    this.#cancel();
  }

  #fingerprint(): string {
    const lines = this.#paths().map(path => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return `${path} ${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`;
    });
    return lines.join('\n');
  }
}

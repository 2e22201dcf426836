// A recording share that is a small file system of its own: it can be filled, made read-only and taken away as a real one is.
// It is mounted, and that takes root.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TempFolder } from './temp-folder.ts';

const BYTES = 16 * 1024 * 1024;

export class MountedShare implements Disposable {
  readonly #folder = new TempFolder();
  /** The file system itself, which stays whatever becomes of the share. */
  readonly #disk = join(this.#folder.path, 'disk');
  /** Where the recorder finds it. */
  readonly path = join(this.#folder.path, 'share');

  constructor() {
    if (process.getuid?.() !== 0) throw new Error('a share of its own needs root: run the tests as root');
    for (const path of [this.#disk, this.path]) mkdirSync(path);
    mount('-t', 'tmpfs', '-o', `size=${BYTES}`, 'recordings', this.#disk);
    this.putBack();
  }

  /** To the last byte. */
  fill(): void {
    const file = openSync(this.#filler, 'w');
    try {
      for (const piece = Buffer.alloc(4096, 1); ; ) writeSync(file, piece);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler);
  }

  takeAway(): void {
    execFileSync('umount', ['--lazy', this.path]); // while files on it are open, as a cable does that is pulled
  }

  putBack(): void {
    mount('--bind', this.#disk, this.path);
  }

  /** After `takeAway`: it is back, and nobody may write to it. */
  putBackReadOnly(): void {
    mount('--bind', '-o', 'ro', this.#disk, this.path);
  }

  [Symbol.dispose](): void {
    for (const path of [this.path, this.#disk]) execFileSync('umount', ['--lazy', path]);
    this.#folder[Symbol.dispose]();
  }

  get #filler(): string {
    return join(this.#disk, 'something-else');
  }
}

function mount(...args: string[]): void {
  execFileSync('mount', args);
}

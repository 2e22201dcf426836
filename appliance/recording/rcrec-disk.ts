// RCREC files on a disk or a share that may fill up, become read-only or go away under us, and come back.

import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { ApplianceError, describeError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { RcrecSource, Sha256 } from '../protocol/rcrec-file.ts';
import type { RcrecOutput } from './rcrec-writer.ts';

export const sha256: Sha256 = bytes => new Uint8Array(hash('sha256', bytes, 'buffer'));

const NEW = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
const EXISTING = constants.O_WRONLY | constants.O_NOFOLLOW;
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM']);

export class RcrecDiskSource implements RcrecSource {
  readonly bytes: number;
  readonly #file: FileHandle;

  private constructor(file: FileHandle, bytes: number) {
    this.#file = file;
    this.bytes = bytes;
  }

  static async open(path: string): Promise<RcrecDiskSource> {
    const file = await open(path, 'r');
    return new RcrecDiskSource(file, (await file.stat()).size);
  }

  async read(position: number, length: number): Promise<Bytes> {
    const room = new Uint8Array(Math.max(0, Math.min(length, this.bytes - position)));
    let done = 0;
    while (done < room.length) {
      const { bytesRead } = await this.#file.read(room, done, room.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return room.subarray(0, done);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

export class RcrecDiskOutput implements RcrecOutput {
  readonly #path: string;
  #isNew: boolean;
  #file: FileHandle | null = null;

  /** @param isNew whether the file is made with the first byte; else it is one to go on with */
  constructor(path: string, isNew: boolean) {
    this.#path = path;
    this.#isNew = isNew;
  }

  /** @throws ApplianceError `recording.share-…`; the next call opens the file anew */
  async write(position: number, bytes: Bytes): Promise<void> {
    await this.#use(async file => {
      if ((await file.stat()).size < position)
        throw new ApplianceError('unavailable', 'recording.share-gone', 'the recording is shorter than it was');
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    });
  }

  async sync(): Promise<void> {
    await this.#use(async file => {
      await file.datasync();
      // What was deleted or unmounted can still be written to, and nobody would ever see it.
      const [ours, there] = await Promise.all([file.stat(), stat(this.#path)]);
      if (ours.ino !== there.ino || ours.dev !== there.dev)
        throw new ApplianceError('unavailable', 'recording.share-gone', 'another file is where the recording was');
    });
  }

  async truncate(bytes: number): Promise<void> {
    await this.#use(file => file.truncate(bytes));
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  async #use(act: (file: FileHandle) => Promise<void>): Promise<void> {
    await attempt(async () => {
      this.#file ??= await this.#open();
      const file = this.#file;
      try {
        await act(file);
      } catch (error) {
        this.#file = null;
        await file.close().catch(() => undefined); // what failed is told
        throw error;
      }
    });
  }

  async #open(): Promise<FileHandle> {
    const file = await open(this.#path, this.#isNew ? NEW : EXISTING, 0o640);
    this.#isNew = false;
    return file;
  }
}

/** @throws ApplianceError `recording.share-full`, `recording.share-read-only`, `recording.share-gone` */
export async function attempt<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw cause instanceof ApplianceError ? cause : shareError(cause);
  }
}

function shareError(cause: unknown): ApplianceError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const [kind, hint] = FULL.has(code)
    ? [
        'full',
        'Free space on the recording share, or move recordings elsewhere. Nothing that is forced to be recorded goes on.',
      ]
    : READ_ONLY.has(code)
      ? ['read-only', 'The recorder must be able to write to the recording share.']
      : ['gone', 'Is the recording share mounted? Nothing that is forced to be recorded goes on without it.'];
  return new ApplianceError('unavailable', `recording.share-${kind}`, describeError(cause), { hint, cause });
}

// The hashed stream as it came, on this machine's own disk while it is recorded: after a restart the recorder reads it again
// to know what the stream draws next. It is readable by the recorder alone and goes when the recording is finished.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Bytes } from '../../protocol/bytes.ts';

/** Beyond this a restart costs the stream what was not proved; nobody works on one picture that long. */
export const MAX_JOURNAL_BYTES = 2 * 1024 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

export class Journal {
  readonly #path: string;
  readonly #most: number;
  #file: FileHandle | null;
  #bytes: number;

  private constructor(path: string, file: FileHandle, bytes: number, most: number) {
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
    this.#most = most;
  }

  /** Goes on with what is there. */
  static async open(path: string, most = MAX_JOURNAL_BYTES): Promise<Journal> {
    const flags = constants.O_CREAT | constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW;
    const file = await open(path, flags, 0o600);
    return new Journal(path, file, (await file.stat()).size, most);
  }

  /** Of the stream; null when it was given up, for it became too long or could not be written. */
  get bytes(): number | null {
    return this.#file === null ? null : this.#bytes;
  }

  async append(bytes: Bytes): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    try {
      if (this.#bytes + bytes.length > this.#most) throw new RangeError('too long');
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
      this.#bytes += bytes.length;
    } catch {
      await this.remove(); // half a piece is of no use; without a journal only a restart costs something
    }
  }

  /** All of it, a piece at a time. */
  async *read(): AsyncGenerator<Bytes> {
    for (let position = 0; this.#file !== null && position < this.#bytes; ) {
      const room = new Uint8Array(Math.min(READ_BYTES, this.#bytes - position));
      const { bytesRead } = await this.#file.read(room, 0, room.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield room.subarray(0, bytesRead);
    }
  }

  /** SHA-256 of so many bytes from its beginning; null where they are not here. */
  async digest(bytes: number): Promise<Bytes | null> {
    const hash = createHash('sha256');
    let rest = bytes;
    for await (const part of this.read()) {
      hash.update(part.subarray(0, rest));
      rest -= Math.min(rest, part.length);
      if (rest === 0) return new Uint8Array(hash.digest());
    }
    return null;
  }

  /** What lies beyond was never whole. */
  async truncate(bytes: number): Promise<void> {
    await this.#file?.truncate(bytes);
    this.#bytes = bytes;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
  }
}

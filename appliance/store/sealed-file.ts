// Files sealed for a backup with age (age-encryption.org/v1): a standard form that the standard tool opens too.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Decrypter, Encrypter } from 'age-encryption';
import { ApplianceError } from '../errors.ts';

export interface Sealed {
  readonly bytes: number;
  /** Hex, of the sealed file. */
  readonly sha256: string;
}

/** @param recipient `age1…` */
export async function sealFile(source: string, target: string, recipient: string): Promise<Sealed> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const plain = Readable.toWeb(createReadStream(source)) as ReadableStream<Uint8Array>;
  const sealed = await encrypter.encrypt(plain);
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const file = createWriteStream(target, { flags: 'wx', mode: 0o600 });
  await pipeline(Readable.fromWeb(sealed as import('node:stream/web').ReadableStream), meter, file);
  await syncFile(target);
  return { bytes, sha256: hash.digest('hex') };
}

/**
 * @param identity `AGE-SECRET-KEY-1…`
 * @throws ApplianceError `backup.damaged` when it does not open with this key, or was changed
 */
export async function openFile(source: string, target: string, identity: string): Promise<void> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  try {
    const sealed = Readable.toWeb(createReadStream(source)) as ReadableStream<Uint8Array>;
    const plain = await decrypter.decrypt(sealed);
    const file = createWriteStream(target, { flags: 'wx', mode: 0o600 });
    await pipeline(Readable.fromWeb(plain as import('node:stream/web').ReadableStream), file);
  } catch (cause) {
    if (isDiskError(cause)) throw cause;
    throw new ApplianceError('malformed', 'backup.damaged', `${basename(source)} does not open with this backup key`, {
      hint: 'Give the backup key of the appliance that made it (keys/backup.key), or take another backup.',
      cause,
    });
  }
}

/** Hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.sync();
  await file.close();
}

function isDiskError(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown;
}

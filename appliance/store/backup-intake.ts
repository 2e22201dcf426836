// Takes a backup in from one file, as a person brings it: a stranger's bytes until every part of it is what its manifest says, and
// the manifest opens with our own backup key. What is taken lies in a folder of its own beside the backups and is one of them only
// when all of it was opened and compared; whatever goes wrong before, nothing of it is left.
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { mkdir, open, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplianceError } from '../errors.ts';
import { parseTarHeader, TAR_BLOCK, tarPadding } from '../protocol/tar.ts';
import { MANIFEST_FILE, type Manifest, SUMMARY_FILE, sealedName } from './backup-manifest.ts';
import { checkKeysMatch, openManifest } from './restore.ts';
import { openFile } from './sealed-file.ts';

const INTAKE = '.upload-';
/** What stays free for the store meanwhile. */
const RESERVED_BYTES = 256 * 1024 * 1024;
const MAX_PARTS = 2000;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_LOOSE_BYTES = 64 * 1024; // the list's summary, which is made anew
const MAX_END_BYTES = 1024 * 1024; // tar fills its last record with zeros
/** `20261124T080000Z/store--core.db.age`, or without the folder; how GNU tar names things as well. */
const PART = /^(?:\.\/)?(?:(\d{8}T\d{6}Z)\/)?([a-z][A-Za-z0-9._-]{0,79}\.age|backup\.json)$/;
/** Ours count, not what comes along. */
const BESIDE = /^(?:\.\/)?(?:erasure-ledger\.jsonl|session-keys\/\d{8}\.sealed)$/;
const FOLDER = /^(?:\.\/)?(?:\d{8}T\d{6}Z|session-keys)?\/?$/;

export interface IntakeOptions {
  /** `backups` of the data folder. */
  readonly folder: string;
  readonly dataFolder: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string;
}

/** Taken, not yet opened. */
export interface TakenBackup {
  /** Holds the sealed parts, under `backup`. */
  readonly work: string;
  readonly manifest: Manifest;
  readonly bytes: number;
}

/** How many bytes may come in just now. */
export async function roomForBackup(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(folder);
  // Its largest part is opened beside it when it is checked.
  return Math.max(0, Math.floor((bavail * bsize - RESERVED_BYTES) / 2));
}

/** What an intake left behind whose process was killed. None runs just now. */
export async function sweepIntakes(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(INTAKE)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * @param declared how many bytes are said to come; null where nobody says so
 * @throws ApplianceError `backup-file.too-large`, `backup-file.cut`, `backup-file.malformed`, `backup.damaged`, `backup.newer`,
 * `restore.other-keys`; nothing of it is left then
 */
export async function takeBackup(
  { folder, dataFolder, identity }: IntakeOptions,
  stream: AsyncIterable<Uint8Array>,
  declared: number | null,
): Promise<TakenBackup> {
  const room = await roomForBackup(folder);
  if (declared !== null && declared > room) throw tooLarge(room);
  const work = mkdtempSync(join(folder, INTAKE));
  try {
    const target = join(work, 'backup');
    await mkdir(target, { mode: 0o700 });
    const source = new Source(stream, room);
    const digests = await unpack(source, target);
    const manifest = await openManifest(target, work, identity);
    compare(manifest, digests);
    await mkdir(join(work, 'keys'), { mode: 0o700 });
    for (const { path } of manifest.files.filter(file => /^keys\/.*\.key$/.test(file.path))) {
      await openFile(join(target, sealedName(path)), join(work, path), identity);
    }
    await checkKeysMatch(work, dataFolder, manifest);
    for (const name of ['keys', 'manifest.json']) await rm(join(work, name), { recursive: true });
    return { work, manifest, bytes: source.taken };
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

/** @returns the digest of each sealed part, by its name */
async function unpack(source: Source, target: string): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  const names = new Set<string>();
  for (let entries = 0; ; entries++) {
    const header = readHeader(await source.read(TAR_BLOCK));
    if (header === null) break;
    if (entries >= MAX_PARTS) throw malformedFile('it has too many parts');
    const { name, isFolder, bytes } = header;
    const [, , part] = PART.exec(name) ?? [];
    if (isFolder ? !FOLDER.test(name) : part === undefined && !BESIDE.test(name)) {
      throw malformedFile('it holds something that is no part of a backup');
    }
    if (part === MANIFEST_FILE && bytes > MAX_MANIFEST_BYTES) throw malformedFile('its manifest is too long');
    if (part !== undefined && part !== SUMMARY_FILE) {
      if (names.has(part)) throw malformedFile('it holds a part twice');
      digests.set(part, await write(source.pieces(bytes), join(target, part)));
    } else {
      if (part === SUMMARY_FILE && bytes > MAX_LOOSE_BYTES) throw malformedFile('its summary is too long');
      for await (const _ of source.pieces(bytes)); // ours is used
    }
    names.add(part ?? name);
    await source.read(tarPadding(bytes));
  }
  await source.end();
  if (!digests.has(MANIFEST_FILE)) throw malformedFile('it has no manifest');
  return digests;
}

function readHeader(block: Uint8Array): ReturnType<typeof parseTarHeader> {
  try {
    return parseTarHeader(block);
  } catch (cause) {
    throw malformedFile('it is not one file of a backup, as it is downloaded here', cause);
  }
}

function compare(manifest: Manifest, digests: ReadonlyMap<string, string>): void {
  const named = new Set(manifest.files.map(({ path }) => sealedName(path)));
  for (const { path, sha256 } of manifest.files) {
    const found = digests.get(sealedName(path));
    if (found === sha256) continue;
    throw new ApplianceError(
      'malformed',
      'backup.damaged',
      `${path} ${found === undefined ? 'is missing' : 'is not what was backed up'}`,
      { hint: 'Bring another copy of the file, or another backup.' },
    );
  }
  const stray = [...digests.keys()].find(name => name !== MANIFEST_FILE && !named.has(name));
  if (stray !== undefined) throw malformedFile('it holds a part its manifest does not name');
}

/** @returns its SHA-256, hex */
async function write(pieces: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Way in: bytes of a stranger, in order and counted. */
class Source {
  readonly #stream: AsyncIterator<Uint8Array>;
  readonly #room: number;
  #rest: Uint8Array = new Uint8Array(0);
  taken = 0;

  constructor(stream: AsyncIterable<Uint8Array>, room: number) {
    this.#stream = stream[Symbol.asyncIterator]();
    this.#room = room;
  }

  /** Few. @throws ApplianceError `backup-file.cut`, `backup-file.too-large` */
  async read(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const piece of this.pieces(length)) parts.push(piece);
    return Buffer.concat(parts);
  }

  async *pieces(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0 && !(await this.#next())) throw cutShort();
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** Zeros, and no more of them than tar writes. */
  async end(): Promise<void> {
    let zeros = TAR_BLOCK;
    do {
      zeros += this.#rest.length;
      if (zeros > MAX_END_BYTES || this.#rest.some(byte => byte !== 0))
        throw malformedFile('something comes after its end');
    } while (await this.#next());
    if (zeros < 2 * TAR_BLOCK) throw cutShort();
  }

  async #next(): Promise<boolean> {
    const { value, done } = await this.#stream.next();
    if (done === true) return false;
    this.taken += value.length;
    if (this.taken > this.#room) throw tooLarge(this.#room);
    this.#rest = value;
    return true;
  }
}

function tooLarge(room: number): ApplianceError {
  const have = `${Math.floor(room / 2 ** 20)} MiB`;
  return new ApplianceError('unavailable', 'backup-file.too-large', `there is room for a file of ${have}`, {
    hint: 'Make room on the disk the backups are on, or remove older ones.',
  });
}

function cutShort(): ApplianceError {
  return new ApplianceError('malformed', 'backup-file.cut', 'the file ends too early', {
    hint: 'Bring the whole file: compare its length with the one you downloaded.',
  });
}

function malformedFile(what: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', 'backup-file.malformed', `that file is no backup: ${what}`, {
    hint: 'Bring the file as it was downloaded on the page Backups.',
    cause,
  });
}

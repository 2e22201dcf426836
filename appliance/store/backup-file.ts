// A backup as one file (J-05): a tar of its folder as it lies on the disk, every part sealed already, with what a restore needs
// beside it: the erasure ledger, and the newest sealed session keys. Unpacked with tar it is what `bin/restore.ts` takes. In none of it:
// the backup key, which opens it, and the day keys, which open the session keys.
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ApplianceError } from '../errors.ts';
import { TAR_BLOCK, tarHeader, tarPadding } from '../protocol/tar.ts';
import { backupTime, SESSION_KEYS_FOLDER } from './backup-manifest.ts';
import { LEDGER_FILE } from './erasure-ledger.ts';
import { piecesOf } from './file-pieces.ts';

const END = new Uint8Array(2 * TAR_BLOCK);

export interface BackupFile {
  readonly bytes: number;
  stream(): AsyncGenerator<Uint8Array>;
}

interface Part {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** @param folder of one backup: `backups/20261124T080000Z` */
export async function describeBackupFile(folder: string, name: string): Promise<BackupFile> {
  const parts: Part[] = [];
  const add = async (path: string, as: string) => {
    const found: Stats | undefined = await stat(path).catch(() => undefined);
    if (found?.isFile()) parts.push({ name: as, path, bytes: found.size });
  };
  for (const file of (await readdir(folder)).sort()) await add(join(folder, file), `${name}/${file}`);
  const beside = dirname(folder);
  await add(join(beside, LEDGER_FILE), LEDGER_FILE);
  const sealed = await readdir(join(beside, SESSION_KEYS_FOLDER)).catch(() => []);
  const newest = sealed
    .filter(one => /^\d{8}\.sealed$/.test(one))
    .sort()
    .at(-1);
  if (newest !== undefined) await add(join(beside, SESSION_KEYS_FOLDER, newest), `${SESSION_KEYS_FOLDER}/${newest}`);
  const bytes = parts.reduce((sum, part) => sum + TAR_BLOCK + part.bytes + tarPadding(part.bytes), END.length);
  return { bytes, stream: () => streamParts(parts, backupTime(name)) };
}

async function* streamParts(parts: readonly Part[], at: number): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    yield tarHeader(part.name, part.bytes, at);
    yield* piecesOf(part.path, part.bytes, cut);
    yield new Uint8Array(tarPadding(part.bytes));
  }
  yield END;
}

function cut(): ApplianceError {
  return new ApplianceError('unavailable', 'backup.cut', 'a part got shorter while it was read');
}

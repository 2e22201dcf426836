// What is done with a backup's one file, with what came of it in the log.
import type { AuditLog } from '../audit/audit.ts';
import type { Actor, AuditDetail } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { Backups } from '../store/backup.ts';
import type { BackupFile } from '../store/backup-file.ts';
import type { TakenBackup } from '../store/backup-intake.ts';
import { backupName } from '../store/backup-manifest.ts';
import type { Store } from '../store/store.ts';

export interface BackupActsParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly backups: Pick<Backups, 'file' | 'take' | 'adopt'>;
}

/** @throws ApplianceError `backup.missing` */
export async function fetchBackupFile(parts: BackupActsParts, actor: Actor, name: string): Promise<BackupFile> {
  const file = await parts.backups.file(name);
  await tell(parts, actor, 'backup-file.fetched', { name, bytes: file.bytes });
  return file;
}

/** Throws as `Backups.take` */
export async function takeBackupFile(
  parts: BackupActsParts,
  actor: Actor,
  stream: AsyncIterable<Uint8Array>,
  declared: number | null,
): Promise<TakenBackup> {
  try {
    return await parts.backups.take(stream, declared);
  } catch (error) {
    await tell(parts, actor, 'backup-file.refused', { code: codeOf(error) });
    throw error;
  }
}

/** Throws as `Backups.adopt` */
export async function adoptBackup(parts: BackupActsParts, actor: Actor, taken: TakenBackup): Promise<void> {
  try {
    const { name, bytes, files } = await parts.backups.adopt(taken);
    await tell(parts, actor, 'backup-file.taken', { name, bytes, files });
  } catch (error) {
    await tell(parts, actor, 'backup-file.refused', { name: backupName(taken.manifest.at), code: codeOf(error) });
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof ApplianceError ? error.code : 'appliance.defect';
}

function tell({ store, audit }: BackupActsParts, actor: Actor, event: string, detail: AuditDetail): Promise<unknown> {
  return store.core.transaction(tx => audit.append(tx, { event, actor, detail }));
}

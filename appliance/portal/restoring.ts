// A restore that was asked for on the page (J-05). The portal, the store's only writer, writes down what is asked for and ends; at the
// next start, before the store is opened, it is carried out by what the restore command does. Every step can be killed: a store is
// made whole beside the other, then two renames, and what is written down says where to go on. What fails leaves the store as it was.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditLog } from '../audit/audit.ts';
import type { AuditEvent } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { deleteAllLogins } from '../identity/login-store.ts';
import { countMembers } from '../identity/member-store.ts';
import { countEnabled, deleteAllSettingsLogins } from '../identity/settings-account-store.ts';
import { useUpBefore } from '../identity/used-once.ts';
import type { Log } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { replaceFile, syncFolder } from '../pki/key-files.ts';
import { readBackupIdentity } from '../pki/store-keys.ts';
import { SessionFacts } from '../sessions/session-facts.ts';
import { RESTORE_REQUEST } from '../store/backup-manifest.ts';
import { lockStore, type Prepared, prepareRestore, RESTORE_WORK, swapStores, sweepRestores } from '../store/restore.ts';
import { Store } from '../store/store.ts';

const RESULT = 'restore-result.json';
const KEPT = /^store\.(?:incoming|before-restore)-\d{8}T\d{6}Z$/;
const INCOMING = /^store\.incoming-\d{8}T\d{6}Z$/;
const MAX_TRIES = 3;

const name = z.string().max(256).nullable();
const Asked = z.strictObject({
  version: z.literal(1),
  id: z.string().length(22),
  kind: z.enum(['restore', 'undo']),
  /** Name of the backup; null to go back to before the last restore. */
  backup: z.string().nullable(),
  actor: z.strictObject({ kind: z.literal('settings-account'), id: name, name, address: name }),
  /** ms UTC */
  askedAt: z.int(),
  /** Where the log ended that is replaced. */
  head: z.strictObject({ log: z.string(), seq: z.int(), hash: z.string() }),
  /** What has happened since, and is gone with it. */
  lost: z.strictObject({ entries: z.int(), sessions: z.int(), members: z.int() }),
});
const Request = Asked.extend({
  swap: z.strictObject({
    incoming: z.string().regex(/^store\.(incoming|before-restore)-\d{8}T\d{6}Z$/),
    aside: z.string().regex(/^store\.before-restore-\d{8}T\d{6}Z$/),
  }),
  tries: z.int(),
  /** Whether what comes in is whole. */
  isPrepared: z.boolean(),
});
const Result = Asked.extend({
  endedAt: z.int(),
  /** The store that the last restore that went well has replaced, and when; null before the first. */
  aside: z.strictObject({ name: z.string(), at: z.int() }).nullable(),
  fault: z.strictObject({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
  /** Whether the failure is in the log already. */
  isTold: z.boolean(),
});
export type RestoreRequest = z.infer<typeof Request>;
export type RestoreResult = z.infer<typeof Result>;

export interface RestoringParts {
  readonly dataFolder: string;
  readonly migrations: string;
  readonly clock: Clock;
  readonly log: Log;
}

export function newRestoreId(): string {
  return randomBytes(16).toString('base64url');
}

/** Asked for, and not done yet. */
export function isRestorePending(dataFolder: string): boolean {
  return existsSync(join(dataFolder, RESTORE_REQUEST));
}

/** On the disk when it returns: from here on a kill does not undo it. */
export function writeRestoreRequest(dataFolder: string, request: RestoreRequest): void {
  replaceFile(dataFolder, RESTORE_REQUEST, JSON.stringify(request));
}

/** The last one, done or failed; null before the first. */
export function readRestoreResult(dataFolder: string): RestoreResult | null {
  return readAs(Result, join(dataFolder, RESULT));
}

/** Before the store is opened: nobody else has it. */
export async function carryOutRestore(parts: RestoringParts): Promise<void> {
  const { dataFolder } = parts;
  if (hasRestore(dataFolder)) await finishRestore(parts);
  requireStore(dataFolder);
}

/** @throws ApplianceError `restore.no-store`: a new, empty one in its place would be served as if nothing were amiss */
function requireStore(dataFolder: string): void {
  const kept = readdirSync(dataFolder).filter(one => KEPT.test(one));
  if (existsSync(join(dataFolder, 'store')) || kept.length === 0) return;
  throw new ApplianceError(
    'unavailable',
    'restore.no-store',
    `there is no store, and ${kept.join(', ')} beside its place`,
    {
      hint: `A restore was interrupted and what it was about can’t be read. Rename ${kept.toSorted().at(-1)} to "store", or restore a backup.`,
    },
  );
}

async function finishRestore(parts: RestoringParts): Promise<void> {
  const { dataFolder } = parts;
  const lock = await lockStore(dataFolder);
  try {
    const request = readAs(Request, join(dataFolder, RESTORE_REQUEST));
    if (request === null) finishCommand(dataFolder);
    await sweepRestores(dataFolder);
    if (request !== null) await carryOut(parts, request);
    rmSync(join(dataFolder, RESTORE_REQUEST), { force: true });
    syncFolder(dataFolder);
  } finally {
    await lock.close();
  }
}

async function carryOut(parts: RestoringParts, request: RestoreRequest): Promise<void> {
  const { dataFolder, clock, log } = parts;
  if (readRestoreResult(dataFolder)?.id === request.id) return; // killed just behind it
  const fault = await tryRestore(parts, request);
  if (fault === null) log.info('restore.done', { request: request.id, backup: request.backup ?? '' });
  else log.error('restore.failed', { request: request.id, code: fault.code, why: fault.message });
  const { swap, tries: _, isPrepared: __, ...asked } = request;
  const endedAt = clock.now();
  const aside = fault === null ? { name: swap.aside, at: endedAt } : (readRestoreResult(dataFolder)?.aside ?? null);
  writeResult(dataFolder, { ...asked, endedAt, aside, fault, isTold: fault === null });
  if (fault !== null && request.kind === 'restore') {
    await rm(join(dataFolder, swap.incoming), { recursive: true, force: true });
  }
}

/** A restore that failed is told in the log of the store that stayed. */
export async function tellFailedRestore(dataFolder: string, store: Store, audit: AuditLog): Promise<void> {
  const result = readRestoreResult(dataFolder);
  if (result === null || result.isTold) return;
  const detail = { request: result.id, backup: result.backup, code: result.fault?.code ?? '' };
  await store.core.transaction(tx => audit.append(tx, { event: 'restore.failed', actor: result.actor, detail }));
  writeResult(dataFolder, { ...result, isTold: true });
}

/**
 * In a store that is not used yet: every login ends, and a new log begins where its own one ends and says why.
 * @param request which restore it is of; of one that was marked before it is killed, it is not marked again
 * @throws ApplianceError `restore.nobody`, `store.newer`, `store.damaged`
 */
export async function markStore(
  { dataFolder, migrations, clock, log }: RestoringParts,
  folder: string,
  event: AuditEvent,
  request: RestoreRequest | null,
): Promise<void> {
  const keys = {
    store: readFileSync(join(dataFolder, 'keys', 'store.key')),
    keyEncryption: readFileSync(join(dataFolder, 'keys', 'key-encryption.key')),
  };
  const backups = join(dataFolder, 'backups');
  const store = await Store.open({ folder, backups, keys, migrations, metrics: new Metrics(), clock, log });
  try {
    const config = readConfig(dataFolder).audit;
    const signer = { signLogHead: signLater };
    const audit = new AuditLog({ sessions: new SessionFacts(store), store, signer, config, clock, log });
    const [last] = await audit.search({ limit: 1 });
    if (request !== null && last?.entry.detail.request === request.id) return;
    if (request !== null) await requireWayIn(store);
    const logins = await store.core.transaction(async tx => {
      await useUpBefore(tx, store.settings, clock.now());
      return (await deleteAllLogins(tx)) + (await deleteAllSettingsLogins(tx));
    });
    await audit.beginIncarnation({ ...event, detail: { ...event.detail, logins } });
    await audit.move();
  } finally {
    await store.close();
  }
}

/** @returns why it failed; null when it is done */
async function tryRestore(parts: RestoringParts, request: RestoreRequest): Promise<RestoreResult['fault']> {
  const { dataFolder } = parts;
  try {
    if (!request.isPrepared) {
      if (request.tries >= MAX_TRIES) {
        const what = `it was begun ${MAX_TRIES} times, and the portal ended each time`;
        throw new ApplianceError('unavailable', 'restore.given-up', what, { hint: 'Read log/portal.log.' });
      }
      const begun = { ...request, tries: request.tries + 1 };
      writeRestoreRequest(dataFolder, begun);
      await prepare(parts, begun);
      writeRestoreRequest(dataFolder, { ...begun, isPrepared: true });
    }
    swapStores(dataFolder, request.swap);
    return null;
  } catch (error) {
    const known = error instanceof ApplianceError;
    return {
      code: known ? error.code : 'appliance.defect',
      message: describeError(error),
      hint: known ? error.hint : '',
    };
  }
}

async function prepare(parts: RestoringParts, request: RestoreRequest): Promise<void> {
  const { dataFolder, clock } = parts;
  const { swap, backup, head } = request;
  const incoming = join(dataFolder, swap.incoming);
  const shared = { request: request.id, replaced: swap.aside, log: head.log, seq: head.seq, hash: head.hash };
  if (backup === null) {
    if (!existsSync(incoming)) throw notKept();
    const event = { event: 'store.restore-undone', actor: request.actor, detail: shared };
    return markStore(parts, incoming, event, request);
  }
  await rm(incoming, { recursive: true, force: true }); // of a try that was killed
  const mark = (store: string, { at, sessionKeysOf, erased }: Prepared) => {
    const detail = { ...shared, backup, backupAt: at, sessionKeysOf, erased };
    return markStore(parts, store, { event: 'store.restored', actor: request.actor, detail }, request);
  };
  const options = { backup: join(dataFolder, 'backups', backup), dataFolder, now: clock.now(), prepare: mark };
  await prepareRestore({ ...options, storeOnly: true, identity: readBackupIdentity(dataFolder) }, swap.incoming);
}

function hasRestore(dataFolder: string): boolean {
  return readdirSync(dataFolder).some(
    one => one === RESTORE_REQUEST || INCOMING.test(one) || one.startsWith(RESTORE_WORK),
  );
}

/** The command was killed between its two renames: a store without a name is better than none. */
function finishCommand(dataFolder: string): void {
  const found = readdirSync(dataFolder)
    .filter(one => INCOMING.test(one))
    .sort();
  const newest = found.at(-1);
  if (newest === undefined) return;
  const store = join(dataFolder, 'store');
  if (!existsSync(store)) renameSync(join(dataFolder, newest), store);
  for (const one of found) rmSync(join(dataFolder, one), { recursive: true, force: true });
}

/** Of a backup from before first setup nobody would have an account, and there is no code any more. */
async function requireWayIn({ core }: Store): Promise<void> {
  if ((await countMembers(core.read)) > 0 && (await countEnabled(core.read)) > 0) return;
  throw new ApplianceError(
    'conflict',
    'restore.nobody',
    'nobody could sign in afterwards: it is from before first setup',
    {
      hint: 'Take a later backup.',
    },
  );
}

export function notKept(): ApplianceError {
  return new ApplianceError(
    'missing',
    'restore.not-kept',
    'the store from before the last restore is not kept any more',
  );
}

function writeResult(dataFolder: string, result: RestoreResult): void {
  replaceFile(dataFolder, RESULT, JSON.stringify(result));
}

/** Ours, and written whole: anything else is none. */
function readAs<T>(schema: z.ZodType<T>, path: string): T | null {
  if (!existsSync(path)) return null;
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null; // of another release: there is no restore to go on with
  }
}

function signLater(): Promise<never> {
  return Promise.reject(new ApplianceError('unavailable', 'signer.stopped', 'the signer signs at the next start'));
}

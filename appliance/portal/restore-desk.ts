// A restore as the page sees it: what it would take away, and asking for it. Whoever asks ends the portal; `restoring.ts` goes on.
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit.ts';
import { countEntries, findChainEnd } from '../audit/audit-store.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError, defect } from '../errors.ts';
import { countLogins } from '../identity/login-store.ts';
import { countSettingsLogins } from '../identity/settings-account-store.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Backups } from '../store/backup.ts';
import { swapOf } from '../store/restore.ts';
import { requireSeen, seenOf } from '../store/seen.ts';
import type { Store } from '../store/store.ts';
import {
  isRestorePending,
  newRestoreId,
  notKept,
  type RestoreResult,
  readRestoreResult,
  writeRestoreRequest,
} from './restoring.ts';

/** Counted to here only: more is more. */
export const MOST_COUNTED = 100_000;
/** What becomes of an account, whoever does it. */
const MEMBER_EVENTS = ['member.', 'saml.member-', 'saml.roles-changed', 'directory.member-', 'directory.roles-changed'];
const END_REASON = 'the appliance is restored';

export interface RestoreDeskParts {
  readonly dataFolder: string;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly backups: Pick<Backups, 'get'>;
  readonly sessions: Pick<Sessions, 'count' | 'end' | 'listOpenAll'>;
  readonly clock: Clock;
  /** Ends this process, which is started again. */
  readonly restart: () => void;
}

export interface RestoreLook {
  /** The backup; null to go back to before the last restore. */
  readonly name: string | null;
  /** What happened after this is lost, ms UTC. */
  readonly since: number;
  readonly lost: { readonly entries: number; readonly sessions: number; readonly members: number };
  readonly live: number;
  readonly signedIn: number;
  /** The last restore, as it is told to whoever asks for the next. */
  readonly seen: string;
  readonly last: RestoreResult | null;
}

export class RestoreDesk {
  readonly #parts: RestoreDeskParts;

  constructor(parts: RestoreDeskParts) {
    this.#parts = parts;
  }

  last(): RestoreResult | null {
    return readRestoreResult(this.#parts.dataFolder);
  }

  /** Whether the store from before the last restore is there still. */
  canGoBack(): boolean {
    const name = this.last()?.aside?.name;
    return name !== undefined && existsSync(join(this.#parts.dataFolder, name));
  }

  /** @param name null for before the last restore @throws ApplianceError `backup.missing`, `restore.not-kept` */
  async look(name: string | null): Promise<RestoreLook> {
    const { backups, sessions, store } = this.#parts;
    const last = this.last();
    if (name === null && !this.canGoBack()) throw notKept();
    const since = name === null ? (last?.aside?.at ?? 0) : (await backups.get(name)).at;
    const [entries, made] = [await this.#countSince(since), await this.#countSince(since, 'session.created')];
    let members = 0;
    for (const event of MEMBER_EVENTS) members += await this.#countSince(since, event);
    const live = [...(await sessions.count()).values()].reduce((sum, one) => sum + one, 0);
    const signedIn = (await countLogins(store.core.read)) + (await countSettingsLogins(store.core.read));
    return {
      name,
      since,
      lost: { entries, sessions: made, members },
      live,
      signedIn,
      seen: seenOf(last?.id ?? null),
      last,
    };
  }

  /**
   * Every session ends; what is asked for is on the disk when this returns, and `restart` may be called.
   * @throws ApplianceError as `look`, or `restore.pending`, `changed-meanwhile`, `restore.no-space`
   */
  async ask(actor: Actor, name: string | null, seen: string): Promise<void> {
    const { dataFolder, store, audit, sessions, clock } = this.#parts;
    if (isRestorePending(dataFolder)) throw pending();
    const { last, lost } = await this.look(name);
    requireSeen(last?.id ?? null, seen);
    if (name !== null) await this.#requireSpace(name);
    for (const { id } of await sessions.listOpenAll()) {
      await sessions.end(id, applianceActor, END_REASON).catch(ignoreOver);
    }
    const [id, askedAt] = [newRestoreId(), clock.now()];
    const kind = name === null ? 'undo' : 'restore';
    const detail = { request: id, kind, backup: name, ...lost };
    await store.core.transaction(tx => audit.append(tx, { event: 'restore.asked', actor, detail }));
    await audit.signHead().catch(() => undefined); // a log that can't be signed any more may be why it is asked for
    const head = await findChainEnd(store.core.read);
    if (head === undefined || actor.kind !== 'settings-account') throw defect('nobody else asks, of no other log');
    if (isRestorePending(dataFolder)) throw pending();
    const swap = swapOf(askedAt);
    const incoming = name === null ? (last?.aside?.name ?? '') : swap.incoming;
    writeRestoreRequest(dataFolder, {
      ...{ version: 1, id, kind, backup: name, askedAt, head, lost, tries: 0, isPrepared: false },
      actor: { kind: actor.kind, id: actor.id, name: actor.name, address: actor.address },
      swap: { ...swap, incoming },
    });
  }

  restart(): void {
    this.#parts.restart();
  }

  async #countSince(from: number, event?: string): Promise<number> {
    const { store } = this.#parts;
    const query = { from, limit: MOST_COUNTED, ...(event !== undefined && { event }) };
    let found = await countEntries(store.core.read, 'audit_pending', query, MOST_COUNTED);
    const first = new Date(from).toISOString().slice(0, 7).replace('-', '');
    for (const month of store.months().filter(one => one >= first)) {
      if (found >= MOST_COUNTED) return MOST_COUNTED;
      found += await countEntries((await store.month(month)).read, 'audit_entry', query, MOST_COUNTED - found);
    }
    return found;
  }

  /** It is made whole beside the one there is. */
  async #requireSpace(name: string): Promise<void> {
    const { dataFolder, backups } = this.#parts;
    const { bytes } = await backups.get(name);
    const { bavail, bsize } = await statfs(dataFolder);
    if (bavail * bsize >= 2 * bytes) return;
    throw new ApplianceError(
      'unavailable',
      'restore.no-space',
      'the restored store would not fit beside the present one',
      {
        hint: 'Make room in the data folder.',
      },
    );
  }
}

function pending(): ApplianceError {
  return new ApplianceError(
    'conflict',
    'restore.pending',
    'a restore was asked for already; the appliance is about to do it',
  );
}

/** It ended by itself just now. */
function ignoreOver(error: unknown): void {
  if (!(error instanceof ApplianceError && error.code === 'session.state')) throw error;
}

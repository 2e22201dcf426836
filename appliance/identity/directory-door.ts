// Signing in by the directory (C-05), beside the local password and after the same rules (C-07): limiter, lock, one answer to
// all who may not, and the same work for those who are in the directory and those who aren't.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { DirectoryConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { Directory, DirectoryPerson, DirectoryStep } from './directory.ts';
import { type DirectoryMembers, directoryActor } from './directory-members.ts';
import type { DirectoryPlan } from './directory-plan.ts';
import { isLocked } from './lock-out.ts';
import type { Act } from './login-book.ts';
import { foldLoginId } from './member.ts';
import type { KnownMember } from './member-store.ts';

export interface DirectoryAnswer {
  /** Who it is, when the password was right. */
  readonly person: DirectoryPerson | null;
  /** Why there was no answer. */
  readonly fault: { readonly code: string; readonly why: string } | null;
}

const PROBE_MS = 60_000;
const HOUR_MS = 3_600_000;
const LAST_SYNC = 'identity.directory-sync';
const LastSync = z.strictObject({ at: z.int(), fault: z.string() });
export type LastSync = z.infer<typeof LastSync>;

export interface DirectoryFault {
  readonly code: string;
  readonly why: string;
  readonly since: number;
}

export const notAsked: DirectoryAnswer = { person: null, fault: null };

export interface DirectoryDoorOptions {
  readonly config: DirectoryConfig;
  readonly directory: Directory;
  readonly members: DirectoryMembers;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

export class DirectoryDoor {
  readonly config: DirectoryConfig;
  readonly #parts: DirectoryDoorOptions;
  #fault: DirectoryFault | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #isProbing = false;
  #isSyncing = false;

  constructor(parts: DirectoryDoorOptions) {
    this.config = parts.config;
    this.#parts = parts;
  }

  /** What it last failed with, and since when it has (ms UTC); null while it answers, and until it was asked. */
  get fault(): DirectoryFault | null {
    return this.#fault;
  }

  /** Asks for nobody, once a minute at most, so that a directory that is away is known before somebody can't sign in. */
  async probe(): Promise<void> {
    const { directory, clock } = this.#parts;
    if (this.#isProbing || clock.monotonic() - this.#probedAt < PROBE_MS) return;
    this.#isProbing = true;
    this.#probedAt = clock.monotonic();
    try {
      await directory.decoy();
      this.#fault = null;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isProbing = false;
    }
  }

  /** What the last timed sync did or failed with; null before the first. */
  lastSync(): Promise<LastSync | null> {
    return this.#parts.store.settings.get(LAST_SYNC, LastSync).then(last => last ?? null);
  }

  /** The timed sync, where one is set and due. Never throws: what failed stands in the log, and is tried again when it is due again. */
  async syncWhenDue(): Promise<void> {
    const { clock, directory, members, store, audit } = this.#parts;
    const { syncHours } = this.config;
    if (syncHours === 0 || this.#isSyncing) return;
    this.#isSyncing = true;
    try {
      const last = await this.lastSync();
      if (last !== null && clock.now() - last.at < syncHours * HOUR_MS) return;
      const { counts, fault } = await directory
        .list()
        .then(people => members.keep(people))
        .then(
          plan => ({ counts: plan.counts, fault: '' }),
          (error: unknown) => ({ counts: null, fault: describeError(error).slice(0, 1000) }),
        );
      await store.core.transaction(async tx => {
        await this.#synced(tx, fault);
        if (counts !== null) return; // members.keep has told what it did
        await audit.append(tx, { event: 'directory.sync-failed', actor: directoryActor, detail: { why: fault } });
      });
    } finally {
      this.#isSyncing = false;
    }
  }

  #synced(tx: Transaction, fault: string): Promise<void> {
    const { store, clock } = this.#parts;
    return store.settings.set(tx, LAST_SYNC, { at: clock.now(), fault });
  }

  #failed(error: unknown): NonNullable<DirectoryAnswer['fault']> {
    const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
    const why = describeError(error).slice(0, 1000);
    this.#fault = { code, why, since: this.#fault?.since ?? this.#parts.clock.now() };
    return { code, why };
  }

  /** Technician groups the mapping names and nobody finds here. */
  unknownGroups(): Promise<string[]> {
    return this.#parts.members.unknownGroups();
  }

  /** Never throws. A local account is never asked for, nor a locked one: for these the directory is asked for nobody. */
  async ask(loginId: string, password: string, known: KnownMember | undefined): Promise<DirectoryAnswer> {
    const { directory, clock } = this.#parts;
    try {
      const isTheirs = known === undefined || (known.member.inDirectory && !isLocked(known.member, clock.now()));
      if (isTheirs && password !== '' && isAskable(loginId)) {
        const person = await directory.authenticate(loginId, password);
        this.#fault = null;
        return { person, fault: null };
      }
      await directory.decoy();
      this.#fault = null;
      return notAsked;
    } catch (error) {
      return { person: null, fault: this.#failed(error) };
    }
  }

  /** The account of whoever signs in, brought to what the directory says; undefined when he gets none. */
  admit(act: Act, person: DirectoryPerson): Promise<KnownMember | undefined> {
    return this.#parts.members.settle(act, directoryActor, person, this.config.createMembers);
  }

  place(memberId: string, person: DirectoryPerson): Promise<void> {
    return this.#parts.members.place(directoryActor, memberId, person);
  }

  /** What an admin needs to know of a login that failed by the directory's fault. */
  async note(tx: Transaction, { code, why }: NonNullable<DirectoryAnswer['fault']>, source: string): Promise<void> {
    const actor: Actor = { kind: 'anyone', id: null, name: null, address: source };
    await this.#parts.audit.append(tx, { event: 'directory.failed', actor, detail: { code, why } });
  }

  async test(actor: Actor): Promise<readonly DirectoryStep[]> {
    await this.#requireMaster(actor);
    const steps = await this.#parts.directory.test();
    const failed = steps
      .filter(({ state }) => state === 'failed')
      .map(({ server, name, text }) => `${server} ${name}: ${text}`);
    const detail = { failed: failed.length, why: failed.join('; ').slice(0, 1000) };
    await this.#parts.store.core.transaction(tx =>
      this.#parts.audit.append(tx, { event: 'directory.tested', actor, detail }),
    );
    return steps;
  }

  async preview(actor: Actor): Promise<DirectoryPlan> {
    await this.#requireMaster(actor);
    return this.#parts.members.plan(await this.#parts.directory.list());
  }

  /** @param digest of the plan that was seen */
  async apply(actor: Actor, digest: string): Promise<DirectoryPlan> {
    await this.#requireMaster(actor);
    const plan = await this.#parts.members.apply(actor, await this.#parts.directory.list(), digest);
    if (this.config.syncHours > 0) await this.#parts.store.core.transaction(tx => this.#synced(tx, ''));
    return plan;
  }

  close(): Promise<void> {
    return this.#parts.directory.close();
  }

  #requireMaster(actor: Actor): Promise<void> {
    return this.#parts.store.core.transaction(tx => requireMasterAdmin(tx, actor));
  }
}

/** What can't be a login id here is not sent to the directory. */
function isAskable(loginId: string): boolean {
  return loginId.length > 0 && loginId.length <= 128 && !/\p{C}/u.test(loginId) && foldLoginId(loginId) === loginId;
}

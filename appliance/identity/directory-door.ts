// Signing in by the directory (C-05), beside the local password and after the same rules (C-07): limiter, lock, one answer to
// all who may not, and the same work for those who are in the directory and those who aren't.
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

  constructor(parts: DirectoryDoorOptions) {
    this.config = parts.config;
    this.#parts = parts;
  }

  /** Never throws. A local account is never asked for, nor a locked one: for these the directory is asked for nobody. */
  async ask(loginId: string, password: string, known: KnownMember | undefined): Promise<DirectoryAnswer> {
    const { directory, clock } = this.#parts;
    try {
      const isTheirs = known === undefined || (known.member.inDirectory && !isLocked(known.member, clock.now()));
      if (isTheirs && password !== '' && isAskable(loginId)) {
        return { person: await directory.authenticate(loginId, password), fault: null };
      }
      await directory.decoy();
      return notAsked;
    } catch (error) {
      const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
      return { person: null, fault: { code, why: describeError(error).slice(0, 1000) } };
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
    return this.#parts.members.apply(actor, await this.#parts.directory.list(), digest);
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

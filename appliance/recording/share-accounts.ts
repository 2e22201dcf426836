// Who has an account on the recording share (H-04): an auditor who asked for one, as long as he is one. The helper keeps the
// accounts, this keeps who they belong to; what the two don't agree on is taken away.
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import {
  deleteShareAccount,
  findShareAccount,
  listShareAccounts,
  putShareAccount,
  type ShareAccount,
} from './share-account-store.ts';
import type { ShareHelperClient } from './share-helper-client.ts';
import { shareNameFor } from './share-name.ts';

const LOOK_EVERY_MS = 5000;

export interface ShareAccountsParts {
  readonly store: Pick<Store, 'core'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Null where nothing runs as root: then there is no share. */
  readonly helper: Pick<ShareHelperClient, 'provision' | 'remove' | 'list'> | null;
  /** An enabled auditor. */
  readonly isAuditor: (memberId: string) => Promise<boolean>;
  /** What was done with an account is told while it is known whose it is. */
  readonly beforeTaken: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class ShareAccounts {
  readonly #parts: ShareAccountsParts;
  #working: Promise<unknown> = Promise.resolve();
  #cancel: Cancel | null = null;
  #isSwept = false;
  /** How it last went, so that a helper that is away is told once. */
  #state = '';
  #isAsked = false;

  constructor(parts: ShareAccountsParts) {
    this.#parts = parts;
  }

  get isThere(): boolean {
    return this.#parts.helper !== null;
  }

  /** Why the helper did not do its work when it was last asked; empty when it did, null before it was asked. */
  get fault(): string | null {
    return this.#isAsked ? this.#state : null;
  }

  /** From now on whoever is no auditor any more loses his account within seconds. */
  start(): void {
    if (this.#parts.helper !== null) this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.tidy());
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#working;
  }

  find(memberId: string): Promise<ShareAccount | undefined> {
    return findShareAccount(this.#parts.store.core.read, memberId);
  }

  /**
   * Makes an auditor's own account, or gives it another password.
   * @param password to be shown once
   * @throws ApplianceError `share.no-share`, `share.helper-away`, `share.…`, `share.no-auditor`
   */
  provision(actor: Actor, member: { id: string; loginId: string }, password: string): Promise<ShareAccount> {
    return this.#inTurn(async () => {
      const { helper, store, audit, clock, isAuditor } = this.#parts;
      if (helper === null)
        throw new ApplianceError('missing', 'share.no-share', 'this appliance has no recording share');
      if (!(await isAuditor(member.id)))
        throw new ApplianceError('refused', 'share.no-auditor', 'the share is for auditors');
      const known = await this.find(member.id);
      const name = known?.name ?? shareNameFor(member.id, member.loginId);
      await helper.provision(name, password); // first: an account that nobody is noted for is taken away again
      const account = { memberId: member.id, name, madeAt: clock.now() };
      await store.core.transaction(async tx => {
        await putShareAccount(tx, account);
        const event = known === undefined ? 'share.account-made' : 'share.password-changed';
        await audit.append(tx, { event, actor, subject: member.id, detail: { name } });
      });
      return account;
    });
  }

  /** At his own wish. @throws as `provision` */
  remove(actor: Actor, memberId: string): Promise<void> {
    return this.#inTurn(async () => {
      const account = await this.find(memberId);
      if (account !== undefined) await this.#take(actor, account, 'given up');
    });
  }

  /** Takes away what belongs to nobody who may have it. */
  tidy(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#tidy();
        this.#state = '';
      } catch (error) {
        const state = describeError(error);
        if (state !== this.#state) this.#parts.log.error('share.tidy-failed', { why: state });
        this.#state = state; // tried again
      }
      this.#isAsked = true;
    });
  }

  async #tidy(): Promise<void> {
    const { helper, store, isAuditor, log } = this.#parts;
    if (helper === null) return;
    const accounts = await listShareAccounts(store.core.read);
    for (const account of accounts)
      if (!(await isAuditor(account.memberId))) await this.#take(applianceActor, account, 'no auditor any more');
    if (this.#isSwept) return;
    // Left by a kill between the two, or by a store that was restored.
    const names = new Set((await listShareAccounts(store.core.read)).map(({ name }) => name));
    for (const name of await helper.list()) {
      if (names.has(name)) continue;
      await helper.remove(name);
      log.warn('share.orphan-removed', { name });
    }
    this.#isSwept = true;
  }

  async #take(actor: Actor, { memberId, name }: ShareAccount, reason: string): Promise<void> {
    const { helper, store, audit, beforeTaken } = this.#parts;
    await helper?.remove(name);
    await beforeTaken();
    await store.core.transaction(async tx => {
      await deleteShareAccount(tx, memberId);
      await audit.append(tx, { event: 'share.account-removed', actor, subject: memberId, detail: { name, reason } });
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#working.then(act);
    this.#working = done.catch(() => undefined); // whoever asked is told
    return done;
  }
}

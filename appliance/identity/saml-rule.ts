// Whether single sign-on is the only way in (C-04). One master admin's password goes on working, for the day the identity
// provider does not.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import { requireSeen } from '../store/seen.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { LoginBook } from './login-book.ts';
import type { Member } from './member.ts';
import { findMember } from './member-store.ts';
import { listIdps, listOtherLogins } from './saml-store.ts';

const RULE_SETTING = 'identity.single-sign-on';
const SsoRule = z.strictObject({ isForced: z.boolean(), breakGlassId: z.string().nullable() });
type SsoRule = z.infer<typeof SsoRule>;
const NOT_FORCED: SsoRule = { isForced: false, breakGlassId: null };

export class SsoRules {
  readonly #store: Store;
  readonly #audit: AuditLog;
  readonly #book: LoginBook;

  constructor({ store, audit, book }: { readonly store: Store; readonly audit: AuditLog; readonly book: LoginBook }) {
    this.#store = store;
    this.#audit = audit;
    this.#book = book;
  }

  async get(from: Reader = this.#store.core.read): Promise<SsoRule> {
    return (await this.#store.settings.get(RULE_SETTING, SsoRule, from)) ?? NOT_FORCED;
  }

  /** Whether this member may come in by single sign-on alone. */
  async forbidsPassword({ id }: Member, from: Reader): Promise<boolean> {
    const { isForced, breakGlassId } = await this.get(from);
    return isForced && id !== breakGlassId;
  }

  /**
   * Where it becomes the only way in, whoever came by another one is out when this returns: all but the emergency account and who
   * sets it, who may find that it was a mistake.
   * @throws ApplianceError `sso.break-glass`, `sso.none-on`, `identity.not-allowed`, `changed-meanwhile`
   */
  async set(actor: Actor, { isForced, breakGlassId }: SsoRule, seen?: string): Promise<void> {
    await this.#book.act(async act => {
      const { tx } = act;
      await requireMasterAdmin(tx, actor);
      const before = await this.get(tx);
      requireSeen(before, seen);
      const rule = { isForced, breakGlassId: isForced ? breakGlassId : null };
      await this.#store.settings.set(tx, RULE_SETTING, rule);
      await this.requireWayIn(tx);
      if (isForced && !(await listIdps(tx)).some(({ isOn }) => isOn)) {
        throw new ApplianceError('conflict', 'sso.none-on', 'no identity provider is switched on');
      }
      const detail = { before: JSON.stringify(before), after: JSON.stringify(rule) };
      await this.#audit.append(tx, { event: 'sso.rule-changed', actor, detail });
      if (!isForced) return;
      const stay = [breakGlassId, actor.id].filter(id => id !== null);
      for (const login of await listOtherLogins(tx, stay))
        await this.#book.end(act, login, 'single-sign-on-only', actor);
    });
  }

  /** To be asked after a change of members. @throws ApplianceError `sso.break-glass` */
  async requireWayIn(tx: Transaction): Promise<void> {
    const { isForced, breakGlassId } = await this.get(tx);
    if (!isForced) return;
    const member = breakGlassId === null ? undefined : (await findMember(tx, breakGlassId))?.member;
    const hasPassword = member !== undefined && !member.inDirectory && member.singleSignOn !== 'only';
    if (hasPassword && member.state === 'enabled' && member.roles.includes('master-admin')) return;
    throw new ApplianceError(
      'conflict',
      'sso.break-glass',
      'one enabled master admin with a password here must remain',
      {
        hint: 'While single sign-on is the only way in, choose that account on the page of single sign-on.',
      },
    );
  }
}

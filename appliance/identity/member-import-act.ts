// Does what a file of members asks for (D-08), in one transaction with an entry for each change: all of it or nothing. By the rules
// of the acts on one; what they ask of the whole is asked once, at the end.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor, AuditDetail } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { Groups } from '../permissions/groups.ts';
import { breathe } from '../store/breathe.ts';
import type { AllowLists } from './allow-lists.ts';
import { requireAMasterAdmin } from './authority.ts';
import { setWithdrawn } from './directory-store.ts';
import type { Act, LoginBook } from './login-book.ts';
import type { Member } from './member.ts';
import type { ImportKind, ImportLine } from './member-import.ts';
import { insertMembers, setColumns } from './member-store.ts';
import { changeRoles } from './role-change.ts';
import type { SsoRules } from './saml-rule.ts';
import { setLinkWithdrawn } from './saml-store.ts';

export interface MemberImportActOptions {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly groups: Groups;
  readonly book: LoginBook;
  readonly ssoRules: SsoRules;
  readonly allowLists: AllowLists;
}

export interface ToImport {
  readonly lines: readonly ImportLine[];
  readonly counts: Readonly<Record<ImportKind, number>>;
  /** As they are now, by login id. */
  readonly members: ReadonlyMap<string, Member>;
  /** Of the new ones' passwords, in the order of their lines. */
  readonly hashes: readonly string[];
}

export class MemberImportAct {
  readonly #parts: MemberImportActOptions;

  constructor(parts: MemberImportActOptions) {
    this.#parts = parts;
  }

  /** @param actor a master admin, as whoever calls has seen to. @returns to be called once it is on the disk: tells who listens */
  async apply(act: Act, actor: Actor, { lines, counts, members, hashes }: ToImport): Promise<() => void> {
    const { groups, audit, ssoRules, allowLists } = this.#parts;
    const places = new Map<string, string>();
    const ids = await this.#create(act, actor, lines, hashes);
    for (const [n, line] of lines.entries()) {
      await breathe(n);
      const { kind, loginId, wish } = line;
      const member = members.get(loginId);
      if (kind !== 'create' && kind !== 'same' && member !== undefined) await this.#change(act, actor, member, line);
      const id = member?.id ?? ids.get(loginId);
      if (wish.groupId !== undefined && id !== undefined) places.set(id, wish.groupId);
    }
    const tell = await groups.assignAllWithin(act.tx, { actor, roles: ['master-admin'] }, places);
    await requireAMasterAdmin(act.tx);
    await ssoRules.requireWayIn(act.tx);
    await allowLists.requireActorIn(act.tx, actor);
    const { create, change, disable } = counts;
    await audit.append(act.tx, { event: 'members.imported', actor, detail: { create, change, disable } });
    return tell;
  }

  /** @returns ids by login id */
  async #create(
    act: Act,
    actor: Actor,
    lines: readonly ImportLine[],
    hashes: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const createdAt = this.#parts.clock.now();
    const made = lines
      .filter(({ kind }) => kind === 'create')
      .map(({ loginId, name, wish }, at) => {
        const id = randomBytes(16).toString('base64url');
        const secret = { passwordHash: hashes[at] ?? '', mustChange: true };
        return { id, loginId, name, roles: wish.roles ?? [], ...secret, createdAt, state: wish.state };
      });
    await insertMembers(act.tx, made);
    for (const [n, { id, loginId, name, roles, state }] of made.entries()) {
      await breathe(n);
      await this.#tell(act, actor, 'member.created', id, { loginId, name, roles: roles.join(' ') });
      if (state !== 'disabled') continue;
      await setColumns(act.tx, id, { is_enabled: 0 });
      await this.#tell(act, actor, 'member.disabled', id, {});
    }
    return new Map(made.map(({ loginId, id }) => [loginId, id]));
  }

  async #change(act: Act, actor: Actor, member: Member, { wish, name }: ImportLine): Promise<void> {
    const { id } = member;
    const { tx } = act;
    const { book } = this.#parts;
    if (name !== member.name) {
      await setColumns(tx, id, { name });
      await this.#tell(act, actor, 'member.renamed', id, { before: member.name, after: name });
    }
    const roles = wish.roles ?? member.roles;
    await changeRoles(act, this.#parts, actor, { member, roles, event: 'member.roles-changed' });
    if (wish.state === undefined || wish.state === member.state) return;
    await setColumns(tx, id, { is_enabled: wish.state === 'enabled' ? 1 : 0 });
    await this.#tell(act, actor, `member.${wish.state}`, id, {});
    if (wish.state === 'disabled') return book.endAll(act, id, 'disabled', actor);
    await setWithdrawn(tx, id, false);
    await setLinkWithdrawn(tx, id, false);
  }

  async #tell({ tx }: Act, actor: Actor, event: string, subject: string, detail: AuditDetail): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor, subject, detail });
  }
}

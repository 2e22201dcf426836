// Members as a file: written for a spreadsheet, read back with a look at what would change before anything does (D-08).
import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import { ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { Groups } from '../permissions/groups.ts';
import { parseCsv, presentCsv } from '../protocol/csv.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import { type ImportKind, type ImportLine, memberColumns, planImport } from './member-import.ts';
import type { Members } from './members.ts';

export interface ImportPlan {
  readonly lines: readonly ImportLine[];
  readonly counts: Readonly<Record<ImportKind, number>>;
  /** Of all that would be done: what was looked at is what is applied. */
  readonly digest: string;
}

export interface ImportOutcome {
  readonly counts: Readonly<Record<ImportKind, number>>;
  /** Lines that could not be applied after all, with the reason; the others are. */
  readonly failed: readonly { readonly line: ImportLine; readonly why: string }[];
  /** To be shown once. */
  readonly passwords: readonly { readonly loginId: string; readonly password: string }[];
}

export interface MemberExchangeOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly members: Members;
  readonly groups: Groups;
}

export class MemberExchange {
  readonly #parts: MemberExchangeOptions;

  constructor(parts: MemberExchangeOptions) {
    this.#parts = parts;
  }

  /** All members, for master admins. @throws ApplianceError `identity.not-allowed` */
  async export(actor: Actor): Promise<string> {
    const { store, audit, members, groups } = this.#parts;
    const [all, names, memberships] = await Promise.all([members.list(), groups.names(), groups.memberships()]);
    const nameOf = new Map([...names].map(([name, id]) => [id, name]));
    const rows = all.map(({ id, loginId, name, roles, state }) => {
      const group = roles.includes('technician') ? nameOf.get(memberships.get(id) ?? ROOT_GROUP_ID) : '';
      return [loginId, name, roles.join(' '), state, group ?? ''];
    });
    await store.core.transaction(async tx => {
      await requireMasterAdmin(tx, actor);
      await audit.append(tx, { event: 'members.exported', actor, detail: { members: all.length } });
    });
    return presentCsv([memberColumns, ...rows]);
  }

  /** @throws ApplianceError `identity.not-allowed`, `csv.malformed`, `members.import-columns`, `members.import-too-long` */
  async plan(actor: Actor, csv: string): Promise<ImportPlan> {
    const { store, members, groups } = this.#parts;
    await store.core.transaction(tx => requireMasterAdmin(tx, actor));
    const rows = parseCsv(csv);
    const [all, names, memberships] = await Promise.all([members.list(), groups.names(), groups.memberships()]);
    const lines = planImport(rows, {
      members: new Map(all.map(member => [member.loginId, member])),
      groups: names,
      groupOf: id => memberships.get(id ?? '') ?? ROOT_GROUP_ID,
      actorId: actor.id,
    });
    const counts: Record<ImportKind, number> = { create: 0, change: 0, disable: 0, same: 0, fault: 0 };
    for (const { kind } of lines) counts[kind] += 1;
    return { lines, counts, digest: createHash('sha256').update(JSON.stringify(lines)).digest('base64url') };
  }

  /**
   * Does what was looked at, line by line; a line that is refused after all leaves the others alone.
   * @throws ApplianceError `members.import-changed`, `members.import-faults`, and as `plan` does
   */
  async apply(actor: Actor, csv: string, digest: string): Promise<ImportOutcome> {
    const { store, audit } = this.#parts;
    const { lines, digest: now, counts } = await this.plan(actor, csv);
    if (now !== digest) {
      throw new ApplianceError(
        'conflict',
        'members.import-changed',
        'members or groups have changed since you looked',
        {
          hint: 'Look at what would be done now, then apply it.',
        },
      );
    }
    if (counts.fault > 0) throw new ApplianceError('conflict', 'members.import-faults', 'some lines can’t be applied');
    const failed: ImportOutcome['failed'][number][] = [];
    const passwords: ImportOutcome['passwords'][number][] = [];
    const done: Record<ImportKind, number> = { create: 0, change: 0, disable: 0, same: counts.same, fault: 0 };
    for (const line of lines.filter(({ kind }) => kind !== 'same')) {
      try {
        const password = await this.#applyLine(actor, line);
        if (password !== null) passwords.push({ loginId: line.loginId, password });
        done[line.kind] += 1;
      } catch (error) {
        if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
        failed.push({ line, why: error.message });
      }
    }
    const { create, change, disable } = done;
    const detail = { create, change, disable, failed: failed.length };
    await store.core.transaction(tx => audit.append(tx, { event: 'members.imported', actor, detail }));
    return { counts: done, failed, passwords };
  }

  /** @returns the temporary password of a new member */
  async #applyLine(actor: Actor, { wish, loginId, name }: ImportLine): Promise<string | null> {
    const { members, groups } = this.#parts;
    const { roles, state, groupId } = wish;
    const known = wish.memberId === null ? undefined : await members.get(wish.memberId);
    const made = known === undefined ? await members.create(actor, { loginId, name, roles: roles ?? [] }) : undefined;
    const id = known?.id ?? made?.member.id ?? '';
    if (known !== undefined && (wish.name !== undefined || roles !== undefined) && !known.inDirectory) {
      await members.update(actor, id, { name, roles: roles ?? known.roles });
    }
    if (state === 'disabled') await members.disable(actor, id);
    if (state === 'enabled') await members.enable(actor, id);
    // As in the top of the tree: whoever may do this is a master admin, as `plan` has seen to.
    if (groupId !== undefined) await groups.assign({ actor, roles: ['master-admin'] }, id, groupId);
    return made?.temporaryPassword ?? null;
  }
}

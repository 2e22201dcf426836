// Members as a file: written for a spreadsheet, read back with a look at what would change before anything does (D-08).
import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { pathName } from '../permissions/decision.ts';
import { pathsOf } from '../permissions/group-paths.ts';
import { listGroups, listMemberships, ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { Groups } from '../permissions/groups.ts';
import { type CsvRow, parseCsv, presentCsv } from '../protocol/csv.ts';
import { breathe } from '../store/breathe.ts';
import type { Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { AllowLists } from './allow-lists.ts';
import { requireMasterAdmin } from './authority.ts';
import type { LoginBook } from './login-book.ts';
import { type ImportKind, type ImportLine, MAX_IMPORT_PASSWORDS, memberColumns, planImport } from './member-import.ts';
import { MemberImportAct } from './member-import-act.ts';
import { listMembers } from './member-store.ts';
import type { Members } from './members.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { newReadableCode } from './readable-code.ts';
import type { SsoRules } from './saml-rule.ts';

export interface ImportPlan {
  readonly lines: readonly ImportLine[];
  readonly counts: Readonly<Record<ImportKind, number>>;
  /** Of all that would be done: what was looked at is what is applied. */
  readonly digest: string;
}

export interface ImportOutcome {
  readonly counts: Readonly<Record<ImportKind, number>>;
  /** To be shown once; none where there are more new ones than passwords can be made for. */
  readonly passwords: readonly { readonly loginId: string; readonly password: string }[];
}

export interface MemberExchangeOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly members: Members;
  readonly groups: Groups;
  readonly book: LoginBook;
  readonly hasher: PasswordHasher;
  readonly clock: Clock;
  readonly ssoRules: SsoRules;
  readonly allowLists: AllowLists;
}

export class MemberExchange {
  readonly #parts: MemberExchangeOptions;
  readonly #act: MemberImportAct;

  constructor(parts: MemberExchangeOptions) {
    this.#parts = parts;
    this.#act = new MemberImportAct(parts);
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
    const rows = parseCsv(csv);
    const { core } = this.#parts.store;
    await core.transaction(tx => requireMasterAdmin(tx, actor));
    return (await this.#plan(actor, rows, core.read)).plan;
  }

  /**
   * Does what was looked at, all of it or nothing.
   * @throws ApplianceError `members.import-changed`, `members.import-faults`, `identity.last-master-admin`, and as `plan` does
   */
  async apply(actor: Actor, csv: string, digest: string): Promise<ImportOutcome> {
    const { core } = this.#parts.store;
    const rows = parseCsv(csv);
    await core.transaction(tx => requireMasterAdmin(tx, actor));
    // Outside of the transaction, for which everybody waits; whom it makes is looked at once more inside.
    const { plan } = await this.#plan(actor, rows, core.read);
    requireAsSeen(plan, digest);
    const made = plan.lines.filter(({ kind }) => kind === 'create');
    const codes = made.length > MAX_IMPORT_PASSWORDS ? [] : made.map(() => newReadableCode());
    const { hasher } = this.#parts;
    const hashes: string[] = codes.length === 0 ? made.map(() => hasher.decoy) : [];
    for (const code of codes) hashes.push(await hasher.hash(code)); // one at a time: who signs in meanwhile has a place
    const tell = await this.#parts.book.act(async act => {
      await requireMasterAdmin(act.tx, actor);
      const { plan: now, members } = await this.#plan(actor, rows, act.tx);
      requireAsSeen(now, digest);
      return this.#act.apply(act, actor, { lines: now.lines, members, hashes, counts: now.counts });
    });
    tell();
    const passwords = codes.map((password, at) => ({ loginId: made[at]?.loginId ?? '', password }));
    return { counts: plan.counts, passwords };
  }

  async #plan(actor: Actor, rows: readonly CsvRow[], from: Reader) {
    const [all, groups, memberships] = [await listMembers(from), await listGroups(from), await listMemberships(from)];
    const members = new Map(all.map(member => [member.loginId, member]));
    const lines = await planImport(rows, {
      members,
      groups: new Map([...pathsOf(groups)].map(([id, path]) => [pathName(path), id])),
      groupOf: id => memberships.get(id ?? '') ?? ROOT_GROUP_ID,
      actorId: actor.id,
    });
    const counts: Record<ImportKind, number> = { create: 0, change: 0, disable: 0, same: 0, fault: 0 };
    const hash = createHash('sha256');
    for (const [n, line] of lines.entries()) {
      await breathe(n);
      counts[line.kind] += 1;
      hash.update(JSON.stringify(line));
    }
    const plan: ImportPlan = { lines, counts, digest: hash.digest('base64url') };
    return { plan, members };
  }
}

/** @throws ApplianceError `members.import-changed`, `members.import-faults` */
function requireAsSeen({ digest: now, counts }: ImportPlan, digest: string): void {
  if (now !== digest) {
    throw new ApplianceError('conflict', 'members.import-changed', 'members or groups have changed since you looked', {
      hint: 'Look at what would be done now, then apply it.',
    });
  }
  if (counts.fault > 0) throw new ApplianceError('conflict', 'members.import-faults', 'some lines can’t be applied');
}

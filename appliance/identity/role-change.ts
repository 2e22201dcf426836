// A change of a member's roles, whoever makes it: what he was given for a role goes with the role (D-08). The group of a
// technician stays: it is his place, and gives nothing without the role.
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import { handOutParts } from '../permissions/admin-parts.ts';
import type { Act, LoginBook } from './login-book.ts';
import type { Member, Role } from './member.ts';
import { setRoles } from './member-store.ts';

export interface RoleChange {
  readonly member: Pick<Member, 'id' | 'roles'>;
  readonly roles: readonly Role[];
  readonly event: 'member.roles-changed' | 'directory.roles-changed' | 'saml.roles-changed';
}

/** Ends the member's logins; nothing where he has these roles. */
export async function changeRoles(
  act: Act,
  { audit, book }: { readonly audit: AuditLog; readonly book: LoginBook },
  actor: Actor,
  { member, roles, event }: RoleChange,
): Promise<void> {
  const { id } = member;
  const [before, after] = [member.roles.join(' '), roles.join(' ')];
  if (before === after) return;
  await setRoles(act.tx, id, roles);
  await audit.append(act.tx, { event, actor, subject: id, detail: { before, after } });
  if (!roles.includes('admin')) await handOutParts(act.tx, audit, actor, id, []);
  await book.endAll(act, id, 'roles-changed', actor);
}

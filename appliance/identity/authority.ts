// What the appliance asks of whoever changes members, whatever page he came from: the roles he has at this moment, read
// in the same transaction as the change.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import { findGroupOf, findPath, listParts, ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { Transaction } from '../store/sql.ts';
import { mayManage, type Role } from './member.ts';
import { countEnabledMasterAdmins, countMembers, findMember } from './member-store.ts';

/**
 * @param target a member as he is, or with the roles he is to have
 * @throws ApplianceError `identity.not-allowed`, `identity.not-your-part`
 */
export async function requireMayManage(
  tx: Transaction,
  actor: Actor,
  { id, roles }: { readonly id: string; readonly roles: readonly Role[] },
): Promise<void> {
  await requireMayManageIn(tx, actor, roles, (await findGroupOf(tx, id)) ?? ROOT_GROUP_ID);
}

/** @throws ApplianceError `identity.not-allowed` */
export async function requireMasterAdmin(tx: Transaction, actor: Actor): Promise<void> {
  if (actor.kind === 'appliance') return;
  if (!(await rolesOf(tx, actor)).includes('master-admin')) throw notAllowed();
}

/**
 * Who has no account may create one only while there is none at all: first setup, once.
 * @throws ApplianceError `identity.not-allowed`
 */
export async function requireMayCreate(
  tx: Transaction,
  actor: Actor,
  roles: readonly Role[],
  groupId: string,
): Promise<void> {
  if (actor.kind !== 'anyone') return requireMayManageIn(tx, actor, roles, groupId);
  if ((await countMembers(tx)) > 0) throw notAllowed();
}

/** @param groupId where the technician is, or is to be */
async function requireMayManageIn(
  tx: Transaction,
  actor: Actor,
  target: readonly Role[],
  groupId: string,
): Promise<void> {
  if (actor.kind === 'appliance') return;
  const roles = await rolesOf(tx, actor);
  if (!mayManage(roles, target)) throw notAllowed();
  if (roles.includes('master-admin')) return;
  const [parts, path] = [await listParts(tx, actor.id ?? ''), await findPath(tx, groupId)];
  if (path.some(({ id }) => parts.includes(id))) return;
  throw new ApplianceError('refused', 'identity.not-your-part', 'that is not in your part of the tree', {
    hint: 'An admin looks after the technicians in the parts of the tree that a master admin gave him.',
  });
}

/**
 * What holds for somebody, his address list too, is of the group he is put into: an admin does that with technicians alone, whose
 * groups are looked at elsewhere, and so never with himself.
 * @throws ApplianceError `member.missing`, `identity.more-than-technician`
 */
export async function requireMayPut(tx: Transaction, actor: Actor, memberId: string): Promise<void> {
  if (actor.kind === 'appliance') return;
  const member = (await findMember(tx, memberId))?.member;
  if (member === undefined) throw new ApplianceError('missing', 'member.missing', 'there is no such member');
  if (mayManage(await rolesOf(tx, actor), member.roles)) return;
  throw new ApplianceError('refused', 'identity.more-than-technician', `${member.name} is more than a technician`, {
    hint: 'A master admin puts him into another group.',
  });
}

/** To be asked after the change: it is taken back when nobody could manage the appliance any more. */
export async function requireAMasterAdmin(tx: Transaction): Promise<void> {
  if ((await countEnabledMasterAdmins(tx)) > 0) return;
  throw new ApplianceError(
    'conflict',
    'identity.last-master-admin',
    'this is the last enabled master admin with a password here',
    {
      hint: 'Make another member master admin first.',
    },
  );
}

/**
 * Who is at somebody's open browser must not be able to give himself what the member signs in with.
 * @throws ApplianceError `member.own-recovery`
 */
export function requireAnother(actor: Actor, id: string): void {
  if (actor.kind !== 'member' || actor.id !== id) return;
  throw new ApplianceError('refused', 'member.own-recovery', 'another admin does that for you', {
    hint: 'Your own password and second step are changed under Your account, which asks who you are.',
  });
}

async function rolesOf(tx: Transaction, actor: Actor): Promise<readonly Role[]> {
  const known = actor.kind === 'member' && actor.id !== null ? await findMember(tx, actor.id) : undefined;
  return known?.member.state === 'enabled' ? known.member.roles : [];
}

function notAllowed(): ApplianceError {
  return new ApplianceError('refused', 'identity.not-allowed', 'that takes a role you do not have');
}

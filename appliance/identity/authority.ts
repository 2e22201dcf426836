// What the appliance asks of whoever changes members, whatever page he came from: the roles he has at this moment, read
// in the same transaction as the change.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { Transaction } from '../store/sql.ts';
import { mayManage, type Role } from './member.ts';
import { countEnabledMasterAdmins, countMembers, findMember } from './member-store.ts';

/** @throws ApplianceError `identity.not-allowed` */
export async function requireMayManage(tx: Transaction, actor: Actor, target: readonly Role[]): Promise<void> {
  if (actor.kind === 'appliance') return;
  if (!mayManage(await rolesOf(tx, actor), target)) throw notAllowed();
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
export async function requireMayCreate(tx: Transaction, actor: Actor, roles: readonly Role[]): Promise<void> {
  if (actor.kind !== 'anyone') return requireMayManage(tx, actor, roles);
  if ((await countMembers(tx)) > 0) throw notAllowed();
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

async function rolesOf(tx: Transaction, actor: Actor): Promise<readonly Role[]> {
  const known = actor.kind === 'member' && actor.id !== null ? await findMember(tx, actor.id) : undefined;
  return known?.member.state === 'enabled' ? known.member.roles : [];
}

function notAllowed(): ApplianceError {
  return new ApplianceError('refused', 'identity.not-allowed', 'that takes a role you do not have');
}

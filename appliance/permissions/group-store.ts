// Rows of the tree of technician groups.
import type { Reader, Row, SqlValue, Transaction } from '../store/sql.ts';
import { type Permission, permissions, type Setting } from './decision.ts';
import { type GroupWithPolicy, PolicySettings } from './policy.ts';

/** The group made by the migration; it can be renamed and set, not moved or deleted. */
export const ROOT_GROUP_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

export interface Group extends GroupWithPolicy {
  /** Null for the root. */
  readonly parentId: string | null;
  /** Technicians who were put into this very group. */
  readonly memberCount: number;
  /** ms UTC; 0 for the root. */
  readonly createdAt: number;
}

const SELECT = `SELECT g.*, (SELECT count(*) FROM group_member m WHERE m.group_id = g.id) AS member_count,
  (SELECT json_group_object(p.permission, p.setting) FROM group_permission p WHERE p.group_id = g.id) AS permissions
  FROM technician_group g`;

export async function listGroups(from: Reader): Promise<Group[]> {
  return (await from.all(`${SELECT} ORDER BY g.name COLLATE NOCASE, g.id`)).map(toGroup);
}

export async function findGroup(from: Reader, id: string): Promise<Group | undefined> {
  const row = await from.get(`${SELECT} WHERE g.id = ?`, [id]);
  return row && toGroup(row);
}

/** @returns root first; empty when there is no such group */
export async function findPath(from: Reader, id: string): Promise<Group[]> {
  const rows = await from.all(
    `WITH RECURSIVE up (id, parent_id, depth) AS (
       SELECT id, parent_id, 0 FROM technician_group WHERE id = ?
       UNION ALL SELECT g.id, g.parent_id, up.depth + 1 FROM technician_group g JOIN up ON g.id = up.parent_id
         WHERE up.depth < 64
     ) ${SELECT} JOIN up ON up.id = g.id ORDER BY up.depth DESC`,
    [id],
  );
  return rows.map(toGroup);
}

/** Ids of the group and of all below it. */
export async function listBelow(from: Reader, id: string): Promise<string[]> {
  const rows = await from.all(
    `WITH RECURSIVE down (id) AS (
       SELECT id FROM technician_group WHERE id = ? UNION SELECT g.id FROM technician_group g JOIN down ON g.parent_id = down.id
     ) SELECT id FROM down`,
    [id],
  );
  return rows.map(row => String(row.id));
}

export async function insertGroup(tx: Transaction, group: Pick<Group, 'id' | 'parentId' | 'name' | 'createdAt'>) {
  await tx.run('INSERT INTO technician_group (id, parent_id, name, created_at) VALUES (?, ?, ?, ?)', [
    group.id,
    group.parentId,
    group.name,
    group.createdAt,
  ]);
}

export async function renameGroup(tx: Transaction, id: string, name: string): Promise<void> {
  await tx.run('UPDATE technician_group SET name = ? WHERE id = ?', [name, id]);
}

export async function moveGroup(tx: Transaction, id: string, parentId: string): Promise<void> {
  await tx.run('UPDATE technician_group SET parent_id = ? WHERE id = ?', [parentId, id]);
}

export async function deleteGroup(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM technician_group WHERE id = ?', [id]);
}

export async function replacePermissions(
  tx: Transaction,
  id: string,
  settings: Readonly<Partial<Record<Permission, Setting>>>,
): Promise<void> {
  await tx.run('DELETE FROM group_permission WHERE group_id = ?', [id]);
  const rows = Object.entries(settings).map(([permission, setting]) => [id, permission, setting]);
  await tx.insertMany('INSERT INTO group_permission (group_id, permission, setting)', rows);
}

export async function replacePolicy(tx: Transaction, id: string, policy: PolicySettings): Promise<void> {
  await tx.run(
    `UPDATE technician_group SET consent_minutes = ?, forced_recording = ?, codes_match = ?, store_chat = ?,
       customer_away = ?, recording_format = ?, pause_recording = ? WHERE id = ?`,
    [
      policy.consentMinutes ?? null,
      fromFlag(policy.forcedRecording),
      fromFlag(policy.codesMatch),
      fromFlag(policy.storeChat),
      policy.customerAway ?? null,
      policy.recordingFormat ?? null,
      fromFlag(policy.pauseRecording),
      id,
    ],
  );
}

export async function findGroupOf(from: Reader, memberId: string): Promise<string | undefined> {
  const row = await from.get('SELECT group_id FROM group_member WHERE member_id = ?', [memberId]);
  return row && String(row.group_id);
}

export async function listMembers(from: Reader, groupIds: readonly string[]): Promise<string[]> {
  const rows = await from.all(
    'SELECT member_id FROM group_member WHERE group_id IN (SELECT value FROM json_each(?)) ORDER BY member_id',
    [JSON.stringify(groupIds)],
  );
  return rows.map(row => String(row.member_id));
}

/** The group of each member who was put into one. @param among only of these */
export async function listMemberships(from: Reader, among?: readonly string[]): Promise<Map<string, string>> {
  const rows = await from.all(
    `SELECT member_id, group_id FROM group_member
     ${among === undefined ? '' : 'WHERE member_id IN (SELECT value FROM json_each(?))'}`,
    among === undefined ? [] : [JSON.stringify(among)],
  );
  return new Map(rows.map(row => [String(row.member_id), String(row.group_id)]));
}

export async function putMember(tx: Transaction, memberId: string, groupId: string): Promise<void> {
  await tx.run(
    `INSERT INTO group_member (member_id, group_id) VALUES (?, ?)
     ON CONFLICT (member_id) DO UPDATE SET group_id = excluded.group_id`,
    [memberId, groupId],
  );
}

/** Takes those who are in a group out of it. */
export async function putMembers(tx: Transaction, groupOf: ReadonlyMap<string, string>): Promise<void> {
  await tx.run('DELETE FROM group_member WHERE member_id IN (SELECT value FROM json_each(?))', [
    JSON.stringify([...groupOf.keys()]),
  ]);
  await tx.insertMany('INSERT INTO group_member (member_id, group_id)', [...groupOf]);
}

export async function listParts(from: Reader, memberId: string): Promise<string[]> {
  const rows = await from.all('SELECT group_id FROM admin_part WHERE member_id = ? ORDER BY group_id', [memberId]);
  return rows.map(row => String(row.group_id));
}

export async function replaceParts(tx: Transaction, memberId: string, groupIds: readonly string[]): Promise<void> {
  await tx.run('DELETE FROM admin_part WHERE member_id = ?', [memberId]);
  const rows = groupIds.map(groupId => [memberId, groupId]);
  await tx.insertMany('INSERT INTO admin_part (member_id, group_id)', rows);
}

const policyColumns = [
  'consent_minutes',
  'forced_recording',
  'codes_match',
  'store_chat',
  'customer_away',
  'recording_format',
  'pause_recording',
] as const;

function toGroup(row: Row): Group {
  return {
    id: String(row.id),
    parentId: row.parent_id === null ? null : String(row.parent_id),
    name: String(row.name),
    permissions: toSettings(String(row.permissions)),
    policy: policyColumns.every(name => row[name] === null) ? {} : toPolicy(row), // most of many groups set none
    memberCount: Number(row.member_count),
    createdAt: Number(row.created_at),
  };
}

function toPolicy(row: Row): PolicySettings {
  return PolicySettings.parse({
    consentMinutes: row.consent_minutes === null ? undefined : Number(row.consent_minutes),
    forcedRecording: toFlag(row.forced_recording),
    codesMatch: toFlag(row.codes_match),
    storeChat: toFlag(row.store_chat),
    customerAway: row.customer_away ?? undefined,
    recordingFormat: row.recording_format ?? undefined,
    pauseRecording: toFlag(row.pause_recording),
  });
}

// A permission this release doesn't know is left out: unknown is never granted.
function toSettings(text: string): Partial<Record<Permission, Setting>> {
  const stored = new Map(Object.entries(JSON.parse(text)));
  const settings: Partial<Record<Permission, Setting>> = {};
  for (const permission of permissions) {
    const setting = stored.get(permission);
    if (setting === 'grant' || setting === 'deny') settings[permission] = setting;
  }
  return settings;
}

function toFlag(value: SqlValue | undefined): boolean | undefined {
  return value === null || value === undefined ? undefined : value === 1;
}

function fromFlag(value: boolean | undefined): number | null {
  return value === undefined ? null : Number(value);
}

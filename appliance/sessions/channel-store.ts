// Rows of channels, the groups that serve them and the sessions that have been in them.
import type { SessionId } from '../guid.ts';
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { Channel, ChannelSettings } from './channel.ts';

const SELECT = `SELECT c.*, (SELECT json_group_array(g.group_id) FROM channel_group g WHERE g.channel_id = c.id) AS group_ids
  FROM channel c`;

/** Groups that serve a channel, and those below them. */
const SERVING = `WITH RECURSIVE serving (id) AS (
  SELECT group_id FROM channel_group WHERE channel_id = ?
  UNION SELECT g.id FROM technician_group g JOIN serving s ON g.parent_id = s.id
)`;

/** By place; deleted ones too, since the log speaks of them. */
export async function listChannels(from: Reader): Promise<Channel[]> {
  return (await from.all(`${SELECT} ORDER BY c.place, c.id`)).map(toChannel);
}

export async function findChannel(from: Reader, id: string): Promise<Channel | undefined> {
  const row = await from.get(`${SELECT} WHERE c.id = ?`, [id]);
  return row && toChannel(row);
}

export async function findByLink(from: Reader, link: string): Promise<Channel | undefined> {
  const row = await from.get(`${SELECT} WHERE c.link = ? AND c.deleted_at IS NULL`, [link]);
  return row && toChannel(row);
}

/** At the end of the list. @throws ApplianceError `store.unique` when another has that name */
export async function insertChannel(
  tx: Transaction,
  { id, link, createdAt, ...settings }: Pick<Channel, 'id' | 'link' | 'createdAt'> & ChannelSettings,
): Promise<void> {
  await tx.run(
    `INSERT INTO channel (id, link, name, greeting, away_text, is_enabled, max_waiting, place, version, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(place), 0) + 1 FROM channel), 1, ?)`,
    [id, link, ...valuesOf(settings), createdAt],
  );
  await replaceGroups(tx, id, settings.groupIds);
}

/** @throws ApplianceError `store.unique` when another has that name */
export async function updateChannel(tx: Transaction, id: string, settings: ChannelSettings): Promise<void> {
  await tx.run(
    `UPDATE channel SET name = ?, greeting = ?, away_text = ?, is_enabled = ?, max_waiting = ?, version = version + 1
     WHERE id = ?`,
    [...valuesOf(settings), id],
  );
  await replaceGroups(tx, id, settings.groupIds);
}

export async function updateLink(tx: Transaction, id: string, link: string): Promise<void> {
  await tx.run('UPDATE channel SET link = ?, version = version + 1 WHERE id = ?', [link, id]);
}

/** Gives them the places 1, 2, 3 … in this order. */
export async function placeChannels(tx: Transaction, ids: readonly string[]): Promise<void> {
  for (const [at, id] of ids.entries()) await tx.run('UPDATE channel SET place = ? WHERE id = ?', [at + 1, id]);
}

/** Takes it away; where sessions have been in it, its name stays for the log. */
export async function deleteChannel(tx: Transaction, id: string, now: number): Promise<void> {
  await tx.run('DELETE FROM channel_group WHERE channel_id = ?', [id]);
  const used = await tx.get('SELECT 1 FROM session_channel WHERE channel_id = ? LIMIT 1', [id]);
  if (used === undefined) await tx.run('DELETE FROM channel WHERE id = ?', [id]);
  else await tx.run('UPDATE channel SET deleted_at = ?, is_enabled = 0, version = version + 1 WHERE id = ?', [now, id]);
}

/** Ids of the channels any of these groups serves by itself. */
export async function listServed(from: Reader, groupIds: readonly string[]): Promise<string[]> {
  const sql = 'SELECT DISTINCT channel_id FROM channel_group WHERE group_id IN (SELECT value FROM json_each(?))';
  return (await from.all(sql, [JSON.stringify(groupIds)])).map(row => String(row.channel_id));
}

export async function insertSessionChannel(tx: Transaction, channelId: string, sessionId: SessionId): Promise<void> {
  await tx.run('INSERT OR IGNORE INTO session_channel (channel_id, session_id) VALUES (?, ?)', [channelId, sessionId]);
}

/** Whether a technician who serves it has said that he is available or busy. @param rootId group of those put nowhere */
export async function isServed(from: Reader, id: string, rootId: string): Promise<boolean> {
  const row = await from.get(
    `${SERVING} SELECT 1 FROM technician_status t LEFT JOIN group_member m ON m.member_id = t.member_id
       WHERE t.status <> 'away' AND coalesce(m.group_id, ?) IN (SELECT id FROM serving) LIMIT 1`,
    [id, rootId],
  );
  return row !== undefined;
}

/** Which of these technicians serve it. @param rootId group of those put nowhere */
export async function listServers(
  from: Reader,
  id: string,
  memberIds: readonly string[],
  rootId: string,
): Promise<string[]> {
  const rows = await from.all(
    `${SERVING} SELECT j.value AS member_id FROM json_each(?) j LEFT JOIN group_member m ON m.member_id = j.value
       WHERE coalesce(m.group_id, ?) IN (SELECT id FROM serving)`,
    [id, JSON.stringify(memberIds), rootId],
  );
  return rows.map(row => String(row.member_id));
}

/** How many sessions wait in each channel for a technician, customers on their way with them. */
export async function countQueued(from: Reader): Promise<Map<string, number>> {
  const rows = await from.all(
    `SELECT channel_id, count(*) AS n FROM support_session WHERE owner_id IS NULL AND ended_at IS NULL
     AND channel_id IS NOT NULL GROUP BY channel_id`,
  );
  return new Map(rows.map(row => [String(row.channel_id), Number(row.n)]));
}

function valuesOf({ name, greeting, awayText, isEnabled, maxWaiting }: ChannelSettings) {
  return [name, greeting, awayText, Number(isEnabled), maxWaiting];
}

async function replaceGroups(tx: Transaction, id: string, groupIds: readonly string[]): Promise<void> {
  await tx.run('DELETE FROM channel_group WHERE channel_id = ?', [id]);
  const rows = groupIds.map(groupId => [id, groupId]);
  await tx.insertMany('INSERT INTO channel_group (channel_id, group_id)', rows);
}

function toChannel(row: Row): Channel {
  const groups: unknown = JSON.parse(String(row.group_ids));
  return {
    id: String(row.id),
    link: String(row.link),
    name: String(row.name),
    greeting: String(row.greeting),
    awayText: String(row.away_text),
    isEnabled: row.is_enabled === 1,
    maxWaiting: Number(row.max_waiting),
    groupIds: Array.isArray(groups) ? groups.map(String).toSorted() : [],
    version: Number(row.version),
    createdAt: Number(row.created_at),
    deletedAt: row.deleted_at === null ? null : Number(row.deleted_at),
  };
}

// Rows of alerts.
import type { Reader, Row, Transaction } from '../../store/sql.ts';

export interface AlertRow {
  readonly id: number;
  readonly kind: string;
  /** Id of the fact. */
  readonly about: string;
  readonly text: string;
  /** ms UTC, as all of these */
  readonly raisedAt: number;
  readonly endedAt: number | null;
}

/** How alerts leave the appliance. */
export type ChannelName = 'syslog' | 'mail';

export interface UnsentAlert extends AlertRow {
  /** By the channel that was asked for. */
  readonly isRaisedSent: boolean;
  readonly isEndedSent: boolean;
}

/** When a channel has told that it was raised, and that it has ended. */
const COLUMNS: Readonly<Record<ChannelName, { readonly raised: string; readonly ended: string }>> = {
  syslog: { raised: 'raised_sent_at', ended: 'ended_sent_at' },
  mail: { raised: 'raised_mailed_at', ended: 'ended_mailed_at' },
};

export async function raiseAlert(
  tx: Transaction,
  { kind, about, text, raisedAt }: Pick<AlertRow, 'kind' | 'about' | 'text' | 'raisedAt'>,
): Promise<void> {
  await tx.run('INSERT INTO alert (kind, about, text, raised_at) VALUES (?, ?, ?, ?)', [kind, about, text, raisedAt]);
}

export async function endAlert(tx: Transaction, id: number, endedAt: number): Promise<void> {
  await tx.run('UPDATE alert SET ended_at = ? WHERE id = ? AND ended_at IS NULL', [endedAt, id]);
}

export async function forgetAlerts(tx: Transaction, endedBefore: number): Promise<void> {
  await tx.run('DELETE FROM alert WHERE ended_at < ?', [endedBefore]);
}

/** Oldest first. */
export async function listOpenAlerts(from: Reader): Promise<AlertRow[]> {
  return (await from.all('SELECT * FROM alert WHERE ended_at IS NULL ORDER BY id')).map(toAlert);
}

/** Newest first. */
export async function listEndedAlerts(from: Reader, limit: number): Promise<AlertRow[]> {
  const sql = 'SELECT * FROM alert WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?';
  return (await from.all(sql, [limit])).map(toAlert);
}

/** What happened since then and was not sent by that channel, oldest first. @param since ms UTC */
export async function listUnsentAlerts(
  from: Reader,
  channel: ChannelName,
  since: number,
  limit: number,
): Promise<UnsentAlert[]> {
  const { raised, ended } = COLUMNS[channel];
  const sql = `SELECT *, ${raised} IS NOT NULL AS raised_told, ${ended} IS NOT NULL AS ended_told FROM alert
    WHERE (${raised} IS NULL OR (ended_at IS NOT NULL AND ${ended} IS NULL)) AND coalesce(ended_at, raised_at) >= ?
    ORDER BY id LIMIT ?`;
  const rows = await from.all(sql, [since, limit]);
  return rows.map(row => ({ ...toAlert(row), isRaisedSent: row.raised_told === 1, isEndedSent: row.ended_told === 1 }));
}

/** That it was raised, and that it has ended where the row says so. */
export async function noteSent(
  tx: Transaction,
  channel: ChannelName,
  { id, endedAt }: AlertRow,
  at: number,
): Promise<void> {
  const { raised, ended } = COLUMNS[channel];
  await tx.run(
    `UPDATE alert SET ${raised} = coalesce(${raised}, ?), ${ended} = CASE WHEN ? THEN ? ELSE ${ended} END WHERE id = ?`,
    [at, endedAt === null ? 0 : 1, at, id],
  );
}

function toAlert(row: Row): AlertRow {
  const instant = (value: unknown) => (value === null ? null : Number(value));
  return {
    id: Number(row.id),
    kind: String(row.kind),
    about: String(row.about),
    text: String(row.text),
    raisedAt: Number(row.raised_at),
    endedAt: instant(row.ended_at),
  };
}

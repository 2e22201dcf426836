// Rows of samples: what was measured in a minute, an hour, a day.
import type { Reader, Transaction } from '../../store/sql.ts';

export interface Sample {
  readonly series: string;
  /** ms UTC, when the time it covers began */
  readonly at: number;
  readonly count: number;
  readonly total: number;
  readonly least: number;
  readonly most: number;
}

/** @param step s; adds to the row that is there */
export async function addSample(tx: Transaction, step: number, one: Sample): Promise<void> {
  await tx.run(
    `INSERT INTO status_sample (step, at, series, count, total, least, most) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (step, at, series) DO UPDATE SET count = count + excluded.count, total = total + excluded.total,
       least = min(least, excluded.least), most = max(most, excluded.most)`,
    [step, one.at, one.series, one.count, one.total, one.least, one.most],
  );
}

/** @param before ms UTC */
export async function forgetSamples(tx: Transaction, step: number, before: number): Promise<void> {
  await tx.run('DELETE FROM status_sample WHERE step = ? AND at < ?', [step, before]);
}

/**
 * Rows of one step, put together; oldest first.
 * @param from ms UTC
 * @param widthMs a multiple of the step
 */
export async function listSamples(from: Reader, step: number, since: number, widthMs: number): Promise<Sample[]> {
  const rows = await from.all(
    `SELECT series, at / ? * ? AS at, sum(count) AS count, sum(total) AS total, min(least) AS least, max(most) AS most
     FROM status_sample WHERE step = ? AND at >= ? GROUP BY series, at / ? ORDER BY 2`,
    [widthMs, widthMs, step, since, widthMs],
  );
  return rows.map(row => ({
    series: String(row.series),
    at: Number(row.at),
    count: Number(row.count),
    total: Number(row.total),
    least: Number(row.least),
    most: Number(row.most),
  }));
}

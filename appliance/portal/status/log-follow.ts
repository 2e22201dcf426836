// What the log says of the last day that the status page shows: logins that failed, and how backups ended. Read on from where it
// was read last, so that a look costs what is new.
import type { AuditLog } from '../../audit/audit.ts';
import type { Clock } from '../../clock.ts';

const DAY_MS = 86_400_000;
const FLOOD_MS = 10 * 60_000;
/** More in a day are counted as so many. */
const MAX_KEPT = 20_000;
const MAX_AT_ONCE = 5000;
const FAILED_LOGINS = ['login.refused', 'login.limited', 'settings-login.refused', 'settings-login.limited'] as const;

export interface FailedLogins {
  readonly day: number;
  readonly tenMinutes: number;
}

export class LogFollow {
  readonly #audit: Pick<AuditLog, 'search'>;
  readonly #clock: Clock;
  #after = 0;
  #failedAt: number[] = [];
  #backupFault = '';

  constructor(audit: Pick<AuditLog, 'search'>, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  async look(): Promise<void> {
    const [newest] = await this.#audit.search({ limit: 1 });
    if (newest === undefined || newest.entry.seq === this.#after) return;
    const before = newest.entry.seq + 1;
    const isFirst = this.#after === 0;
    const query = { after: this.#after, before, ...(isFirst && { from: this.#clock.now() - DAY_MS }) };
    const read = (event: string) => this.#audit.search({ ...query, event, limit: MAX_AT_ONCE });
    const failed = (await Promise.all(FAILED_LOGINS.map(read))).flat().map(({ entry }) => entry.at);
    const [backup] = await read('backup.');
    this.#failedAt = [...this.#failedAt, ...failed].slice(-MAX_KEPT);
    if (backup !== undefined) this.#backupFault = faultOf(backup.entry);
    this.#after = newest.entry.seq;
  }

  failedLogins(): FailedLogins {
    const now = this.#clock.now();
    this.#failedAt = this.#failedAt.filter(at => at > now - DAY_MS);
    return { day: this.#failedAt.length, tenMinutes: this.#failedAt.filter(at => at > now - FLOOD_MS).length };
  }

  /** Code of what the last backup failed with; empty when it did not. */
  get backupFault(): string {
    return this.#backupFault;
  }
}

function faultOf({ event, detail }: { event: string; detail: Readonly<Record<string, unknown>> }): string {
  return event === 'backup.failed' ? String(detail.code ?? 'appliance.defect') : '';
}

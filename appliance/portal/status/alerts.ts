// Alerts: what needs a person is raised once and ended once, with an entry in the audit log for each, and told to syslog until it was
// sent or a day has passed. What is still to be sent stands in the store: a restart loses nothing, and it can't grow without end.
import type { AuditLog } from '../../audit/audit.ts';
import { type Actor, applianceActor } from '../../audit/entry.ts';
import type { Clock } from '../../clock.ts';
import type { ApplianceConfig } from '../../config.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Gauge, Metrics } from '../../metrics.ts';
import type { Store } from '../../store/store.ts';
import {
  type AlertRow,
  endAlert,
  forgetAlerts,
  listEndedAlerts,
  listOpenAlerts,
  listUnsentAlerts,
  noteSent,
  raiseAlert,
} from './alert-store.ts';
import type { AlertKind, Fact } from './rules.ts';
import { type SyslogMessage, sendSyslog, syslogLine } from './syslog.ts';
import { spanText } from './words.ts';

const DAY_MS = 86_400_000;
const KEPT_MS = 400 * DAY_MS;
const MAX_SENT_AT_ONCE = 100;
const [RETRY_MS, MAX_RETRY_MS] = [10_000, 5 * 60_000];

export const ALERT_TITLES: Readonly<Record<AlertKind, string>> = {
  'disk-full': 'Disk full or away',
  'certificate-soon': 'Certificate ends within a month',
  'certificate-ending': 'Certificate ends within a week, or can’t be read',
  'backup-old': 'Backup too old',
  'backup-failed': 'Backup failed',
  'process-gone': 'Process gone',
  'log-damaged': 'Audit log damaged or not written',
  'login-failures': 'Many failed logins',
  'retention-failed': 'Retention failed',
  'share-away': 'Recording share away',
  'unrecorded-control': 'Control that must be recorded and is not',
};

export interface AlertParts {
  readonly store: Pick<Store, 'core'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly config: () => Pick<ApplianceConfig, 'alerts' | 'names'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Alerts {
  readonly #parts: AlertParts;
  #open: readonly AlertRow[] = [];
  #notBefore = Number.NEGATIVE_INFINITY;
  #retryMs = RETRY_MS;
  #fault = '';
  #isTrying = false;
  readonly #gauge: Gauge;
  readonly #ending = new AbortController();

  constructor(parts: AlertParts) {
    this.#parts = parts;
    this.#gauge = parts.metrics.gauge('alerts_open', 'Alerts that last, by kind.');
  }

  /** What is being sent is sent by the next portal. */
  close(): void {
    this.#ending.abort();
  }

  /** Those that last, as of the last look; oldest first. */
  get open(): readonly AlertRow[] {
    return this.#open;
  }

  /** Why they could not be sent the last time; empty when they could. */
  get fault(): string {
    return this.#fault;
  }

  /** Newest first. */
  ended(limit: number): Promise<AlertRow[]> {
    return listEndedAlerts(this.#parts.store.core.read, limit);
  }

  /** Raises and ends what the facts say; what is not among them any more has ended too. */
  async follow(facts: readonly Fact[]): Promise<void> {
    const { store, clock } = this.#parts;
    const open = await listOpenAlerts(store.core.read);
    const all = facts.flatMap(fact => fact.alarms.map(alarm => ({ ...alarm, fact })));
    const isAbout = (row: AlertRow) => (one: (typeof all)[number]) =>
      one.kind === row.kind && one.fact.id === row.about;
    const ends = open.filter(row => (all.find(isAbout(row))?.state ?? 'off') === 'off');
    const raises = all.filter(one => one.state === 'on' && !open.some(row => isAbout(row)(one)));
    if (ends.length + raises.length > 0) {
      await store.core.transaction(async tx => {
        for (const row of ends) {
          await endAlert(tx, row.id, clock.now());
          await this.#tell(tx, 'alert.ended', row.about, { kind: row.kind, lastedMs: clock.now() - row.raisedAt });
        }
        for (const { kind, fact } of raises) {
          const text = `${ALERT_TITLES[kind]}. ${fact.name}: ${fact.value}`;
          await raiseAlert(tx, { kind, about: fact.id, text, raisedAt: clock.now() });
          await this.#tell(tx, 'alert.raised', fact.id, { kind, value: fact.value.slice(0, 500) });
        }
        await forgetAlerts(tx, clock.now() - KEPT_MS);
      });
    }
    this.#open = await listOpenAlerts(store.core.read);
    for (const kind of Object.keys(ALERT_TITLES))
      this.#gauge.set(this.#open.filter(row => row.kind === kind).length, { kind });
  }

  /** Sends what was not sent; after a failure it waits, each time for twice as long. */
  async send(): Promise<void> {
    const { store, clock, config, log } = this.#parts;
    const { syslog } = config().alerts;
    if (syslog === null || clock.monotonic() < this.#notBefore) return;
    const rows = await listUnsentAlerts(store.core.read, clock.now() - DAY_MS, MAX_SENT_AT_ONCE);
    if (rows.length === 0) return;
    try {
      const lines = rows.flatMap(messagesOf).map(message => this.#line(message));
      await sendSyslog(syslog, lines, { signal: this.#ending.signal });
      await store.core.transaction(async tx => {
        for (const row of rows) await noteSent(tx, row, clock.now());
      });
      this.#fault = '';
      this.#retryMs = RETRY_MS;
    } catch (error) {
      this.#fault = describeError(error);
      this.#notBefore = clock.monotonic() + this.#retryMs;
      log.error('alert.unsent', { why: this.#fault, retryMs: this.#retryMs });
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
    }
  }

  /**
   * Sends a line that says it is a test.
   * @param step told what happened, as far as it went
   * @throws ApplianceError `syslog.none`, `syslog.busy`, `syslog.failed`
   */
  async tryOut(actor: Actor, step: (what: string) => void): Promise<void> {
    const { store, clock, config } = this.#parts;
    const { syslog } = config().alerts;
    if (syslog === null) {
      throw new ApplianceError('missing', 'syslog.none', 'alerts are sent nowhere', {
        hint: 'Set alerts.syslog in appliance.yaml and restart.',
      });
    }
    if (this.#isTrying) throw new ApplianceError('limited', 'syslog.busy', 'a test is being sent already');
    this.#isTrying = true;
    try {
      await store.core.transaction(tx => this.#tell(tx, 'alert.test-sent', null, { host: syslog.host }, actor));
      const text = `This is a test, sent by ${actor.name ?? 'the appliance'}`;
      const message = { severity: 'informational', at: clock.now(), event: 'alert.test', text } as const;
      await sendSyslog(syslog, [this.#line(message)], { step, signal: this.#ending.signal });
    } finally {
      this.#isTrying = false;
    }
  }

  #line(message: SyslogMessage): string {
    return syslogLine(message, this.#parts.config().names[0] ?? '-');
  }

  async #tell(
    tx: Parameters<AuditLog['append']>[0],
    event: string,
    about: string | null,
    detail: Readonly<Record<string, string | number>>,
    actor = applianceActor,
  ): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor, detail, ...(about !== null && { subject: about }) });
  }
}

/** What is to be sent of it: that it was raised, that it has ended, or both. */
function messagesOf({ text, raisedAt, endedAt, raisedSentAt, endedSentAt }: AlertRow): SyslogMessage[] {
  const raised: SyslogMessage = { severity: 'error', at: raisedAt, event: 'alert.raised', text };
  const over = endedAt === null ? [] : [`Over after ${spanText(endedAt - raisedAt)}. ${text}`];
  const ended = over.map(said => ({ severity: 'notice', at: endedAt ?? 0, event: 'alert.ended', text: said }) as const);
  return [...(raisedSentAt === null ? [raised] : []), ...(endedSentAt === null ? ended : [])];
}

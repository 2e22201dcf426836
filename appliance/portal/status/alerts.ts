// Alerts: what needs a person is raised once and ended once, with an entry in the audit log for each, and told to syslog and by
// mail until it was sent or a day has passed. What is still to be sent stands in the store: a restart loses nothing, and it can't grow without end.
import type { AuditLog } from '../../audit/audit.ts';
import { type Actor, applianceActor } from '../../audit/entry.ts';
import type { Clock } from '../../clock.ts';
import type { ApplianceConfig } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Gauge, Metrics } from '../../metrics.ts';
import type { Store } from '../../store/store.ts';
import { AlertChannel } from './alert-channel.ts';
import { type AlertRow, endAlert, forgetAlerts, listEndedAlerts, listOpenAlerts, raiseAlert } from './alert-store.ts';
import type { AlertKind, Fact } from './rules.ts';

const DAY_MS = 86_400_000;
const KEPT_MS = 400 * DAY_MS;

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
  'directory-away': 'Directory away',
  'directory-sync-failed': 'Sync with the directory failed',
  'posts-failing': 'Posts to the CRM fail',
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
  readonly channels: readonly AlertChannel[];
  #isTrying = false;
  readonly #gauge: Gauge;
  readonly #ending = new AbortController();

  constructor(parts: AlertParts) {
    this.#parts = parts;
    this.channels = (['syslog', 'mail'] as const).map(name => new AlertChannel(name, parts, this.#ending.signal));
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
    return this.channels
      .map(({ fault }) => fault)
      .filter(Boolean)
      .join('; ');
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

  /** Sends what was not sent, by each channel on its own. */
  async send(): Promise<void> {
    await Promise.all(this.channels.map(channel => channel.send()));
  }

  /**
   * Sends what says that it is a test, by every channel that is set.
   * @param step told what happened, as far as it went
   * @throws ApplianceError `alerts.nowhere`, `alerts.busy`, or of the first channel that failed, when all were tried
   */
  async tryOut(actor: Actor, step: (what: string) => void): Promise<void> {
    const { store, clock } = this.#parts;
    const channels = this.channels.filter(({ target }) => target !== null);
    if (channels.length === 0) {
      throw new ApplianceError('missing', 'alerts.nowhere', 'alerts are sent nowhere', {
        hint: 'Set alerts.syslog or alerts.mail in appliance.yaml and restart.',
      });
    }
    if (this.#isTrying) throw new ApplianceError('limited', 'alerts.busy', 'a test is being sent already');
    this.#isTrying = true;
    try {
      const to = channels.map(({ target }) => target).join('; ');
      await store.core.transaction(tx => this.#tell(tx, 'alert.test-sent', null, { to }, actor));
      const text = `This is a test, sent by ${actor.name ?? 'the appliance'}`;
      const message = { severity: 'informational', at: clock.now(), event: 'alert.test', text } as const;
      const faults: unknown[] = [];
      for (const channel of channels) await channel.tryOut(message, step).catch(error => faults.push(error));
      if (faults.length > 0) throw faults[0];
    } finally {
      this.#isTrying = false;
    }
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

// The state of the appliance as one place knows it: looked at every ten seconds, shown on the status page.
import { request } from 'node:http';
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit.ts';
import type { Cancel, Clock } from '../clock.ts';
import type { ApplianceConfig } from '../config.ts';
import { describeError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Backups } from '../store/backup.ts';
import type { Store } from '../store/store.ts';
import type { Keeping } from './keeping.ts';
import { readRestoreResult } from './restoring.ts';
import { Alerts } from './status/alerts.ts';
import { GatewayBook, GatewayReport } from './status/gateway-book.ts';
import { LogCheck } from './status/log-check.ts';
import { LogFollow } from './status/log-follow.ts';
import { drawPlots, type Plot } from './status/plots.ts';
import { Presence } from './status/presence.ts';
import { type Reading, readCertificates, readDisks, readIdps } from './status/reading.ts';
import { GONE_MS, judge, type Section, unseen } from './status/rules.ts';
import { type Range, Samples, valuesOf } from './status/samples.ts';
import type { Support } from './support.ts';

const LOOK_EVERY_MS = 10_000;
const ANSWER_MS = 2000;

export interface StatusParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly identity: Identity;
  readonly support: Support;
  readonly keeping: Keeping;
  readonly backups: Pick<Backups, 'list'>;
  readonly dataFolder: string;
  readonly recordingFolder: string;
  readonly config: () => ApplianceConfig;
  /** Rejects when the signer doesn't answer. */
  readonly askSigner: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Status {
  readonly alerts: Alerts;
  readonly logCheck: LogCheck;
  readonly #parts: StatusParts;
  readonly #gateways: GatewayBook;
  readonly #presence: Presence;
  readonly #follow: LogFollow;
  readonly #samples: Samples;
  readonly #startedAt: number;
  #lookFault = '';
  #faultSince: number | null = null;
  #reading: Reading | null = null;
  #looking: Promise<void> | null = null;
  /** Apart: a server that is slow to answer keeps nobody from looking. */
  #sending: Promise<void> | null = null;
  #cancel: Cancel | null = null;

  constructor(parts: StatusParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.monotonic();
    this.#gateways = new GatewayBook(parts.clock);
    this.#presence = new Presence(parts.dataFolder, parts.clock);
    this.#samples = new Samples(parts.store);
    this.alerts = new Alerts(parts);
    this.logCheck = new LogCheck(parts);
    this.#follow = new LogFollow(parts.audit, parts.clock);
  }

  start(): void {
    this.#cancel = this.#parts.clock.every(LOOK_EVERY_MS, () => void this.look());
    void this.look();
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#looking;
    this.alerts.close();
    await this.#sending;
    await this.#samples.write();
  }

  /** @param report as a gateway sends it; parsed here */
  note(report: unknown): void {
    this.#gateways.note(GatewayReport.parse(report));
  }

  /** The last look, with what it means; the first one is waited for. */
  async sections(): Promise<{ readonly at: number; readonly sections: readonly Section[] }> {
    if (this.#reading === null) await this.look();
    const seen = this.#reading === null ? [] : judge(this.#reading, this.#parts.config().alerts);
    const failed = this.#lookFault === '' ? [] : [unseen(this.#lookFault)];
    return { at: this.#reading?.at ?? this.#parts.clock.now(), sections: [...failed, ...seen] };
  }

  async plots(range: Range): Promise<readonly Plot[]> {
    const now = this.#parts.clock.now();
    return drawPlots(await this.#samples.read(range, now), range, now);
  }

  /** To whom alerts are sent; none for nobody. */
  get sentTo(): readonly string[] {
    return this.alerts.channels.flatMap(({ target }) => target ?? []);
  }

  /** Looks now; who asks while it is being looked at waits for that. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(error => {
        this.#lookFault = describeError(error);
        this.#parts.log.error('status.look-failed', { why: this.#lookFault });
      })
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const reading = await this.#read();
    await this.#samples.take(reading.at, valuesOf(reading, this.#reading));
    this.#reading = reading;
    await this.alerts.follow(judge(reading, this.#parts.config().alerts).flatMap(({ facts }) => facts));
    this.#lookFault = '';
    this.#sending ??= this.alerts
      .send()
      .catch(error => this.#parts.log.error('alert.send-failed', { why: describeError(error) }))
      .finally(() => {
        this.#sending = null;
      });
  }

  async #read(): Promise<Reading> {
    const { clock, dataFolder, recordingFolder, backups, keeping, support, identity } = this.#parts;
    void identity.directory?.probe(); // a directory that hangs keeps nobody from looking
    const config = this.#parts.config();
    const gatewayIds = config.gateways.map(({ id }) => id);
    await this.#follow.look();
    const [last] = await backups.list();
    return {
      at: clock.now(),
      upMs: clock.monotonic() - this.#startedAt,
      sessions: await support.sessions.count(),
      pins: await support.entries.countLive(),
      unrecorded: support.unrecorded.count,
      technicians: await this.#technicians(),
      relays: this.#gateways.relays(gatewayIds),
      relayedBytes: this.#gateways.relayedBytes,
      processes: await this.#processes(gatewayIds),
      disks: await readDisks({ 'Data folder': dataFolder, Recordings: recordingFolder }),
      certificates: readCertificates(dataFolder),
      idps: readIdps(await identity.idps.list()),
      directory: await this.#directory(),
      posts: await keeping.posts.failing(),
      backup: { last, everyHours: config.backup.everyHours, fault: this.#follow.backupFault },
      restore: readRestoreResult(dataFolder),
      failedLogins: this.#follow.failedLogins(),
      retention: await keeping.retention.lastRun(),
      logFault: (await this.logCheck.look()) || this.#lastingFault(),
      share: {
        isThere: keeping.share.isThere,
        fault: keeping.share.fault === '' ? keeping.opens.fault : keeping.share.fault,
      },
    };
  }

  async #directory(): Promise<Reading['directory']> {
    const { directory } = this.#parts.identity;
    if (directory === null) return null;
    const { fault } = directory;
    const syncFault = (await directory.lastSync())?.fault ?? '';
    return fault === null ? { fault: '', since: 0, syncFault } : { fault: fault.why, since: fault.since, syncFault };
  }

  /** Of writing and signing the log; a signer that starts again is away for seconds. */
  #lastingFault(): string {
    const { audit, clock } = this.#parts;
    if (audit.fault === '') this.#faultSince = null;
    else this.#faultSince ??= clock.monotonic();
    return this.#faultSince !== null && clock.monotonic() - this.#faultSince >= GONE_MS ? audit.fault : '';
  }

  async #technicians(): Promise<Reading['technicians']> {
    const { identity, support } = this.#parts;
    const said = new Map((await support.statuses.list()).map(({ memberId, status }) => [memberId, status]));
    const found = { available: 0, busy: 0, away: 0 };
    for (const id of await identity.logins.signedIn('technician')) found[said.get(id) ?? 'away'] += 1;
    return found;
  }

  async #processes(gatewayIds: readonly string[]): Promise<Reading['processes']> {
    const { askSigner, dataFolder } = this.#parts;
    const [signer, recorder] = await Promise.all([answers(askSigner), recorderAnswers(dataFolder)]);
    const silent = Object.fromEntries(gatewayIds.map(id => [id, this.#gateways.silentMs(id)]));
    return this.#presence.read(['signer', 'portal', ...gatewayIds, 'recorder', 'jobs'], { signer, recorder }, silent);
  }
}

export function recorderAnswers(dataFolder: string): Promise<boolean> {
  return answers(() => askHealth(join(dataFolder, 'run', 'recorder.sock')));
}

async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  return ask().then(
    () => true,
    () => false,
  );
}

/** A process that is there but does nothing still takes connections: it has to answer. */
function askHealth(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/healthz', agent: false, timeout: ANSWER_MS }, answer => {
      answer.resume();
      if (answer.statusCode === 200) resolve();
      else reject(new Error(`${socketPath} answered ${answer.statusCode}`));
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.once('error', reject);
    asked.end();
  });
}

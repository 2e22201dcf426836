// Control in a session that must be recorded, while nothing of it is (H-03, TRUST: recording receipts). The customer's program
// shows and takes nothing then; that it does so is its word. So either the recorder, its share or the console fails, or that
// program was altered: it stands in the log, and whoever manages the appliance is told. Where the recorder is away, or
// was brought the stream and can't prove it, nothing is ended: chat and log go on. Where it is there and nobody brought it
// anything of this link, somebody lies: link and relay are closed.
import type { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Gauge, Metrics } from '../metrics.ts';
import type { Store } from '../store/store.ts';
import type { SessionRecordings } from './recordings.ts';
import type { RelayPairs } from './relay-pairs.ts';
import type { Rights } from './rights.ts';
import { listRunning } from './session-log-store.ts';
import type { Sessions } from './sessions.ts';

/** So long control may be without a recording: its first receipt, a picture that is opened anew. */
export const UNRECORDED_AFTER_MS = 5000;
const LOOK_EVERY_MS = 2000;
const CONTROL = 'launch-remote-control';

export interface UnrecordedControlOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: Sessions;
  readonly rights: Pick<Rights, 'policyOf' | 'closeLink'>;
  readonly recordings: Pick<SessionRecordings, 'isLive' | 'isBrought'>;
  readonly relays: Pick<RelayPairs, 'close'>;
  readonly isRecorderThere: () => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Unrecorded {
  readonly since: number;
  readonly isTold: boolean;
}

export class UnrecordedControl {
  readonly #options: UnrecordedControlOptions;
  readonly #gauge: Gauge;
  #found: ReadonlyMap<SessionId, Unrecorded> = new Map();
  #looking: Promise<void> | null = null;
  #cancel: Cancel | null = null;

  constructor(options: UnrecordedControlOptions) {
    this.#options = options;
    this.#gauge = options.metrics.gauge(
      'recording_unrecorded_control',
      'Sessions with control that must be recorded and are not.',
    );
  }

  /** In how many sessions it is so now. */
  get count(): number {
    return [...this.#found.values()].filter(({ isTold }) => isTold).length;
  }

  /** Looks by the clock, from now on. */
  start(): void {
    const { clock, log } = this.#options;
    this.#cancel ??= clock.every(LOOK_EVERY_MS, () => {
      this.look().catch(error => log.error('recording.look-failed', { why: describeError(error) }));
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#looking?.catch(() => undefined); // it was told
  }

  /** Once at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { store, clock } = this.#options;
    const found = new Map<SessionId, Unrecorded>();
    for (const id of await listRunning(store.core.read, CONTROL)) {
      if (!(await this.#isUnrecorded(id))) continue;
      const { since, isTold } = this.#found.get(id) ?? { since: clock.monotonic(), isTold: false };
      const isLate = clock.monotonic() - since >= UNRECORDED_AFTER_MS;
      if (isLate && !isTold) await this.#tell(id, 'recording.control-unrecorded');
      if (isLate) await this.#close(id);
      found.set(id, { since, isTold: isTold || isLate });
    }
    for (const [id, { isTold }] of this.#found)
      if (isTold && !found.has(id)) await this.#tell(id, 'recording.control-recorded');
    this.#found = found;
    this.#gauge.set(this.count);
  }

  async #isUnrecorded(id: SessionId): Promise<boolean> {
    const { sessions, rights, recordings } = this.#options;
    const session = await sessions.get(id);
    return (await rights.policyOf(session)).forcedRecording && !(await recordings.isLive(id));
  }

  /** Looked at again each time: whoever lies may make another link. */
  async #close(id: SessionId): Promise<void> {
    const { sessions, rights, relays, recordings, isRecorderThere } = this.#options;
    const session = await sessions.get(id);
    if (session.linkId === null || (await recordings.isBrought(session)) || !(await isRecorderThere())) return;
    await rights.closeLink(id, 'unrecorded');
    relays.close(id);
  }

  async #tell(sessionId: SessionId, event: string): Promise<void> {
    const { store, audit, sessions, log } = this.#options;
    await store.core.transaction(async tx => {
      await sessions.get(sessionId, tx);
      await audit.append(tx, { event, actor: applianceActor, sessionId });
    });
    log.warn(event, { sessionId });
  }
}

// What was done (G-01 TRUST: reports). The applet tells it in signed, counted, chained reports on its own leg; what the
// console says is a second source. A gap, a fork or a difference between the two is logged and shown, never smoothed over.
import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import {
  type AppletSigned,
  CONSENT_DOMAIN,
  type ConsentReceipt,
  parseReceipt,
  parseReport,
  REPORT_DOMAIN,
  type Report,
} from '../customer-core/objects.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { parseSessionId, type SessionId, toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Groups } from '../permissions/groups.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { checkAppletBytes } from './applet-signature.ts';
import type { Chat } from './chat.ts';
import { listMismatches, markMismatch, putStage } from './session-log-store.ts';
import { changeIn, type SessionRow } from './session-store.ts';
import { customerActor, type Sessions } from './sessions.ts';

/** So long the other source may take to say the same. */
export const MISMATCH_AFTER_MS = 10_000;
const COMPARE_EVERY_MS = 5000;
const NO_HASH = toBase64Url(new Uint8Array(32));
const RECORDING = 'record-sessions';
const stages = ['asked', 'granted', 'refused', 'started', 'ended'] as const;

export interface ActionLogOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: Sessions;
  readonly chat: Chat;
  readonly groups: Pick<Groups, 'effective'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class ActionLog {
  readonly #options: ActionLogOptions;
  readonly #anomalies;
  #comparing: Promise<unknown> | null = null;
  #cancel: Cancel | null = null;

  constructor(options: ActionLogOptions) {
    this.#options = options;
    this.#anomalies = options.metrics.counter(
      'session_log_anomalies_total',
      'Gaps, forks and mismatches in what was told.',
    );
  }

  /** Compares the two sources by the clock, from now on. */
  start(): void {
    const { clock, log } = this.#options;
    this.#cancel ??= clock.every(COMPARE_EVERY_MS, () => {
      this.#comparing ??= this.compare()
        .catch(error => log.error('action.compare-failed', { why: describeError(error) }))
        .finally(() => {
          this.#comparing = null;
        });
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#comparing;
  }

  /**
   * Takes the applet's next report; one that was taken before is acknowledged again.
   * @returns the count that is acknowledged, once it is on the disk
   */
  async report(sessionId: SessionId, signed: AppletSigned): Promise<{ acknowledged: number }> {
    const { store, sessions, clock } = this.#options;
    const session = await sessions.get(sessionId);
    checkAppletBytes(REPORT_DOMAIN, signed, session.appletKey);
    const report = parseReport(signed.payload); // from here on it is what this session's applet said
    if (report.sid !== sessionId) throw refused('a report of another session');
    const hash = createHash('sha256').update(signed.payload).digest('base64url');
    const anomaly = await store.core.transaction(async tx => {
      const now = await sessions.get(sessionId, tx);
      if (report.count <= now.reportCount) return this.#repeated(tx, now, report, hash);
      const found = anomalyOf(now, report);
      if (found !== null)
        await this.#tellAnomaly(tx, sessionId, found, { expected: now.reportCount + 1, got: report.count });
      await changeIn(tx, sessionId, now.state, { reportCount: report.count, reportHash: hash });
      await this.#write(tx, sessionId, report, signed);
      await this.#writePause(tx, now, report);
      const stage = stages.find(name => name === report.stage);
      const consentId = toBase64Url(report.consentId);
      if (stage !== undefined) {
        await putStage(tx, { sessionId, consentId, action: report.action, stage, source: 'applet', at: clock.now() });
      }
      return found;
    });
    const after = await sessions.get(sessionId);
    if (anomaly !== null) sessions.tell(after, `action.${anomaly}`);
    sessions.tell(after, `action.${report.stage}`);
    return { acknowledged: after.reportCount };
  }

  /** Keeps the receipt of an answer, whatever it was (D-06). */
  async consent(sessionId: SessionId, signed: AppletSigned): Promise<ConsentReceipt> {
    const { store, audit, sessions } = this.#options;
    const session = await sessions.get(sessionId);
    checkAppletBytes(CONSENT_DOMAIN, signed, session.appletKey);
    const receipt = parseReceipt(signed.payload);
    if (receipt.sid !== sessionId) throw refused('a receipt of another session');
    const { action, answer, wording, language, ttlMs, sub } = receipt;
    const subject = toBase64Url(receipt.consentId);
    await store.core.transaction(tx =>
      audit.append(tx, {
        event: 'action.consent',
        actor: customerActor,
        sessionId,
        subject,
        detail: { action, answer, wording, language, ttlMs, technician: sub },
        body: evidence(signed),
      }),
    );
    return receipt;
  }

  /** What the technician's console says it did. */
  async fromConsole(
    sessionId: SessionId,
    actor: Actor,
    told: { consentId: string; action: string; stage: (typeof stages)[number] },
  ): Promise<void> {
    const { store, audit, sessions, clock } = this.#options;
    if (!/^[A-Za-z0-9_-]{22}$/.test(told.consentId) || !/^[a-z][a-z0-9-]{0,63}$/.test(told.action)) {
      throw new ApplianceError('malformed', 'action.malformed', 'that is no action');
    }
    await store.core.transaction(async tx => {
      const { ownerId } = await sessions.get(sessionId, tx);
      if (ownerId !== actor.id) throw refused('the session is another technician’s');
      await putStage(tx, { sessionId, ...told, source: 'console', at: clock.now() });
      const detail = { action: told.action, stage: told.stage };
      await audit.append(tx, { event: 'action.console-said', actor, sessionId, subject: told.consentId, detail });
    });
  }

  /** Logs and shows, once each, where the two sources have differed for too long. @returns how many */
  async compare(): Promise<number> {
    const { store, sessions, clock } = this.#options;
    const rows = await listMismatches(store.core.read, clock.now() - MISMATCH_AFTER_MS);
    for (const row of rows) {
      const sessionId = parseSessionId(row.sessionId);
      await store.core.transaction(async tx => {
        if (!(await markMismatch(tx, sessionId, row.consentId))) return;
        const detail = {
          action: row.action,
          applet: row.appletStage ?? 'nothing',
          console: row.consoleStage ?? 'nothing',
        };
        await this.#tellAnomaly(tx, sessionId, 'mismatch', detail, row.consentId);
      });
      sessions.tell(await sessions.get(sessionId), 'action.mismatch');
    }
    return rows.length;
  }

  async #repeated(tx: Transaction, { id, reportCount, reportHash }: SessionRow, report: Report, hash: string) {
    const isAnother = report.count === reportCount && hash !== reportHash;
    if (!isAnother) return null; // its acknowledgement was lost
    await this.#tellAnomaly(tx, id, 'report-fork', { expected: reportCount + 1, got: report.count });
    return 'report-fork' as const;
  }

  async #write(tx: Transaction, sessionId: SessionId, report: Report, signed: AppletSigned): Promise<void> {
    const { audit } = this.#options;
    const isChat = report.stage === 'chat';
    // A chat line's digest would give a short text away once the text is erased: it stays within the sealed body.
    const detail: AuditDetail = {
      action: report.action,
      count: report.count,
      note: report.detail === '' ? null : report.detail,
      sha256: isChat || report.digest.every(byte => byte === 0) ? null : Buffer.from(report.digest).toString('hex'),
    };
    const subject = toBase64Url(report.consentId);
    const body = evidence(signed);
    await audit.append(tx, { event: `action.${report.stage}`, actor: customerActor, sessionId, subject, detail, body });
    if (isChat) await this.#compareLine(tx, sessionId, report);
  }

  /** A recording was paused, or goes on: by whom, whatever the applet calls it. */
  async #writePause(tx: Transaction, session: SessionRow, { action, stage, detail: by, at }: Report): Promise<void> {
    if (action !== RECORDING || (stage !== 'paused' && stage !== 'resumed')) return;
    const { id: sessionId, ownerId, ownerName, groupId } = session;
    const technician: Actor = { kind: 'member', id: ownerId, name: ownerName, address: null };
    const { audit, groups } = this.#options;
    const event = stage === 'paused' ? 'recording.paused' : 'recording.gone-on';
    const actor = by === 'technician' ? technician : applianceActor;
    await audit.append(tx, { event, actor, sessionId, detail: { by, reportedAt: at } });
    const { policy } = await groups.effective(groupId);
    if (stage === 'paused' && !policy.pauseRecording) await this.#tellAnomaly(tx, sessionId, 'pause-barred', { by });
  }

  async #compareLine(tx: Transaction, sessionId: SessionId, report: Report): Promise<void> {
    const stored = await this.#options.chat.digestOf(sessionId, report.detail);
    if (stored === undefined || Buffer.from(stored).equals(report.digest)) return;
    await this.#tellAnomaly(tx, sessionId, 'chat-mismatch', { line: report.detail });
  }

  async #tellAnomaly(tx: Transaction, sessionId: SessionId, what: string, detail: AuditDetail, subject?: string) {
    const { audit } = this.#options;
    this.#anomalies.add({ what });
    const about = subject === undefined ? {} : { subject };
    await audit.append(tx, { event: `action.${what}`, actor: applianceActor, sessionId, detail, ...about });
  }
}

function anomalyOf({ reportCount, reportHash }: SessionRow, report: Report): 'report-gap' | 'report-fork' | null {
  if (report.count > reportCount + 1) return 'report-gap';
  return toBase64Url(report.previous) === (reportHash ?? NO_HASH) ? null : 'report-fork';
}

function evidence({ payload, signature }: AppletSigned): Uint8Array {
  return Buffer.from(JSON.stringify({ payload: toBase64Url(payload), signature: toBase64Url(signature) }), 'utf8');
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'report.refused', why);
}

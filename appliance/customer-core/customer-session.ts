// The customer's side of a support session: the one implementation that the applet and the browser's Worker run. It gets in,
// holds the session (claimed-session.ts), and writes the record at its end.
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import type { WindowReport } from '../protocol/customer-window.ts';
import { signedMessage } from '../protocol/signed.ts';
import { ClaimedSession } from './claimed-session.ts';
import { type CustomerReport, customerReport, type HostLog } from './host-log.ts';
import { LegEntry } from './leg.ts';
import { Legs } from './legs.ts';
import type { AppletSigner } from './objects.ts';
import { type CustomerSessionOptions, Refusals } from './session-parts.ts';

/** So long the end waits for the appliance: its last acknowledgements and the head of its log. */
const END_MS = 3000;

export class CustomerSession {
  readonly refused = new Refusals();
  readonly #options: CustomerSessionOptions;
  readonly #sign: AppletSigner;
  readonly #entry: LegEntry;
  readonly #legs: Legs;
  readonly #head = Promise.withResolvers<string>();
  #claimed: ClaimedSession | null = null;
  #ending: Promise<void> | null = null;
  #stopWatching: () => void = () => undefined;
  #isVisible = true;
  /** The appliance has said that the session is over: it hears nothing more of it. */
  #isOverThere = false;

  constructor(options: CustomerSessionOptions) {
    const { clock, crypto, entry, platform, language, gateways, key } = options;
    this.#options = options;
    this.#sign = (domain, payload) => key.sign(signedMessage(domain, payload));
    this.#entry = new LegEntry({ crypto, entry, platform, language, spki: key.spki, sign: this.#sign });
    this.#legs = new Legs({
      ...{ clock, gateways, entry: this.#entry, random: crypto.randomBytes, open: options.openLeg },
      waiting: retryAt => this.#waiting(retryAt),
      malformed: () => this.refused.count('leg-message'),
    });
  }

  /** Claims the session. @throws ApplianceError `leg.refused` when the entry is not good; `leg.closed` when it was ended */
  async start(): Promise<void> {
    const { crypto, view } = this.#options;
    const claimed = await this.#legs.start();
    const [psk, staticKey] = await Promise.all([this.#entry.psk(claimed.sid), crypto.generateKeyPair()]);
    if (this.#ending !== null) throw new ApplianceError('unavailable', 'leg.closed', 'it was given up');
    view.clearNotice('no-gateway');
    const session = new ClaimedSession({
      ...{ options: this.#options, legs: this.#legs, sign: this.#sign, refusals: this.refused },
      ...{ claimed, psk, staticKey },
      end: (reason, head) => {
        if (head !== undefined) this.#head.resolve(head);
        this.#isOverThere ||= head !== undefined;
        void this.end(reason);
      },
    });
    this.#claimed = session;
    session.windowVisible(this.#isVisible);
    this.#stopWatching =
      this.#options.desktop?.watchPresence?.(isAway => this.customerAway(isAway)) ?? this.#stopWatching;
    this.#legs.listen({
      message: message => session.message(message),
      renewed: () => session.renewed(),
      refused: () => void this.end('not-known-any-more'),
    });
  }

  /** The customer's answer to the question on the screen; an id of another one is nothing. */
  answer(consentId: string, answer: 'yes' | 'no'): void {
    try {
      this.#claimed?.answer(fromBase64Url(consentId), answer);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.refused.count('command');
    }
  }

  chat(text: string): void {
    if (this.#claimed?.chat.say(text) === false) this.refused.count('command');
  }

  typing(isTyping: boolean): void {
    this.#claimed?.chat.typing(isTyping);
  }

  codes(match: boolean): void {
    this.#claimed?.codes(match);
  }

  /** Stops one thing that runs, by its id in the window's state; it has stopped when this returns. */
  stop(id: string): void {
    this.#claimed?.stop(id);
  }

  /** The customer holds back what is seen and done, or lets it go on. */
  pause(isPaused: boolean): void {
    this.#claimed?.pause(isPaused);
  }

  windowVisible(isVisible: boolean): void {
    this.#isVisible = isVisible;
    this.#claimed?.windowVisible(isVisible);
  }

  /** The screen was locked, or the customer is back. */
  customerAway(isAway: boolean): void {
    if (isAway) this.#claimed?.rights.presence.left();
    else this.#claimed?.rights.presence.returned();
  }

  /** Ends everything; the rights are gone before the first await. Resolves when log and report are written. */
  end(reason: string): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  #waiting(retryAt: number | null): void {
    const { view } = this.#options;
    if (this.#claimed !== null) view.notice('connection-lost', { retryAt });
    else if (retryAt !== null) view.notice('no-gateway', { retryAt });
  }

  async #end(reason: string): Promise<void> {
    const { view, over } = this.#options;
    const session = this.#claimed;
    session?.halt(reason);
    this.#stopWatching();
    const nothing = {
      technician: null,
      isTyping: false,
      mayWrite: false,
      running: [],
      isPaused: false,
      recording: 'none' as const,
      recordingPausedAt: null,
      shortString: null,
    };
    view.update({ ...nothing, question: null, phase: 'ended' });
    try {
      await this.#close(session, reason);
      if (session !== null) await this.#record(session, reason);
    } finally {
      this.#legs.close();
      this.#entry.erase();
      over(reason);
    }
  }

  /** The link outlives the rights for the last receipts, where the appliance still hears what was proved; never longer. */
  async #close(session: ClaimedSession | null, reason: string): Promise<void> {
    try {
      if (!this.#isOverThere) await session?.settled();
    } finally {
      session?.close(reason);
    }
  }

  async #record(session: ClaimedSession, reason: string): Promise<void> {
    await this.#tellLast(session);
    this.#legs.send({ type: 'end', reason });
    const logHead = await this.#lastHead();
    session.log('session-ended', { detail: reason });
    const { hostLog, sid, organisation, startedAt } = session;
    const appletKey = toBase64Url(await this.#options.crypto.sha256(this.#options.key.spki));
    const facts = { sid, organisation, appletKey, startedAt, endedAt: this.#options.clock.now(), logHead };
    const report = customerReport({ ...facts, lines: hostLog.lines });
    const isComplete = written(hostLog, report) && !session.isLogBroken;
    this.#options.view.update({ report: { ...windowReport(report, facts, hostLog.path), isComplete } });
  }

  /** What was still to be reported; without a leg it can't be, and the log on this computer has it all the same. */
  async #tellLast({ chat, rights, reports }: ClaimedSession): Promise<void> {
    try {
      await chat.close();
      const dropped = Object.entries(rights.grants.dropped).filter(([, count]) => count > 0);
      const detail = dropped.map(([why, count]) => `${why} ${count}`).join(', ');
      if (detail !== '') await reports.tell({ stage: 'input-dropped', action: 'input', detail });
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.refused.count('command');
    }
  }

  #lastHead(): Promise<string> {
    if (!this.#legs.isUp) this.#head.resolve('');
    const cancel = this.#options.clock.after(END_MS, () => this.#head.resolve(''));
    return this.#head.promise.finally(cancel);
  }
}

/** @returns whether all of it could be written (a full disk, say); the customer sees it in any case */
function written(hostLog: HostLog, report: CustomerReport): boolean {
  try {
    hostLog.report(report);
    hostLog.close();
    return true;
  } catch {
    return false;
  }
}

function windowReport(
  report: CustomerReport,
  { startedAt, endedAt }: { readonly startedAt: number; readonly endedAt: number },
  logPath: string | null,
): Omit<WindowReport, 'isComplete'> {
  const { technicians, rights, files, reboots, warnings, session } = report;
  const file = { name: `support-session-${session}.json`, text: `${JSON.stringify(report, null, 2)}\n` };
  return { startedAt, endedAt, technicians, rights, files, reboots, warnings, logPath, file };
}

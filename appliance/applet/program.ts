// The applet from start to end: shows its window, waits for "Start", finds a gateway, hands over to the session, and leaves
// nothing behind but the log. The session is claimed only after "Start" was pressed, so that a scanner that merely runs
// this file uses nothing up.
import type { Clock } from '../clock.ts';
import type { Desktop } from '../customer-core/desktop.ts';
import { WindowModel } from '../customer-core/window-model.ts';
import { ApplianceError } from '../errors.ts';
import type { NoticeKind, WindowCommand, WindowReport } from '../protocol/customer-window.ts';
import { type OpenedBrowser, openBrowser } from './browser.ts';
import type { AppletConfiguration } from './configuration.ts';
import type { IsOwnConnection } from './connection-owner.ts';
import { findGateway } from './gateways.ts';
import type { OwnTag } from './own-tag.ts';
import type { AppletSession, EndedBy, SessionEntry, StartSession } from './session-port.ts';
import type { WindowFile } from './window-answers.ts';
import { CODE_LIFETIME_MS, WindowServer } from './window-server.ts';

/** The window stays so long after the end, for the customer to read what was done. */
const REPORT_MS = 30 * 60_000;
/** A slow computer's browser gets a second address; then we give up. */
const MAX_OPENINGS = 3;
const TROUBLES = ['no-gateway', 'proxy-refused'] as const;

const nothingKnown: WindowReport = {
  ...{ isComplete: false, startedAt: null, endedAt: null, technicians: [], rights: [], files: [], reboots: 0 },
  ...{ warnings: [], logPath: null, file: null },
};

export interface ProgramOptions {
  readonly configuration: AppletConfiguration;
  readonly tag: OwnTag;
  readonly windowFiles: ReadonlyMap<string, WindowFile>;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFolder: string;
  readonly desktop: Desktop | null;
  readonly isOwn: IsOwnConnection;
  readonly startSession: StartSession;
}

export class AppletProgram {
  readonly #options: ProgramOptions;
  readonly #model: WindowModel;
  readonly #window: WindowServer;
  readonly #stopping = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #browser: OpenedBrowser | null = null;
  #session: AppletSession | null = null;
  #isConnecting = false;
  #isVisible = false;
  #isEnded = false;
  #isClosing = false;

  constructor(options: ProgramOptions) {
    const { clock, windowFiles: files, isOwn, configuration } = options;
    this.#options = options;
    this.#model = new WindowModel(configuration.organisation);
    this.#window = new WindowServer({
      ...{ clock, files, isOwn, model: this.#model },
      command: command => void this.#command(command),
      visible: isVisible => {
        this.#isVisible = isVisible;
        this.#session?.windowVisible(isVisible);
      },
      ended: why => void this.close(why),
    });
  }

  /** Resolves when everything is over and cleaned up. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** @throws ApplianceError `window.no-browser` */
  async start(): Promise<void> {
    if (this.#options.tag.tag === null) this.#askForPin(this.#options.tag.why === 'missing' ? null : 'code-expired');
    await this.#window.listen();
    await this.#show(1);
  }

  /** Ends the session, the window and the browser. */
  async close(by: EndedBy): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    await this.#end(by);
    await this.#window.close();
    await this.#browser?.close();
    this.#closed.resolve();
  }

  /** Each opening has an address of its own; a browser that did not come within its time gets no second try with it. */
  async #show(opening: number): Promise<void> {
    await this.#browser?.close();
    const browser = await openBrowser(this.#window.newAddress(), this.#options.environment);
    this.#browser = browser;
    browser.gone.then(() => {
      if (this.#browser === browser && this.#window.isOpen) void this.close('window-closed');
    });
    this.#options.clock.after(CODE_LIFETIME_MS, () => {
      if (this.#window.isOpen || this.#isClosing) return;
      if (opening >= MAX_OPENINGS) return void this.close('window-closed');
      this.#show(opening + 1).catch(() => this.close('window-closed'));
    });
  }

  async #command(command: WindowCommand): Promise<void> {
    const { tag } = this.#options.tag;
    const { phase } = this.#model.state;
    switch (command.type) {
      case 'start':
        return phase === 'start' && tag !== null ? this.#connect({ kind: 'tag', tag }) : undefined;
      case 'pin':
        return phase === 'pin' ? this.#connect({ kind: 'pin', pin: command.pin }) : undefined;
      case 'end':
        return this.#end('customer');
      case 'answer':
        return this.#session?.answer(command.consentId, command.answer);
      case 'chat':
        return this.#session?.chat(command.text);
      case 'typing':
        return this.#session?.typing(command.typing);
      case 'codes':
        return this.#session?.codes(command.match);
      case 'stop':
        return this.#session?.stop(command.id);
      case 'pause':
        return this.#session?.pause(command.paused);
    }
  }

  async #connect(entry: SessionEntry): Promise<void> {
    if (this.#isConnecting || this.#isEnded) return;
    this.#isConnecting = true;
    this.#model.clearNotice('pin-refused', 'code-expired', 'no-gateway', 'no-record');
    this.#model.update({ phase: 'connecting' });
    const { signal } = this.#stopping;
    try {
      const { configuration, environment, clock, logFolder, desktop, startSession } = this.#options;
      const waiting = (error: ApplianceError, delayMs: number) => {
        this.#model.clearNotice(...TROUBLES);
        this.#model.notice(troubleOf(error), { retryAt: clock.now() + delayMs });
      };
      const gateway = await findGateway({ configuration, environment, clock, waiting }, signal);
      this.#model.clearNotice(...TROUBLES);
      if (signal.aborted) return void gateway.connection.destroy();
      const over = () => void this.#end('customer');
      const parts = { configuration, entry, gateway, model: this.#model, clock, logFolder, environment, desktop };
      const session = await startSession({ ...parts, over, stopping: signal });
      this.#session = session;
      session.windowVisible(this.#isVisible);
      if (this.#isEnded) await session.end('customer'); // it was pressed while we were getting there
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApplianceError && error.code === 'host-log.unavailable') this.#backToStart(entry);
      else this.#askForPin(error instanceof ApplianceError && isRefusal(error) ? 'pin-refused' : 'no-gateway');
    } finally {
      this.#isConnecting = false;
    }
  }

  #backToStart({ kind }: SessionEntry): void {
    this.#model.notice('no-record');
    this.#model.update({ phase: kind === 'tag' ? 'start' : 'pin' });
  }

  #askForPin(kind: NoticeKind | null): void {
    if (kind !== null) this.#model.notice(kind);
    this.#model.update({ phase: 'pin' });
  }

  /** The window stays with the report in it; closing it ends the program. */
  async #end(by: EndedBy): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stopping.abort();
    try {
      await this.#session?.end(by);
    } catch {
      // The rights are gone all the same; what could not be written (a full disk, say) the customer is told.
      this.#model.update({ report: { ...nothingKnown, logPath: this.#options.logFolder } });
    }
    const nothing = { technician: null, running: [], question: null, shortString: null, mayWrite: false };
    this.#model.update({ ...nothing, phase: 'ended' });
    this.#options.clock.after(REPORT_MS, () => void this.close(by));
  }
}

function isRefusal({ kind }: ApplianceError): boolean {
  return kind === 'refused' || kind === 'unauthenticated';
}

function troubleOf(error: ApplianceError): NoticeKind {
  return error.code.startsWith('proxy.') ? 'proxy-refused' : 'no-gateway';
}

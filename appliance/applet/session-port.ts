// The seam between this program and what runs on its connection: own leg, link, consent and grants. The program finds a
// gateway, shows the window and keeps the log; the session does everything else and writes what the customer sees.
import type { Clock } from '../clock.ts';
import type { Desktop } from '../customer-core/desktop.ts';
import type { WindowModel } from '../customer-core/window-model.ts';
import type { SessionTag } from '../protocol/tag.ts';
import type { AppletConfiguration } from './configuration.ts';
import type { ChosenGateway } from './gateways.ts';

/** How the customer came: by this download's tag, or by a typed PIN. */
export type SessionEntry =
  | { readonly kind: 'tag'; readonly tag: SessionTag }
  | { readonly kind: 'pin'; readonly pin: string };

export type EndedBy = 'customer' | 'window-closed' | 'code-used-twice' | 'shut-down';

export interface SessionParts {
  readonly configuration: AppletConfiguration;
  readonly entry: SessionEntry;
  readonly gateway: ChosenGateway;
  readonly model: WindowModel;
  readonly clock: Clock;
  /** What can be seen and done here; null: nothing but chat. */
  readonly desktop: Desktop | null;
  /** For a `HostLogFile`, once the session's number is known. */
  readonly logFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted when the customer ends it all while the session is still being claimed. */
  readonly stopping: AbortSignal;
  /** The session is over, whoever ended it. */
  readonly over: () => void;
}

export interface AppletSession {
  answer(consentId: string, answer: 'yes' | 'no'): void;
  chat(text: string): void;
  typing(isTyping: boolean): void;
  /** What the customer said about the short string. */
  codes(match: boolean): void;
  /** Ends one running action, by its id in the window's state. */
  stop(id: string): void;
  /** Holds back what the technician sees and does, or lets it go on. */
  pause(isPaused: boolean): void;
  /** Without a window the customer sees nothing, so nothing may be done (D-07). */
  windowVisible(isVisible: boolean): void;
  /** Ends everything; the rights are gone before the first await. Resolves when log and report are written. */
  end(by: EndedBy): Promise<void>;
}

/**
 * @throws ApplianceError of kind `refused` or `unauthenticated` when the entry is not good: the PIN is asked for (again);
 * `host-log.unavailable` when there can be no record, before anything was claimed
 */
export type StartSession = (parts: SessionParts) => Promise<AppletSession>;

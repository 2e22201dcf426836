// What the customer's window and the program behind it say to each other: the applet's loopback page and its WebSocket, or
// the page of the entry without download and its Worker. The program sends its whole state each time something changes, so
// that the page has none of its own; chat lines alone go one by one. Types only: the program checks what a page sends
// where that page is not its own code, and the page shows what it gets as text.

export const MAX_CHAT_CHARACTERS = 2000;

export type WindowPhase = 'start' | 'pin' | 'connecting' | 'waiting' | 'active' | 'ended';

/** Things the customer should know of, each as long as it holds. Each has its words in the page. */
export type NoticeKind =
  | 'no-gateway'
  | 'proxy-refused'
  | 'connection-lost'
  | 'technician-lost'
  | 'pin-refused'
  | 'code-expired'
  | 'claimed-twice'
  | 'rights-frozen'
  | 'failed-attempts'
  | 'codes-needed'
  | 'on-hold'
  | 'no-record';

export interface WindowNotice {
  readonly kind: NoticeKind;
  /** ms UTC by this computer's clock, where something is tried again then. */
  readonly retryAt: number | null;
  /** How many, for `failed-attempts`; else 0. */
  readonly count: number;
}

export interface WindowQuestion {
  /** base64url of the consent's id. */
  readonly consentId: string;
  readonly action: string;
  readonly scope: string;
  readonly technician: string;
  /** ms UTC by this computer's clock, when silence becomes a no. */
  readonly silenceAt: number;
  readonly ttlMs: number;
}

export interface RunningAction {
  /** Names it in `stop`. */
  readonly id: string;
  readonly action: string;
  readonly scope: string;
  readonly technician: string;
  /** ms UTC by this computer's clock. */
  readonly since: number;
  /** ms UTC by this computer's clock: it ends by itself then. */
  readonly until: number;
}

/** Who, when, which rights, which files (K-04), and the same as a file to keep. */
export interface WindowReport {
  /** False where the record on this computer could not be written to its end. */
  readonly isComplete: boolean;
  /** ms UTC; null where nothing was begun. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly technicians: readonly string[];
  readonly rights: readonly {
    readonly action: string;
    readonly allowed: number;
    readonly refused: number;
    readonly seconds: number;
  }[];
  readonly files: readonly {
    readonly file: string;
    readonly direction: 'to you' | 'from you';
    readonly bytes: number;
  }[];
  readonly reboots: number;
  readonly warnings: readonly string[];
  /** Where the log lies on this computer; null where there is none. */
  readonly logPath: string | null;
  readonly file: { readonly name: string; readonly text: string } | null;
}

export interface WindowState {
  readonly organisation: string;
  readonly phase: WindowPhase;
  readonly technician: { readonly name: string; readonly since: number } | null;
  readonly isTyping: boolean;
  /** False while no more lines can be taken. */
  readonly mayWrite: boolean;
  readonly running: readonly RunningAction[];
  /** The customer holds back what the technician sees and does. */
  readonly isPaused: boolean;
  /** `on`: what is shown is recorded · `held`: it must be, and can't at the moment, so nothing is shown. */
  readonly recording: 'none' | 'on' | 'held';
  /** ms UTC by this computer's clock, since when the technician has paused what he records; null while he has not. */
  readonly recordingPausedAt: number | null;
  /** The key that stops everything wherever it is pressed, as it is printed; null where there is none. */
  readonly stopKey: string | null;
  /** To be compared by voice; null while there is none. */
  readonly shortString: { readonly text: string; readonly state: 'open' | 'match' | 'differ' } | null;
  readonly question: WindowQuestion | null;
  readonly notices: readonly WindowNotice[];
  readonly report: WindowReport | null;
}

export interface WindowChatLine {
  /** A line that is told again is the same line. */
  readonly id: string;
  readonly from: 'customer' | 'technician' | 'appliance';
  readonly name: string;
  readonly text: string;
  readonly at: number;
  /** The customer's line has not been confirmed yet. */
  readonly isPending: boolean;
}

export type ToWindow =
  | { readonly type: 'state'; readonly state: WindowState }
  | { readonly type: 'chat'; readonly line: WindowChatLine };

export type WindowCommand =
  | { readonly type: 'start' }
  | { readonly type: 'pin'; readonly pin: string }
  | { readonly type: 'answer'; readonly consentId: string; readonly answer: 'yes' | 'no' }
  | { readonly type: 'chat'; readonly text: string }
  | { readonly type: 'typing'; readonly typing: boolean }
  | { readonly type: 'codes'; readonly match: boolean }
  | { readonly type: 'stop'; readonly id: string }
  | { readonly type: 'pause'; readonly paused: boolean }
  | { readonly type: 'end' };

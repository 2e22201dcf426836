// What a page and its link's Worker say to each other. Bytes of messages pass as they are; keys never leave the Worker.
import type { PathKind } from '../protocol/attach.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { RecordingState } from '../protocol/recording.ts';
import type { UploadState } from './recording-upload.ts';

/** Open as long as the link is. */
export const linkStreams = ['chat', 'consent'] as const;
export type LinkStreamName = (typeof linkStreams)[number];
/** Opened when a grant has started, ended with it, and opened again with the next one. */
export const grantStreams = ['screen', 'input'] as const;
export type GrantStreamName = (typeof grantStreams)[number];

/** RESET of a stream whose peer says what it must not. */
export const RESET_MALFORMED = 2;
/** RESET of a stream this console does not know. */
export const RESET_UNKNOWN = 3;
/** RESET of a stream that is not wanted any more. */
export const RESET_DONE = 4;

export interface LinkFault {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface LinkPathView {
  /** Id of the gateway in between; null for a direct path. */
  readonly gateway: string | null;
  readonly kind: PathKind;
  readonly active: boolean;
  readonly roundTripMs: number | null;
}

/**
 * `connecting`: there is no link yet, or none any more · `open` · `detached`: the link lives on without a path ·
 * `failed`: given up, until somebody asks for it again · `off`: not wanted.
 */
export type LinkPhase = 'off' | 'connecting' | 'open' | 'detached' | 'failed';

export interface LinkView {
  readonly phase: LinkPhase;
  /** Of the last link, base64url; another one means another handshake: codes and consents begin anew. */
  readonly linkId: string | null;
  readonly shortString: string | null;
  readonly paths: readonly LinkPathView[];
  /** Handshakes that did not finish: somebody may be trying to stand in between. */
  readonly attemptsFailed: number;
  /** The group wants the codes compared before control. */
  readonly codesMatch: boolean;
  readonly fault: LinkFault | null;
}

export const noLink: LinkView = {
  phase: 'off',
  linkId: null,
  shortString: null,
  paths: [],
  attemptsFailed: 0,
  codesMatch: false,
  fault: null,
};

/** How the recording stands, for the page. */
export interface RecordingView {
  /** Of the picture there is; null where that is not recorded. */
  readonly recorder: UploadState | null;
  readonly isForced: boolean;
  /** How the customer's program takes it. */
  readonly applet: RecordingState;
  /** Nothing is recorded just now, and what was is proved, or given up. */
  readonly isSettled: boolean;
  /** A recording runs that may be paused, or is. */
  readonly mayPause: boolean;
  /** ms UTC by the appliance's clock; null while it is not paused. */
  readonly pausedAt: number | null;
}

export const noRecording: RecordingView = {
  ...{ recorder: null, isForced: false, applet: 'idle', isSettled: true },
  ...{ mayPause: false, pausedAt: null },
};

export type ToLinkWorker =
  | { readonly type: 'start'; readonly sessionId: string }
  | { readonly type: 'send'; readonly linkId: string; readonly stream: LinkStreamName; readonly bytes: Bytes }
  /** The page has dealt with a message; the next one may come. */
  | { readonly type: 'took'; readonly linkId: string; readonly stream: LinkStreamName }
  | { readonly type: 'reset'; readonly linkId: string; readonly stream: LinkStreamName; readonly code: number }
  /** A stream of a grant. `opening` is a number of its own, never used twice, by which it goes from then on. */
  | { readonly type: 'open'; readonly linkId: string; readonly stream: GrantStreamName; readonly opening: number }
  | { readonly type: 'opened-send'; readonly opening: number; readonly bytes: Bytes }
  /** The page has dealt with so many bytes of it. */
  | { readonly type: 'opened-took'; readonly opening: number; readonly length: number }
  | { readonly type: 'opened-reset'; readonly opening: number; readonly code: number }
  /** The technician wants the recording to stop for a while, or to go on. */
  | { readonly type: 'pause-recording'; readonly isPaused: boolean }
  /** Try now what waits to be tried again. */
  | { readonly type: 'hurry' }
  /** Drop the link and make a new one. */
  | { readonly type: 'anew' }
  | { readonly type: 'close' };

export type FromLinkWorker =
  | { readonly type: 'view'; readonly view: LinkView }
  | { readonly type: 'message'; readonly linkId: string; readonly stream: LinkStreamName; readonly bytes: Bytes }
  | { readonly type: 'ended'; readonly linkId: string; readonly stream: LinkStreamName }
  /** Several of them may be on their way; its bytes are handed over, not copied. */
  | { readonly type: 'opened-message'; readonly opening: number; readonly bytes: Bytes }
  /** It carries nothing any more. */
  | { readonly type: 'opened-ended'; readonly opening: number }
  | { readonly type: 'recording'; readonly view: RecordingView }
  | { readonly type: 'signed-out' }
  /** The link has ended and its keys are gone. */
  | { readonly type: 'closed' };

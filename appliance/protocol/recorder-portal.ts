// What the recorder and the portal say to each other over the portal's internal socket. Bytes are base64url, instants ms UTC.
//   POST /internal/recording/authorise  {digest, address}: SHA-256 of a token's bytes, and where it came from → RecordingGrant,
//                                       or 403; the token is used up
//   POST /internal/recording/live       RecordingLive → { isOver }; said again each `LIVE_AGAIN_MS` while it is so, or nothing comes
//   POST /internal/recording/attested   {sid, nonce} → {offset}: how far the applet has signed; null: nothing
//   POST /internal/recording/finished   FinishedRecording → SignedManifest; asked again until it is answered
//   POST /internal/recording/format     {sid} → {format}: what is kept of a finished recording
//   POST /internal/recording/avi        MadeAvi → SignedManifest; asked again until it is answered
//   POST /internal/recording/avi-failed FailedAvi → {}: there will be none
// and what the portal asks of the recorder, on `run/recorder.sock`:
//   POST /avi        AviWish → AviState
//   POST /avi/want   AviWish → AviState: make one; noted for good when it is answered. 404: there is nothing to make it of
import type { SessionId } from '../guid.ts';

export const RECORDING_AUTHORISE_PATH = '/internal/recording/authorise';
export const RECORDING_LIVE_PATH = '/internal/recording/live';
export const RECORDING_ATTESTED_PATH = '/internal/recording/attested';
export const RECORDING_FINISHED_PATH = '/internal/recording/finished';

export const RECORDING_FORMAT_PATH = '/internal/recording/format';
export const RECORDING_AVI_PATH = '/internal/recording/avi';
export const RECORDING_AVI_FAILED_PATH = '/internal/recording/avi-failed';

export const RECORDER_AVI_PATH = '/avi';
export const RECORDER_WISH_PATH = '/avi/want';

export const LIVE_AGAIN_MS = 5000;

/** Whose stream may be brought. */
export interface RecordingGrant {
  readonly sid: SessionId;
  /** The technician's member id. */
  readonly sub: string;
  /** When the session was made, ms UTC: nothing of it was recorded before. */
  readonly since: number;
}

/** A stream is being proved to be recorded, or is not any more. */
export interface RecordingLive {
  readonly sid: SessionId;
  readonly linkId: string;
  readonly nonce: string;
  readonly isLive: boolean;
}

export interface FinishedRecording {
  readonly sid: SessionId;
  readonly linkId: string;
  readonly nonce: string;
  readonly sub: string;
  readonly technician: string;
  readonly forced: boolean;
  readonly startedAt: number;
  readonly durationMs: number;
  /** Without an ending, below `finished/`. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Bytes of the hashed stream that are in it. */
  readonly offset: number;
  /** Whether the applet has said that nothing follows. */
  readonly isWhole: boolean;
  /** Whether it ended because the technician paused the recording. */
  readonly isPaused: boolean;
  /** Nonce of the one it goes on with behind a pause, and how long that was; null and 0 where it follows none. */
  readonly after: string | null;
  readonly pausedMs: number;
  /** The last receipt, which may be for less; null where nothing was proved. */
  readonly receipt: SignedText | null;
  /** How far the applet had signed when the portal was asked, and the receipt for that place where it is not the last one. */
  readonly attested: { readonly offset: number; readonly receipt: SignedText | null } | null;
}

/** Both base64url. */
export interface SignedText {
  readonly payload: string;
  readonly signature: string;
}

/** An AVI that is whole. The manifest signed of it joins its digest to the one the recording's own manifest names. */
export interface MadeAvi {
  readonly sid: SessionId;
  /** As in `FinishedRecording`. */
  readonly name: string;
  /** base64url SHA-256 of the RCREC it was made of. */
  readonly rcrecSha256: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly codec: string;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** Whether the RCREC goes now. */
  readonly isOnly: boolean;
}

export interface FailedAvi {
  readonly sid: SessionId;
  readonly name: string;
  readonly code: string;
}

/** Of which finished recording: nonce of its stream, and its name as in `FinishedRecording`. */
export interface AviWish {
  readonly stream: string;
  readonly name: string;
}

/** `none`: nobody wants one, it is there, or it could not be made; `put-off`: it failed, and is tried again by itself. */
export const AVI_STATES = ['none', 'waiting', 'making', 'put-off'] as const;

export interface AviState {
  readonly state: (typeof AVI_STATES)[number];
  /** While it is made, how far it is. */
  readonly percent: number;
  /** Why it was put off. */
  readonly code: string | null;
}

/** Canonical JSON as it was signed, with `kid` in it. */
export interface SignedManifest {
  readonly kid: string;
  readonly payload: string;
  readonly signature: string;
}

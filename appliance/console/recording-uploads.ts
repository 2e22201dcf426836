// The recorded streams of one session, in its link's Worker: what came of a picture goes to the recorder, and its receipts go
// back to the applet, on whatever link there is then.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Link } from '../link/link.ts';
import type { LinkStream } from '../link/stream.ts';
import type { OpenSocket } from '../link/web-socket-path.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { recordedBytes } from '../protocol/recorded-stream.ts';
import {
  parseRecordingNews,
  RECORDING_PRIORITY,
  RECORDING_STREAM,
  type RecordingMessage,
  type RecordingNews,
  writeRecording,
} from '../protocol/recording.ts';
import { parseMark } from '../protocol/recording-marks.ts';
import { KIND_MARK, KIND_RFB } from '../protocol/screen.ts';
import { RESET_MALFORMED, type RecordingView } from './link-messages.ts';
import { RecordingUpload } from './recording-upload.ts';

/** Of earlier pictures, until their last receipt has come. */
const MAX_UPLOADS = 8;
/** What the applet has sent before it heard that it is over is on its way for so long at most. */
const LAST_WORD_MS = 3000;

const nothingSaid: RecordingNews = { state: 'idle', nonce: null, mayPause: false, pausedAt: null };

export interface RecordingUploadsParts {
  readonly clock: Clock;
  readonly connect: () => Promise<OpenSocket>;
  readonly tell: (view: RecordingView) => void;
}

/** What one picture brings. */
export interface RecordedPicture {
  /** A message of `screen`, as it came. */
  take(message: Bytes): void;
  ended(): void;
  readonly isRecorded: boolean;
  /** Nobody looks at it any more: a moment later, or when it has ended, `drop` is called. */
  leave(drop: () => void): void;
}

export class RecordingUploads {
  readonly #parts: RecordingUploadsParts;
  readonly #uploads: RecordingUpload[] = [];
  #current: { readonly upload: RecordingUpload; readonly isForced: boolean } | null = null;
  #stream: LinkStream | null = null;
  #applet: RecordingNews = nothingSaid;
  #told = '';
  #finished: (() => void) | null = null;

  constructor(parts: RecordingUploadsParts) {
    this.#parts = parts;
  }

  linkBegun(link: Link): void {
    const stream = link.openStream(RECORDING_STREAM, RECORDING_PRIORITY);
    this.#stream = stream;
    this.#applet = nothingSaid;
    const over = () => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#applet = { ...this.#applet, mayPause: false, pausedAt: null };
      this.#changed();
    };
    stream.listen({ message: bytes => this.#heard(stream, bytes), ended: over, reset: over });
  }

  /** What came of it, the customer's program tells. */
  pause(isPaused: boolean): void {
    this.#say({ type: 'pause', paused: isPaused });
  }

  /** A picture was asked for; whether it is recorded, its first message says. */
  picture(): RecordedPicture {
    let upload: RecordingUpload | null | undefined;
    let cancel: Cancel = () => undefined;
    const ended = () => {
      cancel();
      upload?.end();
      if (this.#current !== null && this.#current.upload === upload) this.#current = null;
      this.#changed();
    };
    return {
      ended,
      get isRecorded() {
        return upload != null;
      },
      leave: drop => {
        cancel = this.#parts.clock.after(LAST_WORD_MS, () => {
          ended();
          drop();
        });
      },
      take: message => {
        if (message[0] !== KIND_MARK && message[0] !== KIND_RFB) return;
        upload ??= upload === undefined ? this.#begin(message) : null;
        upload?.add(recordedBytes(message));
      },
    };
  }

  /** Resolves when all is proved that can be, or after so long; what is left then is given up. */
  finished(patienceMs: number): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        cancel();
        this.#finished = null;
        for (const upload of this.#uploads) upload.close();
        resolve();
      };
      const cancel = this.#parts.clock.after(patienceMs, done);
      this.#finished = done;
      this.#lookFinished();
    });
  }

  #lookFinished(): void {
    if (this.#uploads.every(({ isOver }) => isOver)) this.#finished?.();
  }

  #begin(message: Bytes): RecordingUpload | null {
    if (message[0] !== KIND_MARK) return null;
    const mark = parseMark(message.subarray(1));
    if (mark.type !== 'begin') throw new ApplianceError('malformed', 'protocol.malformed', 'it does not begin');
    const upload: RecordingUpload = new RecordingUpload({
      ...{ clock: this.#parts.clock, connect: this.#parts.connect, nonce: mark.nonce },
      proved: receipt => this.#say({ type: 'receipt', ...receipt }),
      changed: () => this.#uploadChanged(upload),
    });
    this.#uploads.push(upload);
    while (this.#uploads.length > MAX_UPLOADS) this.#uploads.shift()?.close();
    this.#current = { upload, isForced: mark.forced };
    this.#changed();
    return upload;
  }

  #uploadChanged(upload: RecordingUpload): void {
    const isLost = upload.state === 'lost' || upload.state === 'refused';
    if (isLost) this.#say({ type: 'lost', nonce: upload.nonce });
    this.#changed();
    this.#lookFinished();
  }

  #heard(stream: LinkStream, bytes: Bytes): void {
    try {
      this.#applet = parseRecordingNews(bytes);
      if (this.#applet.nonce !== null) this.#owed(this.#applet.nonce);
      this.#changed();
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      stream.reset(RESET_MALFORMED);
    }
  }

  /** The applet waits for the last receipt of an earlier stream: it may have been lost with the link. */
  #owed(nonce: Bytes): void {
    const upload = this.#uploads.find(one => equalBytes(one.nonce, nonce));
    if (upload === undefined || upload.state === 'lost' || upload.state === 'refused')
      this.#say({ type: 'lost', nonce });
    else if (upload.receipt !== null) this.#say({ type: 'receipt', ...upload.receipt });
  }

  #say(message: RecordingMessage): void {
    try {
      this.#stream?.send(writeRecording(message));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error; // it has just ended: the applet asks on the next one
    }
  }

  #changed(): void {
    const { upload, isForced = false } = this.#current ?? {};
    const isSettled = this.#current === null && this.#uploads.every(({ isOver }) => isOver);
    const { state: applet, mayPause, pausedAt } = this.#applet;
    const view = { recorder: upload?.state ?? null, isForced, applet, isSettled, mayPause, pausedAt };
    const text = JSON.stringify(view);
    if (text === this.#told) return;
    this.#told = text;
    this.#parts.tell(view);
  }
}

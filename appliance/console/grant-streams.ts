// The streams of grants on one link, in its Worker. A picture is large and never waits for a round trip to the page:
// messages go there one after the other, up to a bound, and the peer's credit grows as the page has dealt with them.
import { ApplianceError } from '../errors.ts';
import { STREAM_CREDIT_BYTES } from '../link/limits.ts';
import type { Link } from '../link/link.ts';
import type { LinkStream } from '../link/stream.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { INPUT_PRIORITY, SCREEN_PRIORITY } from '../protocol/screen.ts';
import {
  type FromLinkWorker,
  type GrantStreamName,
  RESET_DONE,
  RESET_MALFORMED,
  type ToLinkWorker,
} from './link-messages.ts';
import type { RecordedPicture, RecordingUploads } from './recording-uploads.ts';

/** Given to the page and not dealt with yet. */
export const MAX_UNDER_WAY_BYTES = STREAM_CREDIT_BYTES;

const priorities: Readonly<Record<GrantStreamName, number>> = { screen: SCREEN_PRIORITY, input: INPUT_PRIORITY };

export type GrantStreamCommand = Extract<ToLinkWorker, { type: 'open' | `opened-${string}` }>;
/** @param handedOver memory that is the receiver's from then on */
export type Tell = (message: FromLinkWorker, handedOver?: readonly ArrayBuffer[]) => void;

interface Opened {
  readonly stream: LinkStream;
  readonly picture: RecordedPicture | null;
  underWay: number;
  /** Lets the next message come. */
  next: (() => void) | null;
}

export class GrantStreams {
  readonly #link: Link;
  readonly #linkId: string;
  readonly #tell: Tell;
  readonly #recordings: Pick<RecordingUploads, 'picture'>;
  readonly #opened = new Map<number, Opened>();

  /** @param recordings to be shown every message of a picture */
  constructor(link: Link, linkId: string, tell: Tell, recordings: Pick<RecordingUploads, 'picture'>) {
    this.#link = link;
    this.#linkId = linkId;
    this.#tell = tell;
    this.#recordings = recordings;
  }

  handle(command: GrantStreamCommand): void {
    if (command.type === 'open') {
      if (command.linkId === this.#linkId) this.#open(command.stream, command.opening);
      else this.#tell({ type: 'opened-ended', opening: command.opening });
      return;
    }
    const opened = this.#opened.get(command.opening);
    if (opened === undefined) return; // it has ended, which the page is about to hear
    if (command.type === 'opened-send') this.#send(command.opening, opened.stream, command.bytes);
    else if (command.type === 'opened-took') took(opened, command.length);
    else this.#reset(command.opening, opened.stream, command.code);
  }

  #open(name: GrantStreamName, opening: number): void {
    const picture = name === 'screen' ? this.#recordings.picture() : null;
    const ended = () => {
      picture?.ended();
      if (this.#opened.delete(opening)) this.#tell({ type: 'opened-ended', opening });
    };
    try {
      const stream = this.#link.openStream(name, priorities[name]);
      const opened: Opened = { stream, picture, underWay: 0, next: null };
      this.#opened.set(opening, opened);
      stream.listen({ message: bytes => this.#received(opening, opened, bytes), ended, reset: ended });
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#tell({ type: 'opened-ended', opening }); // the link has just closed, or has as many as it may have
    }
  }

  #received(opening: number, opened: Opened, received: Bytes): Promise<void> | undefined {
    const isWanted = this.#opened.has(opening);
    if (!this.#record(opening, opened, received) || !isWanted) return undefined;
    // The rest of a record stays readable when a message that is a part of it leaves this thread.
    const bytes = received.length === received.buffer.byteLength ? received : received.slice();
    opened.underWay += bytes.length;
    const isFull = opened.underWay >= MAX_UNDER_WAY_BYTES;
    this.#tell({ type: 'opened-message', opening, bytes }, [bytes.buffer]);
    if (!isFull) return undefined;
    return new Promise(resolve => {
      opened.next = resolve;
    });
  }

  /** Before the page has it, for its memory goes there. @returns false for what begins like a recording, and is none */
  #record(opening: number, { stream, picture }: Opened, message: Bytes): boolean {
    try {
      picture?.take(message);
      return true;
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#reset(opening, stream, RESET_MALFORMED);
      this.#tell({ type: 'opened-ended', opening });
      return false;
    }
  }

  #send(opening: number, stream: LinkStream, bytes: Bytes): void {
    try {
      stream.send(bytes);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      // A peer that makes the viewer answer and reads none of it.
      this.#reset(opening, stream, RESET_MALFORMED);
      this.#tell({ type: 'opened-ended', opening });
    }
  }

  #reset(opening: number, stream: LinkStream, code: number): void {
    const picture = this.#opened.get(opening)?.picture ?? null;
    this.#opened.delete(opening);
    // The page has done with it; a recording has not before the applet has said its last word.
    if (picture?.isRecorded === true && code === RESET_DONE) {
      picture.leave(() => stream.reset(code));
      return;
    }
    picture?.ended();
    stream.reset(code);
  }
}

function took(opened: Opened, length: number): void {
  opened.underWay -= length;
  if (opened.underWay >= MAX_UNDER_WAY_BYTES) return;
  const { next } = opened;
  opened.next = null;
  next?.();
}

// One console's connection: first the name of a stream, then its bytes, one piece after the other. What is not dealt with is
// not read, so that a stream that can't be written now waits in the console, and its applet stops.
import type { RawData, WebSocket } from 'ws';
import type { Cancel, Clock } from '../../clock.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import type { RecordingGrant } from '../../protocol/recorder-portal.ts';
import {
  type FromRecorder,
  parseToRecorder,
  type RecorderState,
  writeFromRecorder,
} from '../../protocol/recorder-socket.ts';
import type { Signed } from '../../protocol/signed.ts';
import type { Recordings } from '../recordings.ts';
import type { LiveStream, StreamBringer } from './live-stream.ts';

/** RFC 6455 §7.4. */
export const CLOSE = { done: 1000, refused: 1008, comeBack: 1012 } as const;
const PING_MS = 10_000;
const MAX_WAITING = 8;

export interface ConnectionParts {
  readonly socket: WebSocket;
  readonly grant: RecordingGrant;
  readonly recordings: Pick<Recordings, 'bring'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly left: () => void;
}

export class Connection implements StreamBringer {
  readonly #parts: ConnectionParts;
  readonly #waiting: Bytes[] = [];
  readonly #endPings: Cancel;
  #stream: LiveStream | null = null;
  #isWorking = false;
  #isOpen = true;
  /** Pings nothing was heard since. */
  #unanswered = 0;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const { socket, clock } = parts;
    this.#endPings = clock.every(PING_MS, () => this.#ping());
    socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    socket.on('error', () => socket.terminate()); // too long, or no WebSocket at all
    socket.on('close', () => this.#left());
  }

  at(offset: number): void {
    this.#send({ type: 'at', offset });
  }

  proved({ payload, signature }: Signed): void {
    this.#send({ type: 'receipt', payload, signature });
  }

  state(state: RecorderState): void {
    this.#send({ type: 'state', state });
  }

  replaced(): void {
    this.#close(CLOSE.done);
  }

  /** To the recorder that comes after this one. */
  comeBack(): void {
    this.#close(CLOSE.comeBack);
  }

  #send(message: FromRecorder): void {
    if (this.#isOpen) this.#parts.socket.send(writeFromRecorder(message), { binary: true }, () => undefined);
  }

  #take(data: RawData, isBinary: boolean): void {
    this.#unanswered = 0;
    if (!this.#isOpen) return;
    if (!isBinary) return void this.#close(CLOSE.refused);
    const parts = Array.isArray(data) ? data : [data];
    const bytes = Buffer.concat(parts.map(part => (part instanceof ArrayBuffer ? new Uint8Array(part) : part)));
    this.#waiting.push(new Uint8Array(bytes));
    if (this.#waiting.length >= MAX_WAITING) this.#parts.socket.pause();
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined && this.#isOpen; next = this.#waiting.shift()) {
        await this.#handle(next);
        if (this.#isOpen && this.#parts.socket.isPaused && this.#waiting.length < MAX_WAITING / 2)
          this.#parts.socket.resume();
      }
    } catch (error) {
      this.#failed(error);
    }
    this.#isWorking = false;
  }

  async #handle(bytes: Bytes): Promise<void> {
    const message = parseToRecorder(bytes);
    if (message.type === 'data' && this.#stream !== null) return this.#stream.receive(this, message.bytes);
    if (message.type === 'data' || this.#stream !== null)
      throw new ApplianceError('malformed', 'recorder.protocol', 'a stream is named once, and first');
    const { recordings, grant } = this.#parts;
    this.#stream = await recordings.bring(message.nonce, grant, this);
    if (!this.#isOpen) this.#stream.left(this);
  }

  #failed(error: unknown): void {
    const { log, grant } = this.#parts;
    const known = error instanceof ApplianceError ? error : null;
    if (known === null) log.error('recorder.defect', { why: describeError(error) });
    else log.warn('recorder.refused', { sessionId: grant.sid, code: known.code, why: known.message });
    if (known?.code === 'recording.lost') this.state('lost');
    else if (known?.kind === 'unavailable' || known?.kind === 'limited') return void this.#close(CLOSE.comeBack);
    else this.state('refused');
    this.#close(CLOSE.refused);
  }

  #ping(): void {
    const { socket } = this.#parts;
    if (socket.isPaused)
      this.#unanswered = 0; // its answers are not read either
    else this.#unanswered++;
    if (this.#unanswered > 3) socket.terminate();
    else socket.ping();
  }

  #close(code: number): void {
    this.#parts.socket.resume(); // to see the answer to the close frame
    this.#parts.socket.close(code);
    this.#left();
  }

  #left(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#endPings();
    this.#waiting.length = 0;
    this.#stream?.left(this);
    this.#parts.left();
  }
}

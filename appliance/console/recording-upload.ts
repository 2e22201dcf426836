// One recorded stream on its way to the recorder (protocol/recorder-socket.ts): kept until it is proved, brought again from where
// the recorder says after each connection that was lost. What is in it is not understood here, nor has it to be.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { OpenSocket } from '../link/web-socket-path.ts';
import type { Bytes } from '../protocol/bytes.ts';
import {
  type FromRecorder,
  MAX_PIECE_BYTES,
  parseFromRecorder,
  type RecorderState,
  writeToRecorder,
} from '../protocol/recorder-socket.ts';
import { parseRecordingReceipt } from '../protocol/recording-receipt.ts';
import type { Signed } from '../protocol/signed.ts';

/** An applet that is held to it sends 4 MiB more than is proved; one that is not stops at nothing. */
export const MAX_HELD_BYTES = 16 * 1024 * 1024;
const MAX_UNSENT_BYTES = 1024 * 1024;
/** A WebSocket does not say when its buffer empties. */
const POLL_MS = 20;
const AGAIN_MS = [250, 500, 1000, 2000, 4000] as const;
/** Asking again does not change these. */
const FINAL_KINDS: readonly string[] = ['refused', 'missing', 'unauthenticated'];

/** `connecting`: the recorder is not reached · `done`: all of it is proved · `lost`: it is recorded no further. */
export type UploadState = 'connecting' | RecorderState | 'done';

export interface RecordingUploadParts {
  readonly clock: Clock;
  readonly nonce: Bytes;
  /** A connection to the recorder, with a token of its own. @throws ApplianceError where there is none */
  readonly connect: () => Promise<OpenSocket>;
  readonly proved: (receipt: Signed) => void;
  readonly changed: () => void;
}

export class RecordingUpload {
  readonly #parts: RecordingUploadParts;
  /** Not proved yet, in order. */
  #held: Bytes[] = [];
  #heldBytes = 0;
  /** Where in the stream the first of them begins. */
  #start = 0;
  /** Up to where this connection was given the stream; null before the recorder has said where it goes on. */
  #given: number | null = null;
  #socket: OpenSocket | null = null;
  #receipt: Signed | null = null;
  #state: UploadState = 'connecting';
  #isEnded = false;
  #failures = 0;
  #cancel: Cancel = () => undefined;

  constructor(parts: RecordingUploadParts) {
    this.#parts = parts;
    void this.#connect();
  }

  get nonce(): Bytes {
    return this.#parts.nonce;
  }

  get state(): UploadState {
    return this.#state;
  }

  /** The last one; null while nothing is proved. */
  get receipt(): Signed | null {
    return this.#receipt;
  }

  get isOver(): boolean {
    return this.#state === 'done' || this.#state === 'lost' || this.#state === 'refused';
  }

  /** What follows, as it stands in the hashed stream. */
  add(bytes: Bytes): void {
    if (this.isOver) return;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_HELD_BYTES) this.#give('lost');
    else this.#pump();
  }

  /** Nothing follows. */
  end(): void {
    this.#isEnded = true;
    this.#look();
  }

  close(): void {
    this.#give('lost');
  }

  async #connect(): Promise<void> {
    try {
      const socket = await this.#parts.connect();
      if (this.isOver) return socket.close();
      this.#socket = socket;
      socket.binaryType = 'arraybuffer';
      socket.onmessage = ({ data }: { readonly data: unknown }) => this.#heard(socket, data);
      socket.onclose = () => this.#away(socket);
      socket.onerror = () => socket.close();
      socket.send(writeToRecorder({ type: 'stream', nonce: this.#parts.nonce }));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      if (FINAL_KINDS.includes(error.kind)) this.#give('refused');
      else this.#again();
    }
  }

  #away(socket: OpenSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#given = null;
    this.#again();
  }

  #again(): void {
    if (this.isOver) return;
    this.#change('connecting');
    const delayMs = AGAIN_MS[Math.min(this.#failures++, AGAIN_MS.length - 1)] ?? 0;
    this.#cancel();
    this.#cancel = this.#parts.clock.after(delayMs, () => void this.#connect());
  }

  #heard(socket: OpenSocket, data: unknown): void {
    if (this.#socket !== socket) return;
    try {
      if (!(data instanceof ArrayBuffer)) throw new ApplianceError('malformed', 'protocol.malformed', 'no bytes');
      this.#take(parseFromRecorder(new Uint8Array(data)));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      socket.close(); // what is no recorder's word is none; the next connection may be better
    }
  }

  #take(message: FromRecorder): void {
    if (message.type === 'at') this.#goOnAt(message.offset);
    else if (message.type === 'receipt') this.#proved({ payload: message.payload, signature: message.signature });
    else if (message.state === 'refused' || message.state === 'lost') this.#give(message.state);
    else this.#change(message.state);
  }

  /** A recorder that wants what was proved before, or what is not there yet, has another stream in mind. */
  #goOnAt(offset: number): void {
    if (offset < this.#start || offset > this.#start + this.#heldBytes) {
      this.#give('lost');
      return;
    }
    this.#given = offset;
    this.#failures = 0;
    this.#change('recording');
    this.#pump();
  }

  #proved(receipt: Signed): void {
    const { offset } = parseRecordingReceipt(receipt.payload);
    this.#receipt = receipt;
    while (this.#held[0] !== undefined && this.#start + this.#held[0].length <= offset) {
      this.#start += this.#held[0].length;
      this.#heldBytes -= this.#held[0].length;
      this.#held.shift();
    }
    this.#parts.proved(receipt);
    this.#look();
  }

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || this.#given === null) return;
    let at = this.#start;
    for (const bytes of this.#held) {
      const end = at + bytes.length;
      for (let from = Math.max(at, this.#given); from < end; from = this.#given) {
        if (socket.bufferedAmount > MAX_UNSENT_BYTES) {
          this.#poll();
          return;
        }
        const piece = bytes.subarray(from - at, Math.min(from - at + MAX_PIECE_BYTES, bytes.length));
        socket.send(writeToRecorder({ type: 'data', bytes: piece }));
        this.#given = from + piece.length;
      }
      at = end;
    }
  }

  #poll(): void {
    this.#cancel();
    this.#cancel = this.#parts.clock.after(POLL_MS, () => this.#pump());
  }

  #look(): void {
    if (this.#isEnded && this.#heldBytes === 0 && !this.isOver) this.#give('done');
  }

  /** It goes no further. */
  #give(state: 'done' | 'lost' | 'refused'): void {
    if (this.isOver) return;
    this.#cancel();
    this.#held = [];
    this.#heldBytes = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#change(state);
  }

  #change(state: UploadState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#parts.changed();
  }
}

// The customer's end of consent and picture, without a customer: it says yes to everything, and what the streams `screen`
// and `input` carry goes to a real VNC server and back.
import type { Socket } from 'node:net';
import { STREAM_CREDIT_BYTES } from '../../appliance/link/limits.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { type ConsentMessage, parseConsent, writeConsent } from '../../appliance/protocol/consent.ts';
import {
  type InputMessage,
  type InputState,
  parseInput,
  parseScreenControl,
  type ScreenControl,
  type ScreenNews,
  writeInputState,
  writeScreenControl,
  writeScreenRfb,
} from '../../appliance/protocol/screen.ts';
import { bytesOf } from '../link/support.ts';
import type { HostileCustomer } from './hostile-customer.ts';

/** A piece of the picture in one message. */
const PIECE_BYTES = 64 * 1024;

const CONTROL = 'launch-remote-control';

type Request = Extract<ConsentMessage, { type: 'request' }>;

export class ScreenPeer {
  /** What the console has sent, oldest first. */
  readonly controls: ScreenControl[] = [];
  readonly inputs: InputMessage[] = [];
  /** Streams that were opened, by their kind. */
  readonly opened: string[] = [];
  readonly #connect: (() => Promise<Socket>) | null;
  readonly #running = new Map<string, Request>();
  #consent: LinkStream | null = null;
  #screen: LinkStream | null = null;
  #input: LinkStream | null = null;
  #socket: Socket | null = null;
  readonly #over = new Set<LinkStream>();
  #grant = 0;
  #waiting: (() => void)[] = [];

  /** @param connect a way to a VNC server; null for a test that says by itself what a picture is */
  constructor(customer: HostileCustomer, connect: (() => Promise<Socket>) | null) {
    this.#connect = connect;
    customer.handle('consent', stream => this.#takeConsent(stream));
    customer.handle('screen', stream => this.#takeScreen(stream));
    customer.handle('input', stream => this.#takeInput(stream));
  }

  /** Resolves with what `find` gives, asked again whenever something came. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  news(news: ScreenNews): void {
    this.#screen?.send(writeScreenControl(news));
  }

  inputState(state: InputState): void {
    this.#input?.send(writeInputState(state));
  }

  /** Says something on the picture's stream, whatever it is. Resolves when there is room for more, or nobody listens any more. */
  async say(bytes: Bytes): Promise<void> {
    const stream = this.#screen;
    if (stream === null || this.#over.has(stream) || stream.send(bytes)) return;
    await this.until(() => (this.#over.has(stream) || stream.queuedBytes < STREAM_CREDIT_BYTES ? true : undefined));
  }

  /** The customer stops one thing. */
  stop(action: string): void {
    const request = this.#running.get(action);
    if (request === undefined) throw new Error(`${action} does not run`);
    this.#running.delete(action);
    this.#tell({ type: 'end', request: request.request, by: 'customer', reason: 'stopped' });
  }

  #takeConsent(stream: LinkStream): void {
    this.#consent = stream;
    stream.listen({
      message: bytes => {
        const message = parseConsent(bytes);
        if (message.type === 'request') this.#allow(message);
        else if (message.type === 'end') this.#ended(message.request);
        this.#wake();
      },
    });
  }

  #allow(message: Request): void {
    const { request } = message;
    const consent = bytesOf(crypto.getRandomValues(new Uint8Array(16)));
    this.#running.set(message.action, message);
    this.#tell({ type: 'asked', request, consent });
    this.#tell({ type: 'answer', request, consent, answer: 'yes', ttlMs: 600_000 });
    this.#tell({ type: 'started', request, grantNumber: ++this.#grant });
    if (message.action === CONTROL) this.inputState('on');
  }

  #ended(request: Bytes): void {
    for (const [action, one] of this.#running)
      if (Buffer.compare(one.request, request) === 0) this.#running.delete(action);
  }

  #tell(message: ConsentMessage): void {
    this.#consent?.send(writeConsent(message));
  }

  #takeScreen(stream: LinkStream): void {
    this.opened.push('screen');
    this.#screen = stream;
    const over = () => {
      this.#over.add(stream);
      this.#socket?.destroy();
      this.#wake();
    };
    stream.listen({
      message: bytes => this.#screenSaid(stream, bytes),
      ended: over,
      reset: over,
      drained: () => {
        this.#socket?.resume();
        this.#wake();
      },
    });
  }

  async #screenSaid(stream: LinkStream, bytes: Bytes): Promise<void> {
    const message = parseScreenControl(bytes);
    if (message.type === 'rfb') {
      this.#socket?.write(message.bytes);
    } else {
      this.controls.push(message.control);
      if (message.control.type === 'open' && this.#connect !== null) this.#pump(stream, await this.#connect());
    }
    this.#wake();
  }

  #pump(stream: LinkStream, socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES)
        if (!stream.send(writeScreenRfb(bytesOf(chunk.subarray(at, at + PIECE_BYTES))))) socket.pause();
    });
  }

  #takeInput(stream: LinkStream): void {
    this.opened.push('input');
    this.#input = stream;
    if (this.#running.has(CONTROL)) this.inputState('on');
    stream.listen({
      message: bytes => {
        const message = parseInput(bytes);
        this.inputs.push(message);
        if (message.type !== 'laser') this.#socket?.write(message.rfb);
        this.#wake();
      },
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

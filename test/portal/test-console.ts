// A console as its browser asks and listens, at the portal's own socket.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ConsoleEvent } from '../../appliance/protocol/console-api.ts';
import { askSocket } from './ask-socket.ts';

export interface ApiAnswer<T> {
  readonly status: number;
  readonly body: T;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

export class TestConsole {
  readonly #socketPath: string;
  readonly #token: string;

  constructor(socketPath: string, token: string) {
    this.#socketPath = socketPath;
    this.#token = token;
  }

  /** @throws for a refusal */
  async get<T>(path: string): Promise<T> {
    return this.#good(await this.ask<T>('GET', path));
  }

  /** @throws for a refusal */
  async post<T = unknown>(path: string, body: unknown = {}): Promise<T> {
    return this.#good(await this.ask<T>('POST', path, body));
  }

  async refused(path: string, body: unknown = {}, method = 'POST'): Promise<string> {
    const { status, error } = await this.ask(method, path, body);
    if (error === null) throw new Error(`${path} was answered with ${status}`);
    return error.code;
  }

  async ask<T>(method: string, path: string, body?: unknown): Promise<ApiAnswer<T>> {
    const json = method === 'GET' ? undefined : (body ?? {});
    const answer = await askSocket(this.#socketPath, method, `/technician/api${path}`, this.#token, {}, json);
    const parsed = JSON.parse(answer.body);
    return { status: answer.status, body: parsed, error: answer.status < 400 ? null : parsed.error };
  }

  listen(headers: Readonly<Record<string, string>> = {}): Promise<TestEvents> {
    return TestEvents.open(this.#socketPath, { cookie: `__Host-login=${this.#token}`, ...headers });
  }

  #good<T>({ status, body, error }: ApiAnswer<T>): T {
    if (error !== null) throw new Error(`${status} ${error.code}: ${error.message}`);
    return body;
  }
}

export class TestEvents {
  readonly #socket: WebSocket;
  readonly #told: ConsoleEvent[] = [];
  #wake: () => void = () => undefined;
  closedWith: number | null = null;
  /** Status of the answer where there was no upgrade. */
  status = 101;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', data => {
      this.#told.push(JSON.parse(String(data)));
      this.#wake();
    });
    socket.on('close', code => {
      this.closedWith = code;
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode ?? 0;
      socket.terminate();
    });
  }

  static async open(
    socketPath: string,
    headers: Readonly<Record<string, string>>,
    path = '/technician/events',
  ): Promise<TestEvents> {
    const socket = new WebSocket(`ws+unix:${socketPath}:${path}`, {
      headers: { host: 'localhost', origin: 'https://localhost', 'x-appliance-peer': '192.0.2.7', ...headers },
    });
    const events = new TestEvents(socket);
    await new Promise<void>(resolve => {
      socket.once('open', resolve);
      socket.once('close', () => resolve());
    });
    return events;
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  async next(): Promise<ConsoleEvent | null> {
    while (this.#told.length === 0 && this.closedWith === null) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#told.shift() ?? null;
  }

  /** The next event of that type; what comes before is skipped. */
  async until<Type extends ConsoleEvent['type']>(type: Type): Promise<Extract<ConsoleEvent, { type: Type }>> {
    for (;;) {
      const event = await this.next();
      if (event === null) throw new Error(`the end (${this.closedWith}) before ${type}`);
      if (event.type === type) return event as Extract<ConsoleEvent, { type: Type }>;
    }
  }

  async closed(): Promise<number | null> {
    if (this.closedWith === null) await once(this.#socket, 'close');
    return this.closedWith;
  }

  close(): void {
    this.#socket.close();
  }
}

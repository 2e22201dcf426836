// Questions to the portal (protocol/console-api.ts). A refusal is an ApplianceError with the portal's code and hint. Reading
// is tried again by itself; writing never is: who calls knows what may be said twice.
import type { Clock } from '../clock.ts';
import { ApplianceError, type ErrorKind } from '../errors.ts';
import type {
  ChannelView,
  ConsoleStart,
  LinkFacts,
  MadeSession,
  NewSession,
  QueueName,
  RelayPath,
  RelayRequest,
  ReplyView,
  SealedChatLine,
  SessionDetail,
  SessionView,
  SignedView,
  StatusName,
  TechnicianView,
  ToldAction,
} from '../protocol/console-api.ts';

const ROOT = '/technician/api';
const TIMEOUT_MS = 15_000;
const READ_AGAIN_MS = [300, 1000, 3000];
const kindOf: Record<number, ErrorKind> = {
  400: 'malformed',
  401: 'unauthenticated',
  403: 'refused',
  404: 'missing',
  409: 'conflict',
  413: 'malformed',
  429: 'limited',
  500: 'defect',
};

export type SessionStep = 'pick-up' | 'hold' | 'resume' | 'take-back';

export interface ApiParts {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** The portal knows of no login any more. */
  readonly signedOut: () => void;
}

export class ConsoleApi {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  start(): Promise<ConsoleStart> {
    return this.#read('/start');
  }

  async sessions(queue: QueueName): Promise<readonly SessionView[]> {
    const { sessions } = await this.#read<{ sessions: readonly SessionView[] }>(`/sessions?queue=${queue}`);
    return sessions;
  }

  detail(id: string): Promise<SessionDetail> {
    return this.#read(`/sessions/${id}`);
  }

  make(wish: NewSession): Promise<MadeSession> {
    return this.#write('POST', '/sessions', wish);
  }

  newPin(id: string): Promise<MadeSession> {
    return this.#write('POST', `/sessions/${id}/pin`, {});
  }

  step(id: string, step: SessionStep): Promise<SessionView> {
    return this.#write('POST', `/sessions/${id}/${step}`, {});
  }

  end(id: string, reason: string): Promise<SessionView> {
    return this.#write('POST', `/sessions/${id}/end`, { reason });
  }

  offer(id: string, technicianId: string): Promise<SessionView> {
    return this.#write('POST', `/sessions/${id}/offer`, { technicianId });
  }

  queue(id: string, channelId: string): Promise<SessionView> {
    return this.#write('POST', `/sessions/${id}/queue`, { channelId });
  }

  link(id: string): Promise<LinkFacts> {
    return this.#write('POST', `/sessions/${id}/link`, {});
  }

  certify(id: string, asked: { spk: string; nonce: string }): Promise<SignedView> {
    return this.#write('POST', `/sessions/${id}/certify`, asked);
  }

  relay(id: string, wish: RelayRequest): Promise<{ paths: readonly RelayPath[] }> {
    return this.#write('POST', `/sessions/${id}/relay`, wish);
  }

  recordingToken(id: string): Promise<{ token: string }> {
    return this.#write('POST', `/sessions/${id}/recording-token`, {});
  }

  chat(id: string, line: SealedChatLine): Promise<{ place: number; isNew: boolean }> {
    return this.#write('POST', `/sessions/${id}/chat`, line);
  }

  async tell(id: string, told: ToldAction): Promise<void> {
    await this.#write('POST', `/sessions/${id}/actions`, told);
  }

  async codes(id: string, said: { linkId: string; match: boolean }): Promise<void> {
    await this.#write('POST', `/sessions/${id}/codes`, said);
  }

  /** Somebody is at work here, though he asks for nothing: the login does not idle. */
  async here(): Promise<void> {
    await this.#write('POST', '/here', {});
  }

  async status(status: StatusName): Promise<void> {
    await this.#write('POST', '/status', { status });
  }

  async technicians(): Promise<readonly TechnicianView[]> {
    return (await this.#read<{ technicians: readonly TechnicianView[] }>('/technicians')).technicians;
  }

  async channels(): Promise<readonly ChannelView[]> {
    return (await this.#read<{ channels: readonly ChannelView[] }>('/channels')).channels;
  }

  addReply(reply: { title: string; text: string }): Promise<ReplyView> {
    return this.#write('POST', '/replies', reply);
  }

  async deleteReply(id: string): Promise<void> {
    await this.#write('DELETE', `/replies/${id}`);
  }

  async #read<T>(path: string): Promise<T> {
    for (const delay of READ_AGAIN_MS) {
      try {
        return await this.#ask<T>('GET', path);
      } catch (error) {
        if (!isPassing(error)) throw error;
        await new Promise<void>(resolve => this.#parts.clock.after(delay, resolve));
      }
    }
    return this.#ask('GET', path);
  }

  #write<T>(method: string, path: string, body?: object): Promise<T> {
    return this.#ask(method, path, body);
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const headers = { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) };
    const answer = await this.#send(path, {
      method,
      headers,
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { body: JSON.stringify(body) }),
    });
    const said = await readJson(answer);
    if (answer.ok) return said as T; // our own portal, of the same release as this page
    const error = asError(answer.status, said);
    if (error.kind === 'unauthenticated') this.#parts.signedOut();
    throw error;
  }

  async #send(path: string, request: RequestInit): Promise<Response> {
    try {
      return await this.#parts.fetch(ROOT + path, request);
    } catch (cause) {
      throw new ApplianceError('unavailable', 'console.portal-away', 'the appliance does not answer', {
        hint: 'Check your network. The console tries again by itself.',
        cause,
      });
    }
  }
}

/** Whether the same question may get another answer in a moment. */
export function isPassing(error: unknown): boolean {
  return error instanceof ApplianceError && (error.kind === 'unavailable' || error.kind === 'limited');
}

async function readJson(answer: Response): Promise<unknown> {
  try {
    const text = await answer.text();
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return null; // a gateway between two starts of the portal answers in HTML
  }
}

function asError(status: number, said: unknown): ApplianceError {
  const body = field(said, 'error') ?? said;
  const text = (name: string, otherwise: string) => {
    const value = field(body, name);
    return typeof value === 'string' ? value : otherwise;
  };
  const kind = kindOf[status] ?? 'unavailable';
  const code = text('code', `http.${status}`);
  return new ApplianceError(kind, code, text('message', 'the appliance refused that'), { hint: text('hint', '') });
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

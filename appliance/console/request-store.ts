// What was asked of the customer on one session and what became of it, by the messages of the stream `consent`. A
// message that fits no state is the applet's mistake and ends the stream.
import { toBase64Url } from '../guid.ts';
import { type Bytes, malformed } from '../protocol/bytes.ts';
import type { ConsentMessage } from '../protocol/consent.ts';
import type { ToldAction } from '../protocol/console-api.ts';

export type RequestState = 'sent' | 'asked' | 'allowed' | 'refused' | 'silence' | 'running' | 'ended';

export interface ActionRequest {
  readonly id: string;
  readonly action: string;
  readonly state: RequestState;
  readonly consentId: string | null;
  /** Of the grant it runs under, on this link; null before it has started. */
  readonly grantNumber: number | null;
  readonly at: number;
  /** ms, by the console's clock; null before a yes. */
  readonly until: number | null;
  readonly endedBy: string | null;
  readonly reason: string | null;
}

const MAX_REQUESTS = 200;

export class RequestStore {
  readonly #requests = new Map<string, ActionRequest>();

  /** Newest last. */
  get all(): readonly ActionRequest[] {
    return [...this.#requests.values()];
  }

  /** What is allowed or under way; each of them can be stopped. */
  get live(): readonly ActionRequest[] {
    return this.all.filter(({ state }) => isLive(state));
  }

  /** The last request of an action, whatever became of it. */
  lastOf(action: string): ActionRequest | undefined {
    return this.all.findLast(request => request.action === action);
  }

  /** The grant under which an action runs; null when it does not. */
  grantOf(action: string): number | null {
    return this.all.findLast(one => one.action === action && one.state === 'running')?.grantNumber ?? null;
  }

  add(id: Bytes, action: string, at: number): void {
    const request = { id: toBase64Url(id), action, at, state: 'sent', consentId: null, until: null } as const;
    this.#put({ ...request, grantNumber: null, endedBy: null, reason: null });
    if (this.#requests.size > MAX_REQUESTS) this.#dropOldest();
  }

  /**
   * @returns what the portal is to be told, or null
   * @throws ApplianceError `protocol.malformed` when it fits nothing that was asked
   */
  take(message: ConsentMessage, at: number): ToldAction | null {
    const request = this.#requests.get(toBase64Url(message.request));
    if (request === undefined) throw malformed('an answer to a question nobody asked');
    switch (message.type) {
      case 'asked':
        if (request.state !== 'sent') throw malformed('asked a second time');
        return this.#told({ ...request, state: 'asked', consentId: toBase64Url(message.consent) }, 'asked');
      case 'answer':
        return this.#answered(request, message, at);
      case 'started':
        if (request.state !== 'allowed') throw malformed('started without a yes');
        return this.#told({ ...request, state: 'running', grantNumber: message.grantNumber }, 'started');
      case 'end':
        return this.#ended(request, message.by, message.reason);
      case 'request':
        throw malformed('a question from the side that answers');
    }
  }

  /** The technician stops it himself. @returns what the portal is to be told */
  stop(id: string): ToldAction | null {
    const request = this.#requests.get(id);
    return request !== undefined && isLive(request.state) ? this.#ended(request, 'technician', 'stopped') : null;
  }

  /** Grants belong to one link: with another one, all of them are over. */
  linkEnded(): readonly ToldAction[] {
    const told = this.live.map(request => this.#ended(request, 'link', 'link-ended'));
    return told.filter(one => one !== null);
  }

  #answered(request: ActionRequest, message: Extract<ConsentMessage, { type: 'answer' }>, at: number) {
    // A no that needs no question (policy, too soon) comes without `asked` before it.
    if (request.state !== 'sent' && request.state !== 'asked') throw malformed('an answer where none was due');
    const consentId = toBase64Url(message.consent);
    if (request.consentId !== null && request.consentId !== consentId) throw malformed('an answer to another question');
    if (message.answer === 'yes')
      return this.#told({ ...request, consentId, state: 'allowed', until: at + message.ttlMs }, 'granted');
    return this.#told({ ...request, consentId, state: message.answer === 'no' ? 'refused' : 'silence' }, 'refused');
  }

  #ended(request: ActionRequest, endedBy: string, reason: string): ToldAction | null {
    if (!isLive(request.state)) return null; // both may stop it at once
    return this.#told({ ...request, state: 'ended', endedBy, reason }, 'ended');
  }

  #told(request: ActionRequest, stage: ToldAction['stage']): ToldAction | null {
    this.#put(request);
    const { consentId, action } = request;
    return consentId === null ? null : { consentId, action, stage };
  }

  #put(request: ActionRequest): void {
    this.#requests.set(request.id, request);
  }

  #dropOldest(): void {
    const done = this.all.find(({ state }) => !isLive(state));
    if (done !== undefined) this.#requests.delete(done.id);
  }
}

function isLive(state: RequestState): boolean {
  return state === 'sent' || state === 'asked' || state === 'allowed' || state === 'running';
}

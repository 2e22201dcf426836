// A technician's console without a page: the console's own session, link and questions, in this process. Only the Worker
// and the browser's fetch and WebSocket are others.
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { WebSocket } from 'ws';
import { sealForLog } from '../../appliance/browser/log-seal.ts';
import { webCrypto } from '../../appliance/browser/web-crypto.ts';
import { systemClock } from '../../appliance/clock.ts';
import { ConsoleApi } from '../../appliance/console/api.ts';
import { LinkClient, type LinkWorker } from '../../appliance/console/link-client.ts';
import type { FromLinkWorker, ToLinkWorker } from '../../appliance/console/link-messages.ts';
import { LinkRunner } from '../../appliance/console/link-runner.ts';
import { LogKey } from '../../appliance/console/log-key.ts';
import type { MakeViewer } from '../../appliance/console/screen-viewer.ts';
import { type SessionNews, TechnicianSession } from '../../appliance/console/technician-session.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import type { OpenSocket } from '../../appliance/link/web-socket-path.ts';
import type { ConsoleEvent, MadeSession, RelayPath, SessionView } from '../../appliance/protocol/console-api.ts';
import { RECORDER_PATH, RECORDER_PROTOCOL } from '../../appliance/protocol/recorder-socket.ts';
import { signInAs } from '../portal/ask-as.ts';
import type { Account, Appliance } from './appliance.ts';

const RELAY_PROTOCOL = 'appliance.link.v1';

/** What of an appliance a console meets. */
type Reached = Pick<Appliance, 'url' | 'ca' | 'fetch'>;

export class Technician implements AsyncDisposable {
  readonly #appliance: Reached;
  readonly #cookie: string;
  readonly #agent: Agent;
  readonly #events: WebSocket;
  readonly #sessions = new Map<string, TechnicianSession>();
  readonly #views = new Map<string, SessionView>();
  readonly #listeners = new Set<() => void>();
  readonly news: SessionNews[] = [];
  /** What draws pictures; there is no page here, so a test that has to do with them brings its own. */
  makeViewer: MakeViewer = () => Promise.reject(new Error('no viewer'));
  readonly api: ConsoleApi;
  /** Sockets of relays that were opened, newest last. */
  readonly relays: WebSocket[] = [];

  private constructor(appliance: Reached, cookie: string) {
    this.#appliance = appliance;
    this.#cookie = cookie;
    this.#agent = new Agent({ ca: appliance.ca, keepAlive: true });
    this.api = new ConsoleApi({
      fetch: (path, options) => this.#fetch(String(path), options),
      clock: systemClock,
      signedOut: () => undefined,
    });
    const options = { ca: appliance.ca, headers: { cookie, origin: appliance.url } };
    this.#events = new WebSocket(`${appliance.url.replace('https', 'wss')}/technician/events`, options);
    this.#events.on('message', data => this.#event(JSON.parse(String(data))));
    this.#events.on('error', () => this.#events.terminate());
  }

  static async signIn(appliance: Reached, account: Account | undefined): Promise<Technician> {
    return Technician.with(appliance, await signInAs(appliance, account));
  }

  /** @param cookie of a login there is */
  static async with(appliance: Reached, cookie: string): Promise<Technician> {
    const technician = new Technician(appliance, cookie);
    await once(technician.#events, 'message'); // hello
    return technician;
  }

  /** Makes a session. @returns its PIN and link */
  async make(customerName = 'Carl'): Promise<MadeSession> {
    const made = await this.api.make({ customerName, language: 'en' });
    this.#views.set(made.session.id, made.session);
    return made;
  }

  /** Resolves once the session is as wanted, by what the portal tells. */
  async until(id: string, wanted: (view: SessionView) => boolean): Promise<SessionView> {
    return this.untilThat(() => {
      const view = this.#views.get(id);
      return view !== undefined && wanted(view) ? view : undefined;
    });
  }

  /** Resolves with what `find` gives, asked again after each change of anything. */
  untilThat<T>(find: () => T | undefined): Promise<T> {
    return new Promise(resolve => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        this.#listeners.delete(look);
        resolve(found);
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Picks it up; its link is made from then on. */
  async pickUp(id: string): Promise<TechnicianSession> {
    const view = await this.api.step(id, 'pick-up');
    this.#views.set(id, view);
    return this.open(view);
  }

  /** Opens a session that is this technician's already, as a console does after it was loaded anew. */
  open(view: SessionView): TechnicianSession {
    const session = new TechnicianSession(view, {
      api: this.api,
      link: new LinkClient(view.id, () => this.#worker()),
      clock: systemClock,
      random: webCrypto.randomBytes,
      key: new LogKey(async () => (await this.api.start()).logKey),
      seal: sealForLog,
      signedOut: () => undefined,
      makeViewer: (...parts) => this.makeViewer(...parts),
      news: (_session, news) => this.news.push(news),
    });
    session.changes.on(() => this.#changed());
    this.#sessions.set(view.id, session);
    return session;
  }

  /** The tab is gone, without a word to anyone. */
  drop(id: string): void {
    this.#sessions.get(id)?.close();
    this.#sessions.delete(id);
    for (const socket of this.relays.splice(0)) socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) session.close();
    this.#events.terminate();
    for (const socket of this.relays) socket.terminate();
    this.#agent.destroy();
  }

  #event(event: ConsoleEvent): void {
    if (event.type === 'session') {
      this.#views.set(event.session.id, event.session);
      this.#sessions.get(event.session.id)?.update(event.session, event.event);
    }
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #worker(): LinkWorker {
    const worker: LinkWorker = {
      onmessage: null,
      postMessage: message => queueMicrotask(() => handle(structuredClone(message))),
      terminate: () => runner?.close(),
    };
    const tell = (message: FromLinkWorker) =>
      queueMicrotask(() => worker.onmessage?.({ data: structuredClone(message) }));
    let runner: LinkRunner | null = null;
    const handle = (message: ToLinkWorker) => {
      if (message.type !== 'start') return runner?.handle(message);
      const { sessionId } = message;
      runner = new LinkRunner({
        ...{ sessionId, crypto: webCrypto, clock: systemClock, tell, openSocket: path => this.#openRelay(path) },
        openRecorder: () => this.openRecorder(sessionId),
        api: {
          link: () => this.api.link(sessionId),
          certify: asked => this.api.certify(sessionId, asked),
          relay: wish => this.api.relay(sessionId, wish),
        },
      });
      void runner.run();
    };
    return worker;
  }

  /** In place of this a test may put something that lies. */
  openRecorder = async (sessionId: string): Promise<OpenSocket> => {
    const { token } = await this.api.recordingToken(sessionId);
    const { url, ca } = this.#appliance;
    const options = { ca, origin: url, perMessageDeflate: false };
    const protocols = [RECORDER_PROTOCOL, `token.${token}`];
    const socket = new WebSocket(`${url.replace('https', 'wss')}${RECORDER_PATH}`, protocols, options);
    this.relays.push(socket);
    try {
      await once(socket, 'open');
    } catch (cause) {
      throw new ApplianceError('unavailable', 'link.gateway-away', 'the recorder is away', { cause });
    }
    return socket as unknown as OpenSocket;
  };

  async #openRelay({ url, token }: RelayPath): Promise<OpenSocket> {
    const options = { ca: this.#appliance.ca, origin: new URL(url.replace('wss', 'https')).origin };
    const socket = new WebSocket(url, [RELAY_PROTOCOL, `token.${token}`], { ...options, perMessageDeflate: false });
    this.relays.push(socket);
    await once(socket, 'open');
    return socket as unknown as OpenSocket;
  }

  #fetch(path: string, { method = 'GET', body, headers }: RequestInit = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      const own = { cookie: this.#cookie, origin: this.#appliance.url, 'sec-fetch-site': 'same-origin' };
      const options = { method, agent: this.#agent, headers: { ...Object.fromEntries(new Headers(headers)), ...own } };
      const asked = request(`${this.#appliance.url}${path}`, options, async answer => {
        try {
          const text = Buffer.concat(await answer.toArray());
          const status = answer.statusCode ?? 500;
          resolve(
            new Response(text.length === 0 ? null : text, { status, headers: { 'content-type': 'application/json' } }),
          );
        } catch (error) {
          reject(error);
        }
      });
      asked.on('error', reject);
      asked.end(body === undefined || body === null ? undefined : String(body));
    });
  }
}

// A technician who works by the portal's API instead of a page, and his end of the link over the real relay.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { systemClock } from '../../appliance/clock.ts';
import { fromBase64Url, parseSessionId, toBase64Url } from '../../appliance/guid.ts';
import { HandshakeGuard } from '../../appliance/link/handshake-guard.ts';
import { UNACKNOWLEDGED_BYTES } from '../../appliance/link/limits.ts';
import { Link } from '../../appliance/link/link.ts';
import { WebSocketPath } from '../../appliance/link/web-socket-path.ts';
import type { AttachPurpose } from '../../appliance/protocol/applet-leg.ts';
import type {
  LinkFacts,
  MadeSession,
  RelayPath,
  SessionView,
  SignedView,
} from '../../appliance/protocol/console-api.ts';
import { TestConsole } from '../customer-core/test-appliance.ts';
import { own, signInAs } from '../portal/ask-as.ts';
import type { Appliance } from '../support/appliance.ts';

export class ApiTechnician {
  readonly #appliance: Appliance;
  readonly #cookie: string;

  private constructor(appliance: Appliance, cookie: string) {
    this.#appliance = appliance;
    this.#cookie = cookie;
  }

  static async signIn(appliance: Appliance): Promise<ApiTechnician> {
    return new ApiTechnician(appliance, await signInAs(appliance, appliance.accounts?.technician));
  }

  make(): Promise<MadeSession> {
    return this.#post<MadeSession>('/sessions', { customerName: null, language: null });
  }

  async session(id: string): Promise<SessionView> {
    const answer = await this.#ask(`/sessions/${id}`, 'GET');
    return (answer as { session: SessionView }).session;
  }

  step(id: string, name: 'pick-up' | 'hold' | 'resume'): Promise<SessionView> {
    return this.#post<SessionView>(`/sessions/${id}/${name}`, {});
  }

  /** Shakes hands with the customer's side. */
  async connect(id: string): Promise<TestConsole> {
    const facts = await this.#post<LinkFacts>(`/sessions/${id}/link`, {});
    const offset = facts.time - Date.now();
    const link = await Link.connectConsole(
      {
        ...{ crypto: nodeCrypto, clock: systemClock, sid: parseSessionId(facts.sid), psk: fromBase64Url(facts.psk) },
        keys: facts.keys.map(({ kid, spki }) => ({ kid, publicKey: fromBase64Url(spki) })),
        ...{ caps: [], guard: new HandshakeGuard(), unacknowledgedBytes: UNACKNOWLEDGED_BYTES.node },
        trustedNow: () => Date.now() + offset,
        certify: async staticKey => {
          const asked = { spk: toBase64Url(staticKey), nonce: toBase64Url(randomBytes(16)) };
          const { payload, signature } = await this.#post<SignedView>(`/sessions/${id}/certify`, asked);
          return { payload: fromBase64Url(payload), signature: fromBase64Url(signature) };
        },
      },
      await this.openPath(id, 'handshake'),
    );
    return new TestConsole(link);
  }

  /** Which gateway the last path was opened at. */
  gateway = '';

  async openPath(id: string, purpose: AttachPurpose, except: readonly string[] = []): Promise<WebSocketPath> {
    const { paths } = await this.#post<{ paths: RelayPath[] }>(`/sessions/${id}/relay`, { purpose, except });
    const [path] = paths;
    if (path === undefined) throw new Error('no relay to be had');
    this.gateway = path.gateway;
    const { host } = new URL(path.url);
    const socket = new WebSocket(path.url, ['appliance.link.v1', `token.${path.token}`], {
      ...{ ca: this.#appliance.ca, origin: `https://${host}`, perMessageDeflate: false },
    });
    await once(socket, 'open');
    return new WebSocketPath('relay', socket, systemClock);
  }

  async #post<T>(path: string, body: unknown): Promise<T> {
    return (await this.#ask(path, 'POST', JSON.stringify(body))) as T; // our own portal, in its own words
  }

  async #ask(path: string, method: string, body?: string): Promise<unknown> {
    const headers = { ...own(this.#appliance), cookie: this.#cookie, 'content-type': 'application/json' };
    const answer = await this.#appliance.fetch(`/technician/api${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status !== 200) throw new Error(`${method} ${path} gave ${answer.status}: ${answer.text()}`);
    return answer.json();
  }
}

// The session as the applet runs it (customer-core/customer-session.ts): on Node's cryptography, over WebSockets on checked
// connections, with the log in a file on this computer.
import { generateKeyPairSync, sign } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { CustomerSession } from '../customer-core/customer-session.ts';
import type { CustomerEntry, SessionKey } from '../customer-core/session-parts.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import { UNACKNOWLEDGED_BYTES } from '../link/limits.ts';
import type { Path } from '../link/path.ts';
import type { WebSocketPath } from '../link/web-socket-path.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { HostLogFile } from './host-log-file.ts';
import { nodeCrypto } from './node-crypto.ts';
import { newStreamHash } from './node-stream-hash.ts';
import { openRelayPath } from './relay-path.ts';
import { connectSecurely } from './secure-connection.ts';
import type { AppletSession, EndedBy, SessionEntry, SessionParts } from './session-port.ts';
import { openLegSocket } from './web-socket.ts';

const MAX_LANGUAGE = 35;

/** @throws ApplianceError `host-log.unavailable`, `leg.refused`, `leg.closed` */
export async function startNodeSession(parts: SessionParts): Promise<AppletSession> {
  checkLogFolder(parts.logFolder);
  const session = new NodeSession(parts);
  const stop = () => void session.end('customer');
  parts.stopping.addEventListener('abort', stop, { once: true });
  try {
    await session.start();
  } finally {
    parts.stopping.removeEventListener('abort', stop);
  }
  return session;
}

class NodeSession implements AppletSession {
  readonly #parts: SessionParts;
  readonly #session: CustomerSession;
  /** The connection the gateway was found by, until it is used. */
  #found: SessionParts['gateway']['connection'] | null;

  constructor(parts: SessionParts) {
    const { clock, configuration, entry, gateway, model, desktop, over } = parts;
    this.#parts = parts;
    this.#found = gateway.connection;
    gateway.connection.on('error', () => gateway.connection.destroy());
    const others = gateway.gateways.filter(({ id }) => id !== gateway.gateway.id);
    this.#session = new CustomerSession({
      ...{ clock, crypto: nodeCrypto, key: newSessionKey(), entry: entryOf(entry), view: model },
      ...{ platform: process.platform === 'win32' ? 'win-x64' : 'linux-x64', language: languageOf(entry) },
      keys: pinned(configuration.keys.session),
      recording: { keys: pinned(configuration.keys.receipts), newHash: newStreamHash },
      organisation: configuration.organisation,
      gateways: [gateway.gateway, ...others].map(({ id }) => id),
      openLeg: id => this.#openLeg(id),
      openRelay: leg => this.#openRelay(leg),
      openHostLog: ({ sid, startedAt }) => new HostLogFile({ folder: parts.logFolder, sid, startedAt }),
      ...{ actions: new Map(), desktop },
      ...{ unacknowledgedBytes: UNACKNOWLEDGED_BYTES.node, over },
    });
  }

  start(): Promise<void> {
    return this.#session.start();
  }

  answer(consentId: string, answer: 'yes' | 'no'): void {
    this.#session.answer(consentId, answer);
  }

  chat(text: string): void {
    this.#session.chat(text);
  }

  typing(isTyping: boolean): void {
    this.#session.typing(isTyping);
  }

  codes(match: boolean): void {
    this.#session.codes(match);
  }

  stop(id: string): void {
    this.#session.stop(id);
  }

  pause(isPaused: boolean): void {
    this.#session.pause(isPaused);
  }

  windowVisible(isVisible: boolean): void {
    this.#session.windowVisible(isVisible);
  }

  end(by: EndedBy): Promise<void> {
    this.#found?.destroy();
    return this.#session.end(by);
  }

  async #openLeg(id: string): Promise<WebSocketPath> {
    const found = id === this.#parts.gateway.gateway.id ? this.#found : null;
    if (found !== null) this.#found = null;
    const isUsable = found !== null && !found.destroyed;
    return openLegSocket(this.#address(id), isUsable ? found : await this.#connect(id), this.#parts.clock);
  }

  async #openRelay({ gateway, token }: { gateway: string; token: Bytes }): Promise<Path> {
    const { clock } = this.#parts;
    return openRelayPath(this.#address(gateway), await this.#connect(gateway), { clock, token });
  }

  async #connect(id: string) {
    const { configuration, environment } = this.#parts;
    return connectSecurely(this.#address(id), { anchors: configuration.anchors, environment });
  }

  /** Only a gateway of the signed list. */
  #address(id: string) {
    const found = this.#parts.gateway.gateways.find(gateway => gateway.id === id);
    if (found === undefined) throw new ApplianceError('missing', 'gateway.unknown', 'the list has no such gateway');
    return found;
  }
}

/** Lives as long as this process, and nowhere else. */
function newSessionKey(): SessionKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return {
    spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    sign: message => new Uint8Array(sign('sha256', message, key)),
  };
}

function entryOf(entry: SessionEntry): CustomerEntry {
  return entry.kind === 'pin' ? entry : { kind: 'guid', guid: entry.tag.guid };
}

function languageOf(entry: SessionEntry): string {
  const language = entry.kind === 'tag' ? entry.tag.language : Intl.DateTimeFormat().resolvedOptions().locale;
  return language.slice(0, MAX_LANGUAGE);
}

/** Before anything is claimed: without a record on this computer nothing is begun (G-07). */
function checkLogFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new ApplianceError('unavailable', 'host-log.unavailable', `no record can be written to ${folder}`, { cause });
  }
}

function pinned(keys: readonly { readonly kid: string; readonly spki: string }[]) {
  return keys.map(({ kid, spki }) => ({ kid, publicKey: fromBase64Url(spki) }));
}

// A customer's program that keeps to the protocol as far as the link, and says on it whatever a test likes.
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import WebSocket, { type ClientOptions } from 'ws';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { systemClock } from '../../appliance/clock.ts';
import { fromBase64Url, sessionGuidFrom, toBase64Url } from '../../appliance/guid.ts';
import { HandshakeGuard } from '../../appliance/link/handshake-guard.ts';
import { UNACKNOWLEDGED_BYTES } from '../../appliance/link/limits.ts';
import { Link } from '../../appliance/link/link.ts';
import { gatewayToken, linkPsk } from '../../appliance/link/session-secrets.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import { type OpenSocket, WebSocketPath } from '../../appliance/link/web-socket-path.ts';
import { publicKeyInfo } from '../../appliance/pki/signature.ts';
import {
  APPLET_LEG_PATH,
  APPLET_LEG_PROTOCOL,
  type FromApplet,
  type FromAppliance,
  parseFromAppliance,
  writeLegMessage,
} from '../../appliance/protocol/applet-leg.ts';
import { parseChat, writeChat } from '../../appliance/protocol/chat.ts';
import { bytesOf } from '../link/support.ts';
import type { Appliance } from '../support/appliance.ts';

type Said<T extends FromAppliance['type']> = Extract<FromAppliance, { type: T }>;

export class HostileCustomer implements AsyncDisposable {
  /** Lines the console has sent. */
  readonly heard: string[] = [];
  readonly #appliance: Appliance;
  readonly #leg: WebSocket;
  readonly #guard = new HandshakeGuard();
  readonly #told: FromAppliance[] = [];
  readonly #streams = new Map<string, LinkStream>();
  readonly #handlers = new Map<string, (stream: LinkStream) => void>();
  #waiting: (() => void)[] = [];
  #link: Link | undefined;

  private constructor(appliance: Appliance, leg: WebSocket) {
    this.#appliance = appliance;
    this.#leg = leg;
    leg.on('message', (bytes: Buffer) => {
      this.#told.push(parseFromAppliance(bytesOf(bytes)));
      this.#wake();
    });
  }

  /** Claims the session of this PIN. @param language whatever it likes, at most 35 bytes */
  static async enter(
    appliance: Appliance,
    pin: string,
    language: string,
    platform: 'browser' | 'linux-x64' = 'browser',
  ): Promise<HostileCustomer> {
    const leg = open(appliance, APPLET_LEG_PATH, [APPLET_LEG_PROTOCOL]);
    const customer = new HostileCustomer(appliance, leg);
    await customer.#until('challenge');
    customer.#send({ type: 'pin', pin });
    const { sid, guid } = await customer.#until('entered');
    const secret = sessionGuidFrom(guid);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const apk = bytesOf(publicKey.export({ format: 'der', type: 'spki' }));
    const token = await gatewayToken(nodeCrypto, secret);
    customer.#send({ type: 'claim', token, apk, platform, language });
    await customer.#until('claimed');
    void customer.#serve(sid, await linkPsk(nodeCrypto, secret, sid));
    return customer;
  }

  /** The console's stream of that kind, on the present link. */
  async stream(kind: string): Promise<LinkStream> {
    for (;;) {
      const found = this.#streams.get(kind);
      if (found !== undefined) return found;
      await this.#more();
    }
  }

  /** Gives streams of that kind to somebody else, from the next link on. */
  handle(kind: string, handler: (stream: LinkStream) => void): void {
    this.#handlers.set(kind, handler);
  }

  async line(text: string): Promise<void> {
    (await this.stream('chat')).send(writeChat({ type: 'line', id: bytesOf(randomBytes(16)), text }));
  }

  /** Resolves when the console has sent that line. */
  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await this.#more();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link?.close();
    this.#leg.terminate();
  }

  /** Takes every handshake it is asked for. */
  async #serve(sid: Link['sid'], psk: Uint8Array<ArrayBuffer>): Promise<void> {
    const pem = readFileSync(join(this.#appliance.dataFolder, 'public', 'session.pub'));
    const { kid, spki } = publicKeyInfo(createPublicKey(pem));
    const staticKey = await nodeCrypto.generateKeyPair(); // one for the whole session: the signer certifies no second
    for (;;) {
      const { token, purpose } = await this.#next('attach');
      const socket = open(this.#appliance, '/gateway/relay/browser', [
        'appliance.link.v1',
        `token.${toBase64Url(token)}`,
      ]);
      await once(socket, 'open');
      const path = new WebSocketPath('relay', socket as unknown as OpenSocket, systemClock);
      if (purpose === 'attach' && this.#link !== undefined) {
        await this.#link.attachPath(path);
        continue;
      }
      this.#streams.clear();
      const options = {
        ...{ crypto: nodeCrypto, clock: systemClock, sid, psk, caps: [], guard: this.#guard, staticKey },
        ...{ keys: [{ kid, publicKey: fromBase64Url(spki) }], trustedNow: () => Date.now() },
        ...{
          unacknowledgedBytes: UNACKNOWLEDGED_BYTES.node,
          certify: (spk: Uint8Array<ArrayBuffer>) => this.#certify(spk),
        },
      };
      this.#link = await Link.acceptApplet(options, path);
      this.#link.onStream(stream => this.#take(stream));
    }
  }

  #take(stream: LinkStream): void {
    this.#streams.set(stream.kind, stream);
    const handler = this.#handlers.get(stream.kind);
    if (handler !== undefined) return void handler(stream);
    stream.listen({
      message: bytes => {
        if (stream.kind !== 'chat') return;
        const message = parseChat(bytes);
        if (message.type !== 'line') return;
        this.heard.push(message.text);
        stream.send(writeChat({ type: 'received', id: message.id }));
        this.#wake();
      },
    });
    this.#wake();
  }

  async #certify(spk: Uint8Array<ArrayBuffer>) {
    this.#send({ type: 'certify', spk, nonce: bytesOf(randomBytes(16)) });
    const { payload, signature } = await this.#next('credential');
    return { payload, signature };
  }

  #send(message: FromApplet): void {
    this.#leg.send(writeLegMessage(message));
  }

  async #until<T extends FromAppliance['type']>(type: T): Promise<Said<T>> {
    for (;;) {
      const found = this.#told.find((message): message is Said<T> => message.type === type);
      if (found !== undefined) return found;
      await this.#more();
    }
  }

  /** As `#until`, and takes it away. */
  async #next<T extends FromAppliance['type']>(type: T): Promise<Said<T>> {
    const found = await this.#until(type);
    this.#told.splice(this.#told.indexOf(found), 1);
    return found;
  }

  #more(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function open({ port, ca }: Appliance, path: string, protocols: string[]): WebSocket {
  const options: ClientOptions & ConnectionOptions = {
    ca,
    servername: 'localhost',
    origin: `https://localhost:${port}`,
  };
  return new WebSocket(`wss://localhost:${port}${path}`, protocols, options);
}

// An applet's own leg: as its gateway passes it on, to the portal's internal socket, where tokens are digests already; or
// through a gateway itself.
import { createHash } from 'node:crypto';
import { WebSocket } from 'ws';
import { toBase64Url } from '../../appliance/guid.ts';
import {
  APPLET_LEG_PATH,
  APPLET_LEG_PROTOCOL,
  type FromApplet,
  type FromAppliance,
  parseFromAppliance,
  writeLegMessage,
} from '../../appliance/protocol/applet-leg.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { sha256 } from '../../appliance/sessions/session-secrets.ts';
import type { TestApplet } from '../sessions/open-sessions.ts';

type Told<Type extends FromAppliance['type']> = Extract<FromAppliance, { type: Type }>;

export class TestLeg {
  readonly #socket: WebSocket;
  /** What stands in a message for T. */
  readonly #shown: (token: Uint8Array) => Uint8Array<ArrayBuffer>;
  readonly #told: FromAppliance[] = [];
  #wake: () => void = () => undefined;
  /** Code of the close frame, once there was one. */
  closedWith: number | null = null;

  private constructor(socket: WebSocket, shown: (token: Uint8Array) => Uint8Array<ArrayBuffer>) {
    this.#socket = socket;
    this.#shown = shown;
    socket.on('message', data => {
      this.#told.push(parseFromAppliance(Uint8Array.from(data as Buffer)));
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', code => {
      this.closedWith = code;
      this.#wake();
    });
  }

  static async dial(
    socketPath: string,
    { gateway = 'gateway-1', address = '198.51.100.7' }: { gateway?: string; address?: string } = {},
  ): Promise<TestLeg> {
    const headers = { 'X-Appliance-Peer': address, 'X-Appliance-Gateway': gateway };
    const socket = new WebSocket(`ws+unix:${socketPath}:/internal/applet-leg`, { headers });
    const leg = new TestLeg(socket, token => Uint8Array.from(sha256(token)));
    await leg.#opened();
    return leg;
  }

  /** Over TLS, as an applet that trusts the appliance CA alone. */
  static async dialGateway({ port, ca }: { port: number; ca: Buffer }): Promise<TestLeg> {
    const options = { ca, servername: 'applet.localhost', origin: `https://localhost:${port}` };
    const url = `wss://localhost:${port}${APPLET_LEG_PATH}`;
    const leg = new TestLeg(new WebSocket(url, APPLET_LEG_PROTOCOL, options), token => Uint8Array.from(token));
    await leg.#opened();
    return leg;
  }

  say(message: FromApplet): void {
    this.sayBytes(writeLegMessage(message));
  }

  sayBytes(bytes: Uint8Array | string): void {
    this.#socket.send(bytes, { binary: typeof bytes !== 'string' });
  }

  /** The next message, which must be of that type; that the appliance is alive may be told at any time. */
  async next<Type extends FromAppliance['type']>(type: Type): Promise<Told<Type>> {
    let message = await this.#next();
    while (message?.type === 'alive' && type !== 'alive') message = await this.#next();
    if (message?.type !== type) throw new Error(`told ${message?.type ?? `the end (${this.closedWith})`}, not ${type}`);
    return message as Told<Type>;
  }

  /** The next message of that type; what comes before it is skipped. */
  async until<Type extends FromAppliance['type']>(type: Type): Promise<Told<Type>> {
    for (;;) {
      const message = await this.#next();
      if (message === null) throw new Error(`the end (${this.closedWith}) before ${type}`);
      if (message.type === type) return message as Told<Type>;
    }
  }

  /** Types of all that is told until the end, and its code. */
  async rest(): Promise<{ types: string[]; code: number | null }> {
    const types: string[] = [];
    for (let message = await this.#next(); message !== null; message = await this.#next()) types.push(message.type);
    return { types, code: this.closedWith };
  }

  async claim(token: Uint8Array, applet: TestApplet): Promise<Told<'claimed'>> {
    await this.next('challenge');
    return this.claimNow(token, applet);
  }

  /** After the challenge, or a PIN. */
  async claimNow(token: Uint8Array, applet: TestApplet): Promise<Told<'claimed'>> {
    const apk = Uint8Array.from(Buffer.from(applet.spki, 'base64url'));
    this.say({ type: 'claim', token: this.#shown(token), apk, platform: 'win-x64', language: 'de-CH' });
    return this.next('claimed');
  }

  /** @param lie what to sign in place of the challenge, or of the session's own token */
  async comeBack(
    token: Uint8Array,
    applet: TestApplet,
    lie: { readonly nonce?: Uint8Array; readonly token?: Uint8Array } = {},
  ): Promise<void> {
    const { nonce } = await this.next('challenge');
    const signed = createHash('sha256')
      .update(lie.token ?? token)
      .digest('base64url');
    const payload = canonicalBytes({ nonce: toBase64Url(lie.nonce ?? nonce), token: signed });
    const signature = applet.sign('appliance/applet-return/v1', payload);
    this.say({ type: 'return', token: this.#shown(token), signature });
  }

  /** Comes back, if there is anyone to come back to. */
  async isLetIn(token: Uint8Array, applet: TestApplet): Promise<boolean> {
    try {
      await this.comeBack(token, applet);
      await this.next('claimed');
      return true;
    } catch {
      return false; // the portal is not there yet
    }
  }

  /** Breaks the connection without a word. */
  cut(): void {
    this.#socket.terminate();
  }

  /** Resolves once the portal has answered a question asked now: everything said before was handled. */
  async settled(): Promise<void> {
    this.say({ type: 'ask-time', nonce: new Uint8Array(16) });
    await this.until('time');
  }

  #opened(): Promise<void> {
    return new Promise(resolve => {
      this.#socket.once('open', resolve);
      this.#socket.once('close', () => resolve());
    });
  }

  async #next(): Promise<FromAppliance | null> {
    while (this.#told.length === 0 && this.closedWith === null) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#told.shift() ?? null;
  }
}

// The recorder as a process of its own, with a real signer, and consoles that bring streams to it. Of the portal only its end
// of the wire is here.
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join, resolve } from 'node:path';
import { WebSocket } from 'ws';
import { systemClock } from '../../appliance/clock.ts';
import { fromBase64Url, toBase64Url } from '../../appliance/guid.ts';
import { createLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { makeKeys } from '../../appliance/pki/make-keys.ts';
import { type PublicKeyInfo, publicKeyFrom, verifySigned } from '../../appliance/pki/signature.ts';
import { Signer } from '../../appliance/pki/signer.ts';
import { SignerClient } from '../../appliance/pki/signer-client.ts';
import { SignerServer } from '../../appliance/pki/signer-server.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import type { FinishedRecording, RecordingGrant, RecordingLive } from '../../appliance/protocol/recorder-portal.ts';
import {
  type FromRecorder,
  parseFromRecorder,
  RECORDER_PATH,
  RECORDER_PROTOCOL,
  writeToRecorder,
} from '../../appliance/protocol/recorder-socket.ts';
import { parseRecordingReceipt, type RecordingReceipt } from '../../appliance/protocol/recording-receipt.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { random } from './test-stream.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const HOST = 'support.example.com';
const OWN = process.getuid?.() ?? 0;

/** Keys are made once: RSA keys are what takes time. */
let keys: Promise<TempFolder> | null = null;

async function makeTemplate(): Promise<TempFolder> {
  const folder = new TempFolder();
  await makeKeys({ dataFolder: folder.path, names: ['localhost'], organisation: '', clock: systemClock });
  return folder;
}

export class TestRecorder implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly lives: RecordingLive[] = [];
  readonly finishedRecordings: FinishedRecording[] = [];
  readonly lines: string[] = [];
  readonly #grants = new Map<string, RecordingGrant>();
  readonly #consoles: TestConsole[] = [];
  #told: (() => void)[] = [];
  /** Digests of the films it has signed, by stream: the portal signs one of each. */
  readonly #films = new Map<string, string>();
  isPortalAway = false;
  /** How it answers what is finished, where that is not to be kept. */
  refusal: [number, object] | null = null;
  /** How far an applet has signed, of all streams. */
  attested: number | null = null;
  /** Whether every session is over. */
  isOver = false;
  /** What is kept of a finished recording. */
  format: 'rcrec' | 'avi' | 'both' = 'rcrec';
  receiptKey: PublicKeyInfo | null = null;
  #process: ChildProcess | null = null;
  #signer: Signer | null = null;
  #signerServer: SignerServer | null = null;
  #portal: Server | null = null;

  static async start(): Promise<TestRecorder> {
    keys ??= makeTemplate();
    const recorder = new TestRecorder();
    cpSync((await keys).path, recorder.dataFolder, { recursive: true });
    copyFileSync(join(ROOT, 'config', 'appliance.yaml'), join(recorder.dataFolder, 'appliance.yaml'));
    mkdirSync(recorder.path('run'), { mode: 0o700 });
    await recorder.startSigner();
    await recorder.#startPortal();
    await recorder.startProcess();
    return recorder;
  }

  get dataFolder(): string {
    return join(this.folder.path, 'data');
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  path(...parts: string[]): string {
    return join(this.dataFolder, ...parts);
  }

  /** Paths below `finished/`. */
  finished(): string[] {
    const folder = this.path('recordings', 'finished');
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  }

  writing(): string[] {
    const folder = this.path('recordings', 'writing');
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  async startProcess(): Promise<void> {
    const child = fork(join(ROOT, 'appliance/bin/recorder.ts'), ['--data', this.dataFolder], { silent: true });
    child.stdout?.on('data', (chunk: Buffer) => this.lines.push(...chunk.toString('utf8').split('\n')));
    child.stderr?.on('data', (chunk: Buffer) => this.lines.push(chunk.toString('utf8')));
    this.#process = child;
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(this.lines.join('\n')))),
    ]);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async startSigner(): Promise<void> {
    const shared = { log: createLog('signer', { write: () => undefined }), metrics: new Metrics() };
    const socketPath = this.path('run', 'signer.sock');
    this.#signer = new Signer({ dataFolder: this.dataFolder, clock: systemClock, ...shared });
    const users = { portal: OWN, recorder: OWN };
    this.#signerServer = new SignerServer({ signer: this.#signer, socketPath, users, log: shared.log });
    await this.#signerServer.listen();
    const client = new SignerClient({ socketPath });
    this.receiptKey = (await client.publicKeys()).receipts;
    client.close();
  }

  async stopSigner(): Promise<void> {
    await this.#signerServer?.close();
    this.#signer?.close();
    this.#signerServer = null;
  }

  /** Once something is so, looked at whenever the portal has answered. */
  async portalTold(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>(resolve => this.#told.push(resolve));
  }

  /** A token for one connection, as the portal gives them. */
  token({ sid, sub }: Pick<RecordingGrant, 'sid' | 'sub'>): string {
    const token = random(32);
    this.#grants.set(createHash('sha256').update(token).digest('base64url'), { sid, sub, since: 0 });
    return toBase64Url(token);
  }

  connect(
    token: string,
    headers: Record<string, string> = { host: HOST, origin: `https://${HOST}`, 'x-appliance-peer': '192.0.2.7' },
  ): TestConsole {
    const console = new TestConsole(this, token, headers);
    this.#consoles.push(console);
    return console;
  }

  async bring(grant: Pick<RecordingGrant, 'sid' | 'sub'>, nonce: Bytes): Promise<TestConsole> {
    const console = this.connect(this.token(grant));
    await console.opened;
    console.send(writeToRecorder({ type: 'stream', nonce }));
    return console;
  }

  /** Whether the receipt was signed by the appliance's key for receipts. */
  read({ payload, signature }: { payload: Bytes; signature: Bytes }): RecordingReceipt {
    const key = this.receiptKey;
    const text = toBase64Url(signature);
    if (key === null || !verifySigned('appliance/receipts/v1', payload, text, publicKeyFrom(key)))
      throw new Error('a receipt that is not signed');
    return parseRecordingReceipt(payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const console of this.#consoles) console.leave();
    await this.kill('SIGTERM');
    await this.stopSigner();
    this.#portal?.closeAllConnections();
    this.#portal?.close();
    this.folder[Symbol.dispose]();
  }

  async #startPortal(): Promise<void> {
    const portal = createServer(async (request, answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const [status, body] = this.#answer(request.url ?? '', JSON.parse(Buffer.concat(chunks).toString('utf8')));
      answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      for (const told of this.#told.splice(0)) told();
    });
    this.#portal = portal;
    await once(portal.listen(this.path('run', 'portal-internal.sock')), 'listening');
  }

  #answer(url: string, body: { readonly digest: string } & RecordingLive & FinishedRecording): [number, object] {
    if (this.isPortalAway) return [503, {}];
    if (url.endsWith('/live')) {
      this.lives.push(body);
      return [200, { isOver: this.isOver }];
    }
    if (url.endsWith('/attested')) return [200, { offset: this.attested }];
    if (url.endsWith('/finished')) {
      this.finishedRecordings.push(body);
      if (this.refusal !== null) return this.refusal;
      const known = this.#films.get(body.nonce);
      if (known !== undefined && known !== body.sha256) return [409, { code: 'recording.other' }];
      this.#films.set(body.nonce, body.sha256);
      return [200, { kid: 'manifest', payload: JSON.stringify(body), signature: 'signed' }];
    }
    if (url.endsWith('/format')) return [200, { format: this.format }];
    if (url.endsWith('/avi')) return [200, { kid: 'manifest', payload: JSON.stringify(body), signature: 'signed' }];
    const grant = this.#grants.get(body.digest);
    this.#grants.delete(body.digest);
    return grant === undefined ? [403, {}] : [200, grant];
  }
}

/** A console's connection to the recorder. */
export class TestConsole {
  readonly opened: Promise<void>;
  /** HTTP status of a refusal. */
  readonly refused: Promise<number>;
  readonly closed: Promise<number>;
  readonly messages: FromRecorder[] = [];
  readonly #recorder: TestRecorder;
  readonly #socket: WebSocket;
  #heard: (() => void)[] = [];

  constructor(recorder: TestRecorder, token: string, headers: Record<string, string>) {
    this.#recorder = recorder;
    const url = `ws+unix:${recorder.path('run', 'recorder.sock')}:${RECORDER_PATH}`;
    this.#socket = new WebSocket(url, [RECORDER_PROTOCOL, `token.${token}`], { headers });
    this.#socket.on('message', (data: Buffer) => {
      this.messages.push(parseFromRecorder(Uint8Array.from(data)));
      for (const heard of this.#heard.splice(0)) heard();
    });
    this.#socket.on('error', () => undefined);
    this.opened = new Promise(resolve => this.#socket.once('open', resolve));
    this.closed = new Promise(resolve => this.#socket.once('close', resolve));
    this.refused = new Promise(resolve =>
      this.#socket.once('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0)),
    );
  }

  send(bytes: Bytes): void {
    this.#socket.send(bytes);
  }

  data(bytes: Bytes): void {
    for (let at = 0; at < bytes.length; at += 100_000)
      this.send(writeToRecorder({ type: 'data', bytes: bytes.slice(at, at + 100_000) }));
  }

  /** The first message of which this is so. */
  async hears<T>(find: (message: FromRecorder) => T | null): Promise<T> {
    for (;;) {
      for (const message of this.messages) {
        const found = find(message);
        if (found !== null) return found;
      }
      await new Promise<void>(resolve => this.#heard.push(resolve));
    }
  }

  /** Where the recorder wants the stream to go on. */
  at(): Promise<number> {
    return this.hears(message => (message.type === 'at' ? message.offset : null));
  }

  state(state: string): Promise<true> {
    return this.hears(message => (message.type === 'state' && message.state === state ? true : null));
  }

  /** The receipt that proves so much. */
  receipt(offset: number): Promise<RecordingReceipt> {
    return this.hears(message => {
      if (message.type !== 'receipt') return null;
      const receipt = this.#recorder.read(message);
      return receipt.offset === offset ? receipt : null;
    });
  }

  leave(): void {
    this.#socket.terminate();
  }
}

/** What is under the manifest's signature. */
export function manifestOf(path: string): FinishedRecording {
  return JSON.parse(JSON.parse(readFileSync(path, 'utf8')).payload);
}

export function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('base64url');
}

export function receiptOf({ receipt }: Pick<FinishedRecording, 'receipt'>): RecordingReceipt {
  return parseRecordingReceipt(fromBase64Url(receipt?.payload ?? ''));
}

// The connection to one server of the directory: TCP, StartTLS where it is asked for, and a meter over all that comes in. It
// is ours, not the libraries': they get a stream that ends at its byte budget and its deadline whatever they do.
import { connect, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { clientTls } from '../pki/client-tls.ts';
import { DirectoryFault } from './directory-fault.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly startTls: boolean;
  /** As configured. */
  readonly url: string;
}

export interface Wire extends Disposable {
  /** For `tls.connect`: strict, and over the metered stream. */
  readonly tls: ConnectionOptions;
  /** Rejects when the connection ends before it is disposed of: deadline, budget, network. */
  readonly failed: Promise<never>;
}

export interface WireLimits {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** PEM */
  readonly authorities: string | null;
}

const ENDED_AFTER_MS = 20;
/** ExtendedRequest 1 with the OID of StartTLS (RFC 4511 §4.14.1). */
const START_TLS = Buffer.concat([Buffer.from('301d02010177188016', 'hex'), Buffer.from('1.3.6.1.4.1.1466.20037')]);
const MAX_START_TLS_ANSWER = 4096;

export function parseServer(url: string): ServerAddress {
  const { hostname, port, protocol } = new URL(url);
  const startTls = protocol === 'ldap:';
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: port === '' ? (startTls ? 389 : 636) : Number(port), startTls, url };
}

/** @throws DirectoryFault, or what the network says */
export async function openWire(server: ServerAddress, { maxBytes, signal, authorities }: WireLimits): Promise<Wire> {
  const raw = connect({ host: server.host, port: server.port });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined); // told by whoever waits for it just then
  raw.on('error', reject);
  // Whoever speaks over it may know better why it ended, a moment later: a certificate, say.
  const ended = () => reject(new DirectoryFault('directory.ended', 'it ended the connection'));
  raw.on('close', () => setTimeout(ended, ENDED_AFTER_MS));
  const late = () => {
    reject(new DirectoryFault('directory.late', 'it did not answer in time'));
    raw.destroy();
  };
  if (signal.aborted) late();
  signal.addEventListener('abort', late, { once: true });
  const end = () => {
    signal.removeEventListener('abort', late);
    raw.destroy();
  };
  try {
    await Promise.race([new Promise(done => raw.once('connect', done)), failed]);
    raw.setNoDelay(true);
    if (server.startTls) await Promise.race([startTls(raw), failed]);
  } catch (error) {
    end();
    throw error;
  }
  const socket = new MeteredSocket(raw, maxBytes);
  socket.on('error', reject);
  const name = isIP(server.host) === 0 ? { servername: server.host } : {};
  const ca = authorities === null ? {} : { ca: authorities };
  const strict = { ...clientTls, ALPNProtocols: [] };
  return { tls: { socket, host: server.host, ...name, ...ca, ...strict }, failed, [Symbol.dispose]: end };
}

/** Only the handshake, for the test page. @returns what was agreed upon */
export async function shakeHands({ tls, failed }: Wire): Promise<string> {
  const secure = connectTls(tls);
  try {
    await Promise.race([
      failed,
      new Promise((done, reject) => secure.once('secureConnect', done).once('error', reject)),
    ]);
    return `${secure.getProtocol()}, ${secure.getCipher().standardName}`;
  } finally {
    secure.on('error', () => undefined);
    secure.destroy();
  }
}

/** Asks for TLS, and takes nothing but one plain yes: what came behind it in the clear would be read as if it were sealed. */
async function startTls(raw: Socket): Promise<void> {
  raw.write(START_TLS);
  let answer: Buffer = Buffer.alloc(0);
  while (true) {
    const [chunk] = await new Promise<[Buffer]>(done => raw.once('data', (...all: [Buffer]) => done(all)));
    raw.pause();
    answer = Buffer.concat([answer, chunk]);
    const verdict = readStartTls(answer);
    if (verdict === 'yes') return;
    if (verdict === 'no')
      throw new DirectoryFault('directory.no-starttls', 'it does not offer StartTLS; nothing was sent in the clear');
    raw.resume();
  }
}

/** Reads an ExtendedResponse (RFC 4511 §4.12), of which only message id and result count. */
export function readStartTls(answer: Buffer): 'yes' | 'no' | 'more' {
  if (answer.length > MAX_START_TLS_ANSWER || (answer.length > 0 && answer[0] !== 0x30)) return 'no';
  const outer = readLength(answer, 1);
  const form = answer[1] ?? 0;
  if (outer === undefined) return answer.length < 6 && form !== 0x80 && form <= 0x84 ? 'more' : 'no';
  const end = outer.at + outer.length;
  if (end > MAX_START_TLS_ANSWER || end < answer.length) return 'no';
  if (end > answer.length) return 'more';
  const isOurs = answer.subarray(outer.at, outer.at + 4).equals(Buffer.from('02010178', 'hex'));
  const inner = readLength(answer, outer.at + 4);
  if (!isOurs || inner === undefined) return 'no';
  return answer.subarray(inner.at, inner.at + 3).equals(Buffer.from('0a0100', 'hex')) ? 'yes' : 'no';
}

/** A definite length (X.690 §8.1.3), of at most four bytes, as Active Directory always writes it. */
function readLength(bytes: Buffer, at: number): { length: number; at: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { length: first, at: at + 1 };
  const count = first - 0x80;
  if (count < 1 || count > 4 || bytes.length < at + 1 + count) return undefined;
  return { length: bytes.readUIntBE(at + 1, count), at: at + 1 + count };
}

/** Passes on what comes in until the budget is spent, and then ends. */
class MeteredSocket extends Duplex {
  readonly #raw: Socket;

  constructor(raw: Socket, maxBytes: number) {
    super({ allowHalfOpen: false });
    this.#raw = raw;
    let left = maxBytes;
    raw.on('data', chunk => {
      left -= chunk.length;
      if (left < 0) this.destroy(new DirectoryFault('directory.too-much', 'it sent more than is taken from it'));
      else if (!this.push(chunk)) raw.pause();
    });
    raw.on('end', () => this.push(null));
    raw.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#raw.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#raw.destroy();
    done(error);
  }
}

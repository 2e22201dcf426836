// The way out of a customer's network: through the HTTP proxy its environment names, or none. A proxy only ever carries our
// TLS (RFC 9110 §9.3.6), so it need not be trusted.
import { connect, isIP, type Socket } from 'node:net';
import { ApplianceError } from '../errors.ts';
import type { ServerAddress } from './configuration.ts';

const MAX_HEAD_BYTES = 16 * 1024;

export interface Proxy extends ServerAddress {
  /** Value of Proxy-Authorization (RFC 7617), or null. */
  readonly authorization: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ApplianceError `proxy.malformed` for a proxy this program can't use: better said than gone around */
export function findProxy(target: ServerAddress, environment: Environment): Proxy | null {
  const named = (name: string) => environment[name.toLowerCase()] ?? environment[name];
  const text = named('HTTPS_PROXY') || named('ALL_PROXY');
  if (!text || isExempt(target, named('NO_PROXY') ?? '')) return null;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || url.protocol !== 'http:' || url.hostname === '') {
    throw new ApplianceError('malformed', 'proxy.malformed', 'the proxy of the environment is no http:// address');
  }
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = url.username === '' ? null : `Basic ${Buffer.from(credentials).toString('base64')}`;
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || '80'), authorization };
}

function isExempt({ host, port }: ServerAddress, list: string): boolean {
  const name = host.toLowerCase();
  return list.split(/[\s,]+/).some(entry => {
    const rule = entry.toLowerCase().replace(/^\*?\./, '');
    if (rule === '') return entry === '*';
    return (
      rule === '*' || rule === name || rule === `${name}:${port}` || (isIP(name) === 0 && name.endsWith(`.${rule}`))
    );
  });
}

/** @throws ApplianceError `connection.failed`, `proxy.refused` */
export async function openTcp(target: ServerAddress, proxy: Proxy | null, signal: AbortSignal): Promise<Socket> {
  const socket = await openSocket(proxy ?? target, signal);
  if (proxy === null) return socket;
  try {
    await requestTunnel(socket, target, proxy, signal);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function openSocket({ host, port }: ServerAddress, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const stop = () => socket.destroy(new Error('no connection in time'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    socket.once('error', cause => reject(failed('no connection', cause)));
    socket.once('connect', () => {
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners('error');
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function requestTunnel(socket: Socket, target: ServerAddress, proxy: Proxy, signal: AbortSignal): Promise<void> {
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
  const head = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (proxy.authorization !== null) head.push(`Proxy-Authorization: ${proxy.authorization}`);
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    let answer = '';
    const finish = (error: ApplianceError | null) => {
      socket.off('data', read).off('error', lost).off('close', lost);
      signal.removeEventListener('abort', lost);
      if (error === null) resolve();
      else reject(error);
    };
    const lost = () => finish(failed('the proxy went away'));
    const read = (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      if (end < 0 && answer.length > MAX_HEAD_BYTES) return finish(refused('its answer is too long'));
      if (end < 0) return;
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]);
      if (status < 200 || status > 299 || Number.isNaN(status)) return finish(refused(`it answered ${status}`));
      // The server speaks only after our hello: bytes behind the proxy's answer are not the server's.
      finish(answer.length === end + 4 ? null : refused('it said more than it may'));
    };
    socket.on('data', read).once('error', lost).once('close', lost);
    signal.addEventListener('abort', lost, { once: true });
    if (signal.aborted) lost();
  });
}

function failed(message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'connection.failed', message, { cause });
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'proxy.refused', `the proxy does not let us out: ${why}`);
}

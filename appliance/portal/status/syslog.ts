// Lines for a syslog server: RFC 5424 over TLS (RFC 5425) or UDP (RFC 5426). Over TLS a batch is one connection, and it is sent when
// the server has taken its end; by UDP nobody says whether anything arrives.
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { SyslogConfig } from '../../config.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import { clientTls, trustIn } from '../../pki/client-tls.ts';

const DEADLINE_MS = 10_000;
const DAEMON = 3; // facility, RFC 5424 §6.2.1
const MAX_TEXT = 1000;
const PORTS = { tls: 6514, udp: 514 } as const;

export interface SyslogMessage {
  /** RFC 5424 §6.2.1 */
  readonly severity: 'error' | 'notice' | 'informational';
  /** ms UTC */
  readonly at: number;
  /** `alert.raised`: 32 printable characters at most. */
  readonly event: string;
  readonly text: string;
}

const SEVERITIES = { error: 3, notice: 5, informational: 6 } as const;

/** @param host the appliance's own name */
export function syslogLine({ severity, at, event, text }: SyslogMessage, host: string): string {
  const priority = DAEMON * 8 + SEVERITIES[severity];
  // One message stays one line, whatever stands in it.
  const clean = text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, MAX_TEXT);
  const time = new Date(at).toISOString();
  return `<${priority}>1 ${time} ${host} remote-support ${process.pid} ${event} - \ufeff${clean}`;
}

export interface SendOptions {
  /** Told what happened, in words, for whoever tries it out. */
  readonly step?: (what: string) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/**
 * Sends lines in their order, within ten seconds.
 * @throws ApplianceError `syslog.failed`, saying at what
 */
export async function sendSyslog(
  target: SyslogConfig,
  lines: readonly string[],
  { step = () => undefined, signal: ending }: SendOptions = {},
): Promise<void> {
  const { protocol, host } = target;
  const port = target.port ?? PORTS[protocol];
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const signal = ending === undefined ? deadline : AbortSignal.any([deadline, ending]);
  const late = once(signal, 'abort').then(() => {
    throw new Error(`not done within ${DEADLINE_MS / 1000} s`);
  });
  late.catch(() => undefined); // told by whoever waits for it just then
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    step(`${host} has the address ${found.map(({ address }) => address).join(', ')}`);
    if (protocol === 'udp') await sendByUdp(found[0]?.address ?? host, port, lines, step);
    else await Promise.race([sendByTls({ ...target, port }, lines, step, signal), late]);
  } catch (cause) {
    throw new ApplianceError(
      'unavailable',
      'syslog.failed',
      `${host}:${port} by ${protocol}: ${describeError(cause)}`,
      {
        hint: 'See alerts.syslog in appliance.yaml: host, port, protocol, and who signs the server’s certificate.',
        cause,
      },
    );
  }
}

async function sendByUdp(
  address: string,
  port: number,
  lines: readonly string[],
  step: (what: string) => void,
): Promise<void> {
  const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
  try {
    for (const line of lines) {
      await new Promise<void>((resolve, reject) => {
        socket.send(line, port, address, error => (error === null ? resolve() : reject(error)));
      });
    }
    step(`Sent to port ${port} by UDP; whether it arrived, the server alone knows`);
  } finally {
    socket.close();
  }
}

async function sendByTls(
  { host, port, authorities }: SyslogConfig,
  lines: readonly string[],
  step: (what: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const trusted = await trustIn(authorities);
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port, ...clientTls, ...trusted, ...name });
  socket.on('error', () => undefined); // told by whichever of the two below waits
  try {
    const ended = once(socket, 'close', { signal });
    ended.catch(() => undefined); // told by whoever waits for it just then
    await once(socket, 'secureConnect', { signal });
    step(`Connected to ${socket.remoteAddress} port ${port}, ${describeTls(socket)}`);
    socket.resume(); // what the server says is nothing to us
    // Octet counting, RFC 5425 §4.3.
    socket.end(lines.map(line => `${Buffer.byteLength(line)} ${line}`).join(''));
    await ended;
    step('Sent, and the server has closed the connection as it should');
  } finally {
    socket.destroy();
  }
}

function describeTls(socket: TLSSocket): string {
  const { subject, valid_to } = socket.getPeerCertificate();
  const until = new Date(valid_to).toISOString().slice(0, 10);
  return `${socket.getProtocol()} with ${socket.getCipher().standardName}; its certificate is of ${[subject.CN].flat()[0] ?? 'nobody named'}, good until ${until}`;
}

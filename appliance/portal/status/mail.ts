// Alerts by mail: one message for all that happened since the last, over TLS with AES-256 or not at all (RFC 3207, RFC 8314).
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import type { MailConfig } from '../../config.ts';
import { ApplianceError, describeError } from '../../errors.ts';
import { clientTls, trustIn } from '../../pki/client-tls.ts';
import { checkPrivatePassword } from '../../pki/password-files.ts';
import type { SendOptions } from './syslog.ts';

/** @property password in place of the one in the file */
export interface MailOptions extends SendOptions {
  readonly password?: string | undefined;
}

const DEADLINE_MS = 30_000;
const STEP_MS = 10_000;
const PORTS = { tls: 465, starttls: 587 } as const;
const MAX_PASSWORD_BYTES = 1024;

export interface Mail {
  readonly subject: string;
  readonly text: string;
}

/**
 * Hands a mail to the server, within half a minute.
 * @throws ApplianceError `mail.failed`, saying at what
 */
export async function sendMail(
  target: MailConfig,
  mail: Mail,
  { step = () => undefined, signal: ending, password }: MailOptions = {},
): Promise<void> {
  const { host, from, to } = target;
  const port = mailPort(target);
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const signal = ending === undefined ? deadline : AbortSignal.any([deadline, ending]);
  try {
    const transport = createTransport(await transportOf(target, password));
    const end = () => transport.close();
    signal.addEventListener('abort', end, { once: true });
    try {
      const { response } = await Promise.race([transport.sendMail({ from, to: [...to], ...mail }), lateAt(signal)]);
      step(`${host} port ${port} has taken it for ${to.join(', ')}: ${response}`);
    } finally {
      signal.removeEventListener('abort', end);
      transport.close();
    }
  } catch (cause) {
    throw new ApplianceError('unavailable', 'mail.failed', `${host}:${port}: ${describeError(cause)}`, {
      hint: 'See alerts.mail in appliance.yaml: host, port, security, who signs the server’s certificate, user and password file.',
      cause,
    });
  }
}

const LIMITS = {
  ...{ connectionTimeout: STEP_MS, greetingTimeout: STEP_MS, socketTimeout: STEP_MS, dnsTimeout: STEP_MS },
  // A mail is text of ours: nothing in it is ever fetched.
  ...{ disableFileAccess: true, disableUrlAccess: true },
} as const;

export function mailPort({ port, security }: MailConfig): number {
  return port ?? PORTS[security];
}

/** How nodemailer speaks with the server. @param password in place of the one in the file */
export async function transportOf(target: MailConfig, password?: string) {
  return { host: target.host, port: mailPort(target), ...(await securityOf(target, password)), ...LIMITS };
}

async function securityOf({ host, security, authorities, user, passwordFile }: MailConfig, password?: string) {
  const trusted = await trustIn(authorities);
  const named = isIP(host) === 0 ? { servername: host } : {};
  const auth = user === null ? {} : { auth: { user, pass: password ?? (await readPassword(passwordFile)) } };
  const how = security === 'tls' ? { secure: true } : { secure: false, requireTLS: true };
  return { ...how, ...auth, tls: { ...clientTls, ...trusted, ...named } };
}

async function readPassword(path: string | null): Promise<string> {
  if (path === null) throw new Error('alerts.mail.passwordFile is not set');
  checkPrivatePassword(path);
  const file = await stat(path);
  if (!file.isFile() || file.size > MAX_PASSWORD_BYTES)
    throw new Error(`${path} is too large for a password, or no file`);
  return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
}

function lateAt(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const late = () => reject(new Error(`not done within ${DEADLINE_MS / 1000} s`));
    if (signal.aborted) late();
    else signal.addEventListener('abort', late, { once: true });
  });
}

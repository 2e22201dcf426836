// The steps of a mail (RFC 5321, RFC 3207, RFC 8314): the last sends one by the very way alerts go.
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { TLSSocket } from 'node:tls';
import SmtpConnection from 'nodemailer/lib/smtp-connection';
import type { MailConfig } from '../../config.ts';
import { type Mail, mailPort, sendMail, transportOf } from '../status/mail.ts';
import type { TrialSteps } from './trial.ts';

const CONNECT_MS = 10_000;

/** @param password in place of the one in the file */
export function mailSteps(target: MailConfig, mail: Mail, password?: string): TrialSteps {
  const { host, user } = target;
  const port = mailPort(target);
  return {
    Name: async () => {
      const found = await lookup(host, { all: true });
      return `${host} is ${found.map(({ address }) => address).join(', ')}`;
    },
    Connect: async signal => {
      const socket = connect({ host, port });
      socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('nobody answers there')));
      try {
        await once(socket, 'connect', { signal });
        return `somebody listens at port ${port} of ${socket.remoteAddress}`;
      } finally {
        socket.destroy();
      }
    },
    TLS: async signal => {
      using server = await open(target, password, signal);
      return `TLS is there and the certificate is for ${host}: ${server.tls}`;
    },
    'Sign in': async signal => {
      if (user === null) return 'not asked for: no user is set';
      using server = await open(target, password, signal);
      await server.signIn();
      return `signed in as ${user}`;
    },
    'Test mail': async signal => {
      const told: string[] = [];
      await sendMail(target, mail, { step: what => told.push(what), signal, password });
      return `${told.join('; ')}. Look whether it arrives.`;
    },
  };
}

interface Opened extends Disposable {
  readonly tls: string;
  signIn(): Promise<void>;
}

async function open(target: MailConfig, password: string | undefined, signal: AbortSignal): Promise<Opened> {
  const { auth, ...options } = await transportOf(target, password);
  const connection = new SmtpConnection(options);
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined); // told by whoever waits for it just then
  connection.on('error', reject);
  connection.on('end', () => reject(new Error('the server has ended the connection')));
  const close = () => connection.close();
  signal.addEventListener('abort', close, { once: true });
  const done = (start: (back: (error?: Error | null) => void) => void) =>
    Promise.race([failed, new Promise<void>((yes, no) => start(error => (error ? no(error) : yes())))]);
  try {
    await done(back => connection.connect(back));
  } catch (error) {
    close();
    throw error;
  }
  return {
    tls: describeTls(connection._socket),
    signIn: () => done(back => connection.login(auth, back)),
    [Symbol.dispose]: () => {
      signal.removeEventListener('abort', close);
      close();
    },
  };
}

function describeTls(socket: unknown): string {
  if (!(socket instanceof TLSSocket)) throw new Error('the server goes on without TLS');
  const until = new Date(socket.getPeerCertificate().valid_to).toISOString().slice(0, 10);
  return `${socket.getProtocol()} with ${socket.getCipher().standardName}, good until ${until}`;
}

// A real mail server (aiosmtpd), with a certificate of the test's authority and one account.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { MailConfig } from '../../appliance/config.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { TestAuthority } from '../support/test-certificates.ts';

const PROGRAM = fileURLToPath(new URL('../fixtures/smtp-server.py', import.meta.url));
const authority = new TestAuthority();

export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly cipher: string;
  readonly user: string;
  readonly content: string;
}

export interface TestMailServer extends AsyncDisposable {
  readonly config: MailConfig;
  /** The next it has taken and nobody has asked for yet. */
  next(): Promise<TakenMail>;
}

export async function startMailServer(
  how: MailConfig['security'] | 'none',
  names: readonly string[] = ['localhost'],
): Promise<TestMailServer> {
  const folder = new TempFolder();
  const path = (name: string, content: string) => {
    writeFileSync(join(folder.path, name), content, { mode: 0o600 });
    return join(folder.path, name);
  };
  const { certificate, key } = authority.issue({ names });
  const pair = [path('server.crt', certificate), path('server.key', key)];
  // Debian's own Python: it has Debian's package of the server.
  const server = spawn('/usr/bin/python3', ['-W', 'ignore', PROGRAM, ...pair, 'appliance', 'pass-word', how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
  const nextLine = async () => String((await lines.next()).value);
  const port = Number(await nextLine());
  const config: MailConfig = {
    ...{
      security: how === 'tls' ? 'tls' : 'starttls',
      host: 'localhost',
      port,
      from: 'appliance@example.com',
      to: ['it@example.com', 'ann@example.com'],
    },
    ...{ authorities: path('ca.pem', authority.certificate), user: 'appliance' },
    passwordFile: path('password', 'pass-word\n'),
  };
  return {
    config,
    next: async () => JSON.parse(await nextLine()),
    [Symbol.asyncDispose]: async () => {
      const gone = once(server, 'exit');
      server.kill();
      await gone;
      folder[Symbol.dispose]();
    },
  };
}

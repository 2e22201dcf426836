// Accounts of the recording share, as Samba keeps them: one of its own for each auditor, and one of the machine without
// password, home or shell, because Samba wants one. Runs as root; whom to believe is settled before (share-helper.ts).
import { spawn } from 'node:child_process';
import { ApplianceError } from '../errors.ts';
import { isShareName } from './share-name.ts';

const PATIENCE_MS = 30_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** In the machine's list of users, so that nobody wonders; together with group and name it says that one is ours. */
const COMMENT = 'auditor of the recording share';
const NOT_FOUND = 2; // getent(1)
const PASSWORD = /^[\x21-\x7e]{12,64}$/;

interface Ran {
  readonly code: number | null;
  readonly output: string;
  readonly error: string;
}

export interface SmbAccountsParts {
  /** Of smbd. */
  readonly configuration: string;
  /** Who may read the share; there is one. */
  readonly group: string;
}

export class SmbAccounts {
  readonly #parts: SmbAccountsParts;

  constructor(parts: SmbAccountsParts) {
    this.#parts = parts;
  }

  /**
   * Makes the account, or gives the one that is there another password.
   * @throws ApplianceError `share.name`, `share.password`, `share.not-ours`, `share.command-failed`
   */
  async provision(name: string, password: string): Promise<void> {
    checkName(name);
    if (!PASSWORD.test(password))
      throw new ApplianceError('malformed', 'share.password', 'that is no password of ours');
    const group = await this.#group();
    const user = await this.#user(name);
    if (user !== null && user.gid !== group) throw notOurs(name);
    if (user === null) {
      const options = ['--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
      await this.#run('useradd', [...options, '--no-user-group', '--gid', group, '--comment', COMMENT, name]);
    }
    // On standard input: a command line can be read by every user of the machine.
    await this.#run('smbpasswd', ['-c', this.#parts.configuration, '-s', '-a', name], `${password}\n${password}\n`);
  }

  /** Does nothing where there is none. What is connected with it ends. @throws as `provision` */
  async remove(name: string): Promise<void> {
    checkName(name);
    const user = await this.#user(name);
    if (user !== null && user.gid !== (await this.#group())) throw notOurs(name);
    if ((await this.list()).includes(name)) await this.#run('pdbedit', [...this.#samba, '-x', '-u', name]);
    for (const pid of await this.#connected(name)) await this.#try('smbcontrol', [...this.#samba, pid, 'shutdown']);
    if (user !== null) await this.#run('userdel', ['--force', name]);
  }

  /** Names of all there are. */
  async list(): Promise<string[]> {
    const output = await this.#run('pdbedit', [...this.#samba, '-L']);
    return output
      .split('\n')
      .map(line => line.split(':')[0] ?? '')
      .filter(isShareName);
  }

  /** Whoever has no network, as the installed helper, has to name one: pdbedit asks for it. */
  get #samba(): string[] {
    return ['-s', this.#parts.configuration, '--option=interfaces=127.0.0.1/8'];
  }

  async #connected(name: string): Promise<string[]> {
    const { output } = await this.#try('smbstatus', [...this.#samba, '-b', '-u', name]);
    return output.split('\n').flatMap(line => /^(\d+)\s/.exec(line)?.[1] ?? []);
  }

  async #group(): Promise<string> {
    const line = await this.#run('getent', ['group', this.#parts.group]);
    return line.trim().split(':')[2] ?? '';
  }

  async #user(name: string): Promise<{ gid: string } | null> {
    const { code, output, error } = await this.#try('getent', ['passwd', name]);
    if (code === NOT_FOUND) return null;
    const [found, , , gid] = output.trim().split(':');
    if (code !== 0 || found !== name || gid === undefined) throw failed('getent', error);
    return { gid };
  }

  async #run(command: string, args: readonly string[], input = ''): Promise<string> {
    const { code, output, error } = await this.#try(command, args, input);
    if (code !== 0) throw failed(command, error || output);
    return output;
  }

  /** Never through a shell; the arguments are ours, or a name that was checked. */
  #try(command: string, args: readonly string[], input = ''): Promise<Ran> {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, { env, timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
      let [output, error] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        if (output.length < MAX_OUTPUT_BYTES) output += chunk;
      });
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        if (error.length < MAX_OUTPUT_BYTES) error += chunk;
      });
      child.once('error', cause => reject(failed(command, 'it does not start', cause)));
      child.once('close', code => resolve({ code, output, error }));
      child.stdin.on('error', () => undefined); // it ended without reading; its code says why
      child.stdin.end(input);
    });
  }
}

function checkName(name: string): void {
  if (!isShareName(name))
    throw new ApplianceError('malformed', 'share.name', 'that is no name of an auditor’s account');
}

function notOurs(name: string): ApplianceError {
  return new ApplianceError('refused', 'share.not-ours', `${name} is an account of the machine that we did not make`);
}

function failed(command: string, why: string, cause?: unknown): ApplianceError {
  const text = why.trim().slice(0, 300);
  return new ApplianceError('unavailable', 'share.command-failed', `${command} did not do it: ${text}`, {
    hint: 'See journalctl --unit remote-support-helper, and whether remote-support-share.service runs.',
    cause,
  });
}

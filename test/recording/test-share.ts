// A recording share of a test's own: Debian's smbd with our configuration on a loopback port, the helper as root, smbclient.
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ShareHelperClient } from '../../appliance/recording/share-helper-client.ts';
import { shareNameFor } from '../../appliance/recording/share-name.ts';
import { writeShare } from '../../packaging/samba/configuration.ts';
import { freePort } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
export const PASSWORD = 'kx7d-9mwa-33fe-q0zt';

export class TestShare implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly group = `share-${randomBytes(6).toString('hex')}`;
  readonly helper = new ShareHelperClient(this.path('run', 'helper.sock'));
  readonly names: string[] = [];
  readonly lines: string[] = [];
  port = 0;
  #processes: readonly ChildProcess[] = [];

  static async start(): Promise<TestShare> {
    if (process.getuid?.() !== 0)
      throw new Error('accounts of the recording share are made by root: run this test as root');
    const share = new TestShare();
    try {
      await share.#begin();
      return share;
    } catch (error) {
      await share[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    chmodSync(this.folder.path, 0o755);
    for (const name of ['finished/2026', 'writing']) mkdirSync(this.path(name), { recursive: true });
    writeFileSync(this.path('finished/2026/film.rcrec'), 'the film', { mode: 0o640 });
    writeFileSync(this.path('writing/now.rcrec'), 'not yet', { mode: 0o640 });
    await run('groupadd', ['--system', this.group]);
    this.port = await freePort();
    const folders = { finished: this.path('finished'), state: this.path('state'), run: this.path('run') };
    const configuration = writeShare({ ...folders, user: 'root', group: this.group, testPort: this.port });
    const smbd = spawn('smbd', ['--foreground', '--no-process-group', '-s', configuration], {
      ...{ stdio: 'ignore', detached: true }, // when it ends it ends its whole process group, which had better not be ours
    });
    const args = ['--socket', this.path('run/helper.sock'), '--portal-uid', '0', '--group', this.group];
    const helper = fork(
      join(ROOT, 'appliance/bin/helper.ts'),
      [...args, '--smb-conf', configuration, '--share-state', this.path('state')],
      {
        silent: true,
      },
    );
    helper.stdout?.on('data', (chunk: Buffer) => this.lines.push(chunk.toString('utf8')));
    this.#processes = [smbd, helper];
    await once(helper, 'message'); // it is ready
    await this.#untilItListens(smbd);
  }

  path(...parts: string[]): string {
    return join(this.folder.path, ...parts);
  }

  async provision(): Promise<string> {
    const name = shareNameFor(this.group, 'anna@example.com');
    this.names.push(name);
    await this.helper.provision(name, PASSWORD);
    return name;
  }

  /** What smbclient says; `options` are its own. */
  async client(name: string, commands: string, options: Record<string, string> = {}, password = PASSWORD) {
    const wanted = { 'client min protocol': 'SMB2_02', 'client max protocol': 'SMB3_11', ...options };
    const settings = Object.entries(wanted).map(([key, value]) => `--option=${key}=${value}`);
    const args = ['-s', '/dev/null', ...settings, '-p', `${this.port}`, '-U', name, '//127.0.0.1/recordings'];
    try {
      const env = { ...process.env, PASSWD: password };
      const { stdout } = await run('smbclient', [...args, '-c', commands], { env, timeout: 30_000 });
      return stdout;
    } catch (error) {
      return `refused: ${(error as { stdout?: string }).stdout ?? ''}`;
    }
  }

  /** smbd says nothing when it is ready: asked until it takes a connection. */
  async #untilItListens(smbd: ChildProcess): Promise<void> {
    for (;;) {
      const socket = connect(this.port, '127.0.0.1');
      const isOpen = await new Promise(done =>
        socket.once('connect', () => done(true)).once('error', () => done(false)),
      );
      socket.destroy();
      if (isOpen) return;
      if (smbd.exitCode !== null) throw new Error(readFileSync(this.path('state/smbd.log'), 'utf8'));
      await new Promise(done => setImmediate(done));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.names) await this.helper.remove(name);
    for (const child of this.#processes) {
      const ended = child.exitCode === null ? once(child, 'exit') : null;
      child.kill('SIGTERM');
      await ended;
    }
    await run('groupdel', [this.group]);
    this.folder[Symbol.dispose]();
  }
}

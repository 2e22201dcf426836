// `packaging/run --demo`: a customer with a computer of his own beside the appliance, and a session for him. He downloads
// the real program by his link, as anyone would, and it opens its window on his desktop.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from '../../appliance/errors.ts';
import { createLog, type Log } from '../../appliance/log.ts';
import type { Endpoint } from '../listening.ts';
import { CustomerUser, removeHome } from './customer-user.ts';
import { DemoDesktop, endGroup } from './desktop.ts';
import { invite } from './technician.ts';

const PROGRAM = 'remote-support';
const TRY_EVERY_MS = 1000;
const TRIES = 180; // the appliance builds and signs its programs after READY

export interface DemoCustomer {
  /** Undefined where no session could be made; log/demo.log says why. */
  readonly pin: string | undefined;
  /** Page that shows his desktop. */
  readonly window: string;
}

const fileOf = (dataFolder: string) => join(dataFolder, 'run', 'demo.json');

export class Demo {
  /** For the portal: `--demo FILE`. */
  readonly file: string;
  readonly #secret = randomBytes(32).toString('base64url');
  readonly #user: CustomerUser;
  readonly #desktop: DemoDesktop;
  readonly #logFile: string;
  readonly #log: Log;
  #program: ChildProcess | undefined;
  #isClosed = false;

  private constructor(dataFolder: string, user: CustomerUser, desktop: DemoDesktop) {
    this.#user = user;
    this.#desktop = desktop;
    this.#logFile = join(dataFolder, 'log', 'demo.log');
    this.#log = createLog('demo', { write: line => appendFileSync(this.#logFile, line, { mode: 0o600 }) });
    this.file = fileOf(dataFolder);
    const { socketPath } = desktop;
    writeFileSync(this.file, JSON.stringify({ secret: this.#secret, socketPath }), { mode: 0o600 });
  }

  /** Removes what a run that was killed has left of its customer. */
  static clear(dataFolder: string): void {
    const file = fileOf(dataFolder);
    if (!existsSync(file)) return;
    const { socketPath } = JSON.parse(readFileSync(file, 'utf8'));
    removeHome(dirname(dirname(String(socketPath))));
    rmSync(file);
  }

  static async start(dataFolder: string): Promise<Demo> {
    const user = new CustomerUser(dataFolder);
    try {
      return new Demo(dataFolder, user, await DemoDesktop.start(user, join(dataFolder, 'log', 'demo.log')));
    } catch (error) {
      user.close();
      throw error;
    }
  }

  /** Makes a session and sends the customer to it, who then needs his time. @param account the demo technician's */
  async begin(at: Endpoint, portal: string, account: unknown): Promise<DemoCustomer> {
    const window = `${portal}/demo/desktop#${this.#secret}`;
    try {
      const { pin, link } = await invite(at, account);
      this.#startCustomer(link, at.ca).catch(error => this.#log.error('demo.customer', { why: describeError(error) }));
      return { pin, window };
    } catch (error) {
      this.#log.error('demo.session', { why: describeError(error) });
      return { pin: undefined, window };
    }
  }

  close(): void {
    this.#isClosed = true;
    if (this.#program?.pid !== undefined) endGroup(this.#program.pid);
    this.#desktop.close();
    this.#user.close();
    rmSync(this.file, { force: true });
  }

  /** What the customer does by himself: he follows his link, downloads the program and starts it. */
  async #startCustomer(link: string, ca: Buffer): Promise<void> {
    const caFile = this.#user.write('ca.crt', ca);
    const program = join(this.#user.home, PROGRAM);
    for (let tries = 0; !(await this.#download(link, caFile, program)); tries++) {
      if (this.#isClosed) return;
      if (tries === TRIES) throw new Error('the program was not prepared in time');
      await new Promise(resume => setTimeout(resume, TRY_EVERY_MS));
    }
    chmodSync(program, 0o700);
    const said = openSync(this.#logFile, 'a', 0o600);
    const options = { ...this.#user.options(this.#desktop.display), detached: true };
    this.#program = spawn(program, [], { ...options, stdio: ['ignore', said, said] });
    this.#program.on('error', error => this.#log.error('demo.program', { why: describeError(error) }));
    this.#program.on('exit', code => this.#log.info('demo.program-ended', { code }));
    this.#log.info('demo.program-started');
  }

  /** @returns false while there is no program yet: the page then says that it is being prepared */
  async #download(link: string, caFile: string, program: string): Promise<boolean> {
    const { origin } = new URL(link);
    const quiet = ['--silent', '--show-error', '--compressed', '--cacert', caFile, '--output', program];
    const form = ['--header', `Origin: ${origin}`, '--data', 'platform=linux-x64', '--write-out', '%{http_code}'];
    const { stdout } = await promisify(execFile)('curl', [...quiet, ...form, `${link}/download`], this.#user.options());
    return stdout === '200' && readFileSync(program).subarray(1, 4).toString() === 'ELF';
  }
}

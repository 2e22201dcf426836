// Sessions that must be recorded, while recorder, gateways, portal and the technician's console are killed in their middle. What
// the customer's program has shown is held against its own log, and every film and AVI against its manifest.
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describeError } from '../../appliance/errors.ts';
import { signInAs } from '../portal/ask-as.ts';
import { openFile, playAll } from '../recording/open-rcrec.ts';
import { type Appliance, type ApplianceProcess, startAppliance } from './appliance.ts';
import { BusyDesktop } from './busy-desktop.ts';
import type { ConsoleTask, FromConsole } from './console-process.ts';
import { Customer } from './customer.ts';
import { type HeldPicture, heldPictures } from './held-pictures.ts';

const run = promisify(execFile);
const VICTIMS = ['recorder', 'gateway', 'portal', 'console'] as const;
type Victim = (typeof VICTIMS)[number];
/** Somebody works for so long before the next kill, and what was killed is away for so long: every moment gets its turn. */
const WORKS_MS = [200, 1500] as const;
const AWAY_MS = [0, 600] as const;
const LONG_AWAY_MS = [4500, 6500] as const;
const LOOK_MS = 500;

export interface KillsFound {
  readonly kills: number;
  readonly sessions: number;
  /** How often pictures were held, by the customers' logs. */
  readonly held: number;
  /** Of what was shown and not proved, by the same. */
  readonly longestMs: number;
  readonly films: number;
  readonly avis: number;
  /** Everything that is not as it should be. */
  readonly wrong: readonly string[];
}

export async function killRecorders(kills: number): Promise<KillsFound> {
  const rootPolicy = { forcedRecording: true };
  await using appliance = await startAppliance({ accounts: true, recorder: true, gateways: 2, rootPolicy });
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  const wrong: string[] = [];
  let [sessions, held, longestMs, done] = [0, 0, 0, 0];
  while (done < kills) {
    await using session = await KilledSession.begin(appliance, cookie);
    const order = VICTIMS.toSorted(() => randomInt(3) - 1).slice(0, kills - done);
    for (const victim of order) await session.kill(victim);
    await session.end();
    const told = session.held();
    for (const one of told.filter(({ unprovedMs, mostMs }) => unprovedMs > mostMs))
      wrong.push(`${one.unprovedMs} ms were shown and not proved (${order.join(', ')})`);
    [sessions, held, done] = [sessions + 1, held + told.length, done + order.length];
    longestMs = Math.max(longestMs, ...told.map(({ unprovedMs }) => unprovedMs));
    process.stderr.write(`${done} of ${kills} kills, held ${held} times, ${wrong.length} wrong\n`);
  }
  const folder = join(appliance.dataFolder, 'recordings');
  while (!isSettled(folder, sessions)) await delay(LOOK_MS);
  const { films, avis } = await checkFiles(folder, wrong);
  return { kills, sessions, held, longestMs, films, avis, wrong };
}

class KilledSession implements AsyncDisposable {
  readonly #appliance: Appliance;
  readonly #task: Omit<ConsoleTask, 'sessionId'>;
  readonly #desktop = new BusyDesktop();
  #customer: Customer | null = null;
  #console: ChildProcess | null = null;
  #id = '';
  #isWell = false;
  #changed: (() => void)[] = [];

  private constructor(appliance: Appliance, cookie: string) {
    const { url, port, dataFolder } = appliance;
    this.#appliance = appliance;
    this.#task = { url, port, cookie, ca: join(dataFolder, 'public', 'ca.crt') };
  }

  /** Seen, controlled and recorded. */
  static async begin(appliance: Appliance, cookie: string): Promise<KilledSession> {
    const session = new KilledSession(appliance, cookie);
    const made = session.#startConsole(null);
    const [{ id, pin }] = (await once(made, 'message')) as [Extract<FromConsole, { type: 'made' }>];
    session.#id = id;
    session.#customer = await Customer.enter(appliance, pin, session.#desktop);
    session.#customer.session.windowVisible(true);
    void session.#answer(session.#customer);
    await session.#well();
    return session;
  }

  async kill(victim: Victim): Promise<void> {
    await delay(between(WORKS_MS));
    const awayMs = between(randomInt(2) === 0 ? AWAY_MS : LONG_AWAY_MS);
    if (victim === 'console') {
      const killed = this.#console;
      const ended = killed === null ? null : once(killed, 'exit');
      this.#console = null;
      this.#isWell = false;
      killed?.kill('SIGKILL');
      await ended;
      await delay(awayMs);
      this.#startConsole(this.#id);
    } else {
      const one = this.#processOf(victim);
      await one.kill('SIGKILL');
      await delay(awayMs);
      await one.start();
    }
    await this.#well();
  }

  async end(): Promise<void> {
    const console = this.#console;
    const customer = this.#customer;
    if (console === null || customer === null) throw new Error('it has not begun');
    console.send('end');
    await customer.untilThat(() => (customer.state.phase === 'ended' ? true : undefined));
  }

  held(): HeldPicture[] {
    return heldPictures(this.#customer?.logFolder ?? '', this.#desktop.screen.looks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#console?.removeAllListeners('exit');
    this.#console?.kill('SIGKILL');
    await this.#customer?.[Symbol.asyncDispose]();
    this.#desktop[Symbol.dispose]();
  }

  #startConsole(sessionId: string | null): ChildProcess {
    const task: ConsoleTask = { ...this.#task, sessionId };
    const program = join(import.meta.dirname, 'console-process.ts');
    const child = fork(program, [JSON.stringify(task)], { execArgv: ['--no-warnings'] });
    child.on('message', (message: FromConsole) => {
      if (message.type === 'recording') this.#isWell = message.isWell;
      for (const changed of this.#changed.splice(0)) changed();
    });
    this.#console = child;
    return child;
  }

  async #well(): Promise<void> {
    while (!this.#isWell) await new Promise<void>(resolve => this.#changed.push(resolve));
  }

  /** Whatever he is asked, yes. */
  async #answer(customer: Customer): Promise<void> {
    for (const answered = new Set<string>(); ; ) {
      const { consentId } = await customer.untilThat(() => {
        const { question } = customer.state;
        return question === null || answered.has(question.consentId) ? undefined : question;
      });
      answered.add(consentId);
      customer.session.answer(consentId, 'yes');
    }
  }

  #processOf(victim: Exclude<Victim, 'console'>): ApplianceProcess {
    const { gateways, processes } = this.#appliance;
    const gateway = gateways[randomInt(gateways.length)] ?? processes.gateway;
    return victim === 'gateway' ? gateway : processes[victim];
  }
}

function between([from, until]: readonly [number, number]): number {
  return randomInt(from, until);
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
}

/** Every session's last film is finished, and what was to be made into AVIs is. */
function isSettled(folder: string, sessions: number): boolean {
  const finished = namesIn(join(folder, 'finished')).filter(name => name.endsWith('.rcrec'));
  const areBusy = ['converting', 'writing'].some(name => namesIn(join(folder, name)).length > 0);
  return finished.length >= sessions && !areBusy;
}

/** Every file has its manifest and can be seen to its end; of what is still being written, as far as it goes. */
async function checkFiles(folder: string, wrong: string[]): Promise<{ films: number; avis: number }> {
  const finished = namesIn(join(folder, 'finished')).map(name => join(folder, 'finished', name));
  const writing = namesIn(join(folder, 'writing')).map(name => join(folder, 'writing', name));
  const films = finished.filter(name => name.endsWith('.rcrec'));
  const avis = finished.filter(name => name.endsWith('.avi'));
  const check = async (path: string, manifest: string | null, see: (path: string) => Promise<unknown>) => {
    try {
      if (manifest !== null && shaOf(path) !== manifestOf(manifest)) throw new Error('the manifest is of another file');
      await see(path);
    } catch (error) {
      wrong.push(`${path}: ${describeError(error)}`);
    }
  };
  for (const path of films) await check(path, path.replace(/\.rcrec$/, '.manifest.json'), path => seeFilm(path, true));
  for (const path of avis) await check(path, `${path}.manifest.json`, seeAvi);
  for (const path of writing) await check(path, null, path => seeFilm(path, false));
  for (const path of finished.filter(name => name.endsWith('.part'))) wrong.push(`${path}: left behind`);
  return { films: films.length, avis: avis.length };
}

function shaOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('base64url');
}

function manifestOf(path: string): string {
  const { payload } = JSON.parse(readFileSync(path, 'utf8'));
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')).sha256;
}

async function seeFilm(path: string, isFinished: boolean): Promise<void> {
  const film = await openFile(Uint8Array.from(readFileSync(path)));
  if (isFinished && film.isCut) throw new Error('it has no end');
  if ((await playAll(film)).length === 0) throw new Error('nothing is in it');
}

async function seeAvi(path: string): Promise<void> {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', path, '-f', 'null', '-']);
  if (stderr !== '') throw new Error(stderr);
}

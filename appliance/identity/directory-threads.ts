// The directory, asked in threads of their own: one task at a time in each, so that an answer that ends a thread ends nobody
// else's login. A thread has a deadline over all; after it, or when it ends, the next task gets a new one.
import { Worker } from 'node:worker_threads';
import type { DirectoryConfig } from '../config.ts';
import { ApplianceError, defect } from '../errors.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { Directory, DirectoryPerson, DirectoryReply, DirectoryStep, DirectoryTask } from './directory.ts';
import { readDirectorySettings } from './directory-settings.ts';
import { LIST_MS } from './directory-tasks.ts';
import { tooMany } from './password-hasher.ts';

const MAX_THREADS = 4;
const MAX_WAITING = 64;
/** For the thread's own start, and for it to end by its own deadlines first. */
const GRACE_MS = 5000;
const HEAP_MIB = 192;
const HINT = 'Page Directory tests each step and says what is wrong. Local accounts go on working.';

export class DirectoryThreads implements Directory {
  readonly #config: DirectoryConfig;
  readonly #password: string | undefined;
  readonly #tasks: Counter;
  readonly #ended: Counter;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  /** @param password of the account that looks people up, in place of the one in its file */
  constructor(config: DirectoryConfig, metrics: Metrics, password?: string) {
    this.#config = config;
    this.#password = password;
    this.#tasks = metrics.counter('identity_directory_tasks_total', 'Questions to the directory, by outcome.');
    this.#ended = metrics.counter(
      'identity_directory_threads_ended_total',
      'Directory threads that ended before their time.',
    );
  }

  async authenticate(loginId: string, password: string): Promise<DirectoryPerson | null> {
    return (await this.#ask({ kind: 'authenticate', loginId, password })) as DirectoryPerson | null;
  }

  async decoy(): Promise<void> {
    await this.#ask({ kind: 'decoy' });
  }

  async list(): Promise<readonly DirectoryPerson[]> {
    return (await this.#ask({ kind: 'list' })) as readonly DirectoryPerson[];
  }

  async test(): Promise<readonly DirectoryStep[]> {
    return (await this.#ask({ kind: 'test' })) as readonly DirectoryStep[];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map(worker => worker.terminate()));
  }

  /** @throws ApplianceError `directory.…`, `login.limited` */
  async #ask(task: DirectoryTask): Promise<unknown> {
    await this.#enter();
    try {
      if (this.#closed) throw ended();
      const settings = readDirectorySettings(this.#config, this.#password);
      const reply = await this.#exchange({ settings, task }, this.#deadlineMs(task));
      this.#tasks.add({ outcome: reply.ok ? 'answered' : reply.code });
      if (reply.ok) return reply.value;
      throw new ApplianceError('unavailable', reply.code, reply.message, { hint: HINT });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #enter(): Promise<void> {
    if (this.#closed) throw ended();
    if (this.#running < MAX_THREADS) {
      this.#running += 1;
      return Promise.resolve();
    }
    if (this.#waiting.length >= MAX_WAITING) throw tooMany();
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #deadlineMs({ kind }: DirectoryTask): number {
    const { servers, timeoutSeconds } = this.#config;
    const eachMs = kind === 'list' ? LIST_MS : timeoutSeconds * 1000 * (kind === 'test' ? 4 : 1);
    return servers.length * eachMs + GRACE_MS;
  }

  #exchange(message: object, deadlineMs: number): Promise<DirectoryReply> {
    const worker = this.#idle.pop() ?? this.#start();
    worker.ref(); // a process with nothing else to do waits for the answer, not for the thread
    return new Promise(resolve => {
      const finish = (reply: DirectoryReply, isHealthy: boolean) => {
        clearTimeout(timer);
        worker.off('message', answered).off('exit', garbled);
        worker.unref();
        if (isHealthy) this.#idle.push(worker);
        else void worker.terminate();
        resolve(reply);
      };
      const answered = (reply: DirectoryReply) => finish(reply, true);
      const failed = (code: string, text: string) => finish({ ok: false, code, message: text }, false);
      const garbled = () => failed('directory.garbled', 'the directory answered something that is not LDAP');
      const timer = setTimeout(() => failed('directory.late', 'the directory did not answer in time'), deadlineMs);
      worker.on('message', answered).on('exit', garbled);
      worker.postMessage(message);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./directory.worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    });
    this.#all.add(worker);
    // A library may throw long after its answer, while the thread waits for the next task: that ends the thread alone.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      this.#all.delete(worker);
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
      if (!this.#closed) this.#ended.add();
    });
    return worker;
  }
}

function ended(): ApplianceError {
  return defect('the directory is asked after the end');
}

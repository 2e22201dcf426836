// Has passwords judged in a thread of its own, begun at the first question. Questions wait in line, at most 32 of them.
import { Worker } from 'node:worker_threads';
import { defect } from '../errors.ts';
import { tooMany } from './password-hasher.ts';
import { type Assessment, MAX_PASSWORD_CHARACTERS, type PasswordPolicy } from './password-policy.ts';

export interface Question {
  readonly id: number;
  readonly password: string;
  readonly words: readonly string[];
  readonly policy: PasswordPolicy;
}

export interface Answer {
  readonly id: number;
  readonly assessment: Assessment;
}

interface Asker {
  readonly resolve: (assessment: Assessment) => void;
  readonly reject: (error: unknown) => void;
}

const MAX_WAITING = 32;

export class JudgeThread {
  readonly #askers = new Map<number, Asker>();
  #worker: Worker | null = null;
  #lastId = 0;
  #closed = false;

  /**
   * @param words personal ones: login id, name, organisation; in whole and in parts they make a password weak
   * @throws ApplianceError `login.limited` when too many wait
   */
  assess(password: string, words: readonly string[], policy: PasswordPolicy): Promise<Assessment> {
    if (this.#closed) return Promise.reject(defect('a password after the end'));
    if (this.#askers.size >= MAX_WAITING) return Promise.reject(tooMany());
    this.#lastId += 1;
    const id = this.#lastId;
    // One more than is allowed, so that the verdict on what was cut is still "too long".
    const cut = [...password.slice(0, 2 * MAX_PASSWORD_CHARACTERS + 2)].slice(0, MAX_PASSWORD_CHARACTERS + 1).join('');
    return new Promise((resolve, reject) => {
      this.#askers.set(id, { resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.ref(); // a process with nothing else to do waits for the answer, not for the thread
      this.#worker.postMessage({ id, password: cut, words, policy } satisfies Question);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./judge-thread.worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', ({ id, assessment }: Answer) => {
      this.#askers.get(id)?.resolve(assessment);
      this.#askers.delete(id);
      if (this.#askers.size === 0) worker.unref();
    });
    worker.on('error', error => this.#fail(error));
    worker.on('exit', () => this.#fail(undefined));
    return worker;
  }

  /** Whoever waits is told; the next question begins a new thread. */
  #fail(cause: unknown): void {
    this.#worker = null;
    for (const { reject } of this.#askers.values()) reject(defect('the thread that judges passwords ended', cause));
    this.#askers.clear();
  }
}

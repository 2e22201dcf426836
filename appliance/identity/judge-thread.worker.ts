// The thread that judges passwords: one question, one answer, in turn.
import { parentPort } from 'node:worker_threads';
import type { Answer, Question } from './judge-thread.ts';
import { PasswordJudge } from './password-judge.ts';

const judge = new PasswordJudge();

parentPort?.on('message', ({ id, password, words, policy }: Question) => {
  const answer: Answer = { id, assessment: judge.assess(password, words, policy) };
  parentPort?.postMessage(answer);
});

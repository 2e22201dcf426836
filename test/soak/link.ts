// The rounds of chance of the link, in full count: each way cryptography may answer.
import { randomInt } from 'node:crypto';
import { cryptoModes } from '../link/support.ts';
import { takeOverRound } from '../link/take-over.ts';
import type { SoakLine, Soaks } from '../support/soak.ts';

const ROUNDS = 200;

async function takeOvers(mode: keyof typeof cryptoModes): Promise<SoakLine> {
  let lost = 0;
  let sent = 0;
  const bad: string[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const round = await takeOverRound(cryptoModes[mode], randomInt(2 ** 31));
    sent += round.sent;
    lost += round.wrong;
    if (round.wrong > 0) bad.push(`seed ${round.seed}: ${round.story}`);
  }
  const detail = bad.length === 0 ? `${sent} messages` : bad.join('\n');
  return { soak: `link-take-over-${mode}`, rounds: ROUNDS, lost, ok: lost === 0, detail };
}

export const soaks: Soaks = {
  'link-take-over-sync': () => takeOvers('sync'),
  'link-take-over-async': () => takeOvers('async'),
  'link-take-over-reverse': () => takeOvers('reverse'),
};

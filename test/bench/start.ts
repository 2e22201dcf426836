// How long packaging/run takes to its READY line, and how long Ctrl-C takes until no process is left. What is
// installed once per machine (packages, SQLCipher) is there already: this is what everyone waits for at every start.
import { join } from 'node:path';
import { freePort } from '../support/appliance.ts';
import { type Benches, type BenchLine, figure, median } from '../support/bench-line.ts';
import { Run } from '../support/run.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ROUNDS = 5;
const FIRST_GOAL_S = 240;
const SECOND_GOAL_S = 5;
const STOP_GOAL_S = 5;

async function time(act: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return (performance.now() - startedAt) / 1000;
}

async function start(): Promise<BenchLine[]> {
  using folder = new TempFolder();
  const flags = ['--data', join(folder.path, 'data'), '--port', String(await freePort())];
  const starts: number[] = [];
  const stops: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const run = new Run(...flags);
    starts.push(await time(() => run.ready()));
    stops.push(await time(() => run.stop('SIGINT')));
  }
  const [first = Number.NaN, ...later] = starts;
  return [
    figure('start-first', first, 's', FIRST_GOAL_S),
    figure('start-second', median(later), 's', SECOND_GOAL_S),
    figure('stop', Math.max(...stops), 's', STOP_GOAL_S),
  ];
}

export const benches: Benches = { start };

// A flood of sign-ins (C-07): what one costs against the bare price of a hash, how many are hashed, what memory they
// take, how long the event loop is held up, and whether those who are signed in notice.
import { randomBytes, scrypt } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { openTestIdentity, type TestIdentity } from '../identity/open-identity.ts';
import type { Benches, BenchLine } from '../support/bench-line.ts';

const FLOOD = 500;
const BARE_HASHES = 12;
const LOG2_N = 17;
const SAMPLE_EVERY_MS = 20;

/** Processor time of one hash in ms, two at once, with nothing around them. */
async function bareHashMs(): Promise<number> {
  const derive: (password: string, salt: Buffer, bytes: number, options: object) => Promise<unknown> =
    promisify(scrypt);
  const options = { N: 2 ** LOG2_N, r: 8, p: 1, maxmem: 2 ** 28 };
  let left = BARE_HASHES;
  const worker = async () => {
    while (left-- > 0) await derive('password', randomBytes(18), 32, options);
  };
  const before = process.cpuUsage();
  await Promise.all([worker(), worker()]);
  return cpuMs(before) / BARE_HASHES;
}

/** Processor time and not the clock's: other work on the machine comes and goes. */
function cpuMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

interface Samples {
  readonly lookUpsMs: number[];
  peakBytes: number;
}

/** What somebody who is signed in already sees meanwhile; ends when told. */
async function watch(at: TestIdentity, token: string, isOver: () => boolean): Promise<Samples> {
  const samples: Samples = { lookUpsMs: [], peakBytes: 0 };
  while (!isOver()) {
    const startedAt = performance.now();
    const found = await at.identity.logins.find(token, { touch: false });
    if (found === undefined) throw new Error('the login of the one who watches is gone');
    samples.lookUpsMs.push(performance.now() - startedAt);
    samples.peakBytes = Math.max(samples.peakBytes, process.memoryUsage.rss());
    await new Promise(resolve => setTimeout(resolve, SAMPLE_EVERY_MS));
  }
  return samples;
}

async function flood(): Promise<BenchLine[]> {
  const at = await openTestIdentity({ log2N: LOG2_N });
  try {
    await at.member('honest');
    const { token } = await at.signIn('honest');
    const bareBefore = await bareHashMs();
    const before = { hashes: at.hashes(), bytes: process.memoryUsage.rss() };
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    let isOver = false;
    const watching = watch(at, token, () => isOver);
    const cpuBefore = process.cpuUsage();
    const answers = await Promise.allSettled(
      Array.from({ length: FLOOD }, (_, n) => at.signIn(`nobody-${n}`, 'a wrong password')),
    );
    const spentMs = cpuMs(cpuBefore);
    isOver = true;
    const { lookUpsMs, peakBytes } = await watching;
    delay.disable();
    const bare = (bareBefore + (await bareHashMs())) / 2;
    const hashed = at.hashes() - before.hashes;
    const refused = answers.filter(answer => answer.status === 'rejected').length;
    const perHashedMs = spentMs / hashed; // with all that was spent on those turned away
    const megabytes = (peakBytes - before.bytes) / 1e6;
    return [
      line('flood of 500: processor time a sign-in', perHashedMs, 'ms', perHashedMs / bare <= 1.15, 1.15, bare),
      line('flood of 500: hashed at all', hashed, 'sign-ins', refused === FLOOD && hashed <= 68, 68),
      line('flood of 500: memory on top', megabytes, 'MB', megabytes <= 320, 320),
      line('flood of 500: event loop held up, p99', delay.percentile(99) / 1e6, 'ms', delay.percentile(99) <= 50e6, 50),
      line('flood of 500: look-up of a login, p99', p99(lookUpsMs), 'ms', p99(lookUpsMs) <= 50, 50),
    ];
  } finally {
    await at.close();
  }
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

/** @param floor what the bare hash did in the same call; the goal is then a share of it */
function line(
  bench: string,
  value: number,
  unit: string,
  ok: boolean,
  goal: number,
  floor: number | null = null,
): BenchLine {
  const round = (number: number) => Number(number.toFixed(2));
  const against = floor === null ? null : 'bare scrypt, two at once';
  const other = floor === null ? null : round(floor);
  return {
    bench,
    value: round(value),
    unit,
    against,
    other,
    ratio: floor === null ? null : round(value / floor),
    goal,
    ok,
  };
}

export const benches: Benches = { 'login-hash': flood };

// How soon the next line of a chat arrives when the gateway that carries it is killed, or falls silent (J-02): with a second
// gateway listed, and with the one there is coming back.
import { type Benches, type BenchLine, figure, median } from '../support/bench-line.ts';
import { ChatUnderFaults, type GatewayFault } from '../support/gateway-faults.ts';

const ROUNDS = 50;
const SINGLE_ROUNDS = 10;

async function measure(gateways: number, fault: GatewayFault, rounds: number): Promise<number[]> {
  await using chat = await ChatUnderFaults.start(gateways);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await chat.round(fault, `line ${round}`));
  const missing = await chat.missing();
  if (missing.length > 0) throw new Error(`lost or doubled: ${missing.join(', ')}`);
  return times;
}

const p99 = (times: readonly number[]) =>
  times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;

async function kills(): Promise<BenchLine[]> {
  const times = await measure(2, 'kill', ROUNDS);
  return [
    figure('gateway-kill-p50', median(times), `ms to the next line, ${ROUNDS} rounds`, 500),
    figure('gateway-kill-p99', p99(times), `ms to the next line, ${ROUNDS} rounds`, 500),
  ];
}

export const benches: Benches = {
  'gateway-kill': kills,
  'gateway-cut': async () => [
    figure('gateway-cut-p99', p99(await measure(2, 'stop', ROUNDS)), 'ms to the next line', 1200),
  ],
  'gateway-single': async () => [
    figure('gateway-single-p99', p99(await measure(1, 'kill', SINGLE_ROUNDS)), 'ms to the next line', 3000),
  ],
};

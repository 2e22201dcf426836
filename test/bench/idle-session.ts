// What one relayed session in which nothing is said takes of the gateway's memory: two legs, TLS on both, 5,000 times.
import type { TLSSocket } from 'node:tls';
import type { Benches, BenchLine } from '../support/bench-line.ts';
import { BenchGround, GatewayPeer, PONG, residentKiB } from '../support/relay-peers.ts';

const SESSIONS = 5000;
const WARM_UP_SESSIONS = 100;
const AT_ONCE = 16;
/** A source gets 2048 upgraded connections at most. */
const SESSIONS_PER_ADDRESS = 500;
const GOAL_KIB = 110;
const SETTLE_MS = 15_000;
const PING = Buffer.of(0x89, 0x00);

async function idle(): Promise<BenchLine[]> {
  using ground = new BenchGround();
  await using gateway = await GatewayPeer.start(ground);
  const legs: TLSSocket[] = [];
  const open = async (from: number, to: number) => {
    for (let at = from; at < to; at += AT_ONCE) {
      const many = Array.from({ length: Math.min(AT_ONCE, to - at) }, (_, index) => at + index);
      legs.push(...(await attachAll(gateway, many)).flat());
    }
  };
  await open(0, WARM_UP_SESSIONS);
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
  const before = residentKiB(gateway.pid);
  await open(WARM_UP_SESSIONS, WARM_UP_SESSIONS + SESSIONS);
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS));
  const lost = legs.filter(leg => leg.destroyed).length;
  if (lost > 0) throw new Error(`${lost} legs did not stay`);
  const value = Number(((residentKiB(gateway.pid) - before) / SESSIONS).toFixed(1));
  for (const leg of legs) leg.destroy();
  const measured = { bench: 'idle-session', value, unit: 'KiB per session', against: null, other: null, ratio: null };
  return [{ ...measured, goal: GOAL_KIB, ok: value <= GOAL_KIB }];
}

/** Sessions by their numbers, each with its two legs. */
function attachAll(gateway: GatewayPeer, sessions: readonly number[]): Promise<TLSSocket[][]> {
  const attach = async (session: number) => {
    const address = `127.0.0.${2 + Math.floor(session / SESSIONS_PER_ADDRESS)}`;
    const legs = await gateway.attachPair(`p${session}`, address);
    for (const leg of legs) {
      leg.on('data', (bytes: Buffer) => {
        if (bytes.indexOf(PING) === 0) leg.write(PONG);
      });
      leg.on('error', () => leg.destroy());
    }
    return legs;
  };
  return Promise.all(sessions.map(attach));
}

export const benches: Benches = { 'idle-session': idle };

// What the relay costs beside HAProxy with TLS on both legs and beside a bare pipe of two TLS sockets, all on this machine
// in turns: processor time for bytes from an applet to a console, and the time a small message takes longer.
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import type { TLSSocket } from 'node:tls';
import { HEADER_BYTES, MAX_BULK_BYTES, MAX_INTERACTIVE_BYTES, TAG_BYTES } from '../../appliance/protocol/record.ts';
import type { Benches, BenchLine } from '../support/bench-line.ts';
import { BenchGround, cpuMs, GatewayPeer, type JoinedLegs, type Peer, ProxyPeer } from '../support/relay-peers.ts';

/** A link's records, full: what is relayed is not a round number. */
const RECORD_BYTES = HEADER_BYTES + TAG_BYTES;
const ROUNDS = 12;
const WARM_UP_ROUNDS = 3;
const ROUND_BYTES = 24 * 2 ** 20;
const GOAL_HAPROXY = 1.5;
const RTT_ROUNDS = 20;
const RTT_MESSAGES = 150;
const RTT_BYTES = 100;
const GOAL_RTT = 1.6;

interface Peers extends AsyncDisposable {
  readonly ground: BenchGround;
  readonly gateway: Peer;
  readonly haproxy: Peer;
  readonly pipe: Peer;
}

async function startPeers(): Promise<Peers> {
  const ground = new BenchGround();
  const gateway = await GatewayPeer.start(ground);
  const haproxy = await ProxyPeer.startHaproxy(ground);
  const pipe = await ProxyPeer.startPipe(ground);
  const close = async () => {
    for (const peer of [gateway, haproxy, pipe]) await peer[Symbol.asyncDispose]();
    ground[Symbol.dispose]();
  };
  return { ground, gateway, haproxy, pipe, [Symbol.asyncDispose]: close };
}

/** @returns processor time of the peer, CPU s/GB of payload */
async function carry(peer: Peer, legs: JoinedLegs, payloadBytes: number): Promise<number> {
  const { bytes, there } = peer.carried(payloadBytes);
  const messages = Math.floor(ROUND_BYTES / payloadBytes);
  const arrived = arrival(legs.to, messages * there);
  const before = cpuMs(peer.pid);
  for (let sent = 0; sent < messages; sent++) {
    if (!legs.from.write(bytes)) await once(legs.from, 'drain');
  }
  await arrived;
  return ((cpuMs(peer.pid) - before) / 1000) * (1e9 / (messages * payloadBytes));
}

function arrival(socket: TLSSocket, bytes: number): Promise<void> {
  return new Promise(resolve => {
    let left = bytes;
    const take = (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
  });
}

/** CPU s/GB of payload, peers in turns. */
async function costs(bench: string, payloadBytes: number): Promise<BenchLine[]> {
  await using peers = await startPeers();
  const all = [peers.gateway, peers.haproxy, peers.pipe];
  const legs = await Promise.all(all.map(peer => peer.join()));
  const spent = all.map(() => [] as number[]);
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const [at, peer] of all.entries()) {
      const joined = legs[at];
      if (joined === undefined) continue;
      const cost = await carry(peer, joined, payloadBytes);
      if (round >= 0) spent[at]?.push(cost);
    }
  }
  for (const joined of legs) joined.end();
  const [gateway = 0, haproxy = 0, pipe = 0] = spent.map(least);
  return [
    line(
      bench,
      { value: gateway, unit: 'CPU s/GB', against: 'HAProxy, TLS on both legs', other: haproxy },
      GOAL_HAPROXY,
    ),
    line(bench, { value: gateway, unit: 'CPU s/GB', against: 'a Node pipe of two TLS sockets', other: pipe }, null),
  ];
}

/** Times of `count` messages there and back, ms; the far end says back what it gets. */
async function roundTrips(peer: Peer, legs: JoinedLegs, count: number): Promise<number[]> {
  const { bytes, there, back } = peer.carried(RTT_BYTES);
  const echo = (async () => {
    for (let done = 0; done < count; done++) {
      await arrival(legs.to, there);
      legs.to.write(bytes);
    }
  })();
  const times: number[] = [];
  for (let done = 0; done < count; done++) {
    const returned = arrival(legs.from, back);
    const startedAt = performance.now();
    legs.from.write(bytes);
    await returned;
    times.push(performance.now() - startedAt);
  }
  await echo;
  return times;
}

async function rtt(): Promise<BenchLine[]> {
  await using peers = await startPeers();
  const direct = await ProxyPeer.startNothing(peers.ground);
  const all = [peers.gateway, peers.haproxy, direct];
  const legs = await Promise.all(all.map(peer => peer.join()));
  const times = all.map(() => [] as number[]);
  for (let round = -2; round < RTT_ROUNDS; round++) {
    for (const [at, peer] of all.entries()) {
      const joined = legs[at];
      if (joined === undefined) continue;
      const taken = await roundTrips(peer, joined, RTT_MESSAGES);
      if (round >= 0) times[at]?.push(...taken);
    }
  }
  for (const joined of legs) joined.end();
  await direct[Symbol.asyncDispose]();
  const [gateway = 0, haproxy = 0, bare = 0] = times.map(median);
  const measured = { value: gateway - bare, unit: 'ms', against: 'HAProxy, TLS on both legs', other: haproxy - bare };
  return [line('relay-rtt', measured, GOAL_RTT)];
}

/** Of the rounds of one peer, a quarter of the way up: other work on the machine can only add. */
function least(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 4)] ?? Number.POSITIVE_INFINITY;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}

function line(
  bench: string,
  measured: { value: number; unit: string; against: string; other: number },
  goal: number | null,
): BenchLine {
  const round = (number: number) => Number(number.toFixed(3));
  const { value, other, unit, against } = measured;
  const ratio = round(value / other);
  return {
    bench,
    value: round(value),
    unit,
    against,
    other: round(other),
    ratio,
    goal,
    ok: goal === null || ratio <= goal,
  };
}

export const benches: Benches = {
  'relay-16k': () => costs('relay-16k', RECORD_BYTES + MAX_INTERACTIVE_BYTES),
  'relay-64k': () => costs('relay-64k', RECORD_BYTES + MAX_BULK_BYTES),
  'relay-rtt': rtt,
};

// What one download of the applet costs beside TLS: CPU, and memory with a slow client.
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { tagDownload } from '../../appliance/applet/download.ts';
import { BuiltApplets } from '../applet/built-applet.ts';
import type { Benches, BenchLine } from '../support/bench-line.ts';

const ROUNDS = 10;
const GOAL_S = 0.2;
const GOAL_MIB = 32;
const nothing = { against: null, other: null, ratio: null };

async function tagPatch(): Promise<BenchLine[]> {
  using built = await BuiltApplets.build(['linux-x64', 'win-x64']);
  const lines: BenchLine[] = [];
  for (const platform of ['linux-x64', 'win-x64'] as const) {
    const applet = built.of(platform);
    const tag = built.tag();
    let bytes = 0;
    let from = process.cpuUsage();
    let startedAt = 0;
    let most = 0;
    for (let round = -1; round < ROUNDS; round++) {
      // The first warms up: what it leaves to the garbage collector is there once, however many downloads follow.
      if (round === 0) [from, startedAt, most] = [process.cpuUsage(), process.memoryUsage.rss(), 0];
      const download = await tagDownload(applet, tag, 'gzip');
      bytes = download.bytes;
      const sink = new Writable({
        write(_chunk, _encoding, done) {
          most = Math.max(most, process.memoryUsage.rss());
          done();
        },
      });
      await pipeline(download.stream, sink);
    }
    const { user, system } = process.cpuUsage(from);
    const value = Number(((user + system) / 1e6 / ROUNDS).toFixed(3));
    const grown = Number(((most - startedAt) / 2 ** 20).toFixed(1));
    const size = Number((bytes / 1e6).toFixed(1));
    const bench = `tag-patch-${platform}`;
    lines.push({ bench: `${bench}-cpu`, value, unit: 'CPU s', ...nothing, goal: GOAL_S, ok: value <= GOAL_S });
    lines.push({
      bench: `${bench}-memory`,
      value: grown,
      unit: 'MiB',
      ...nothing,
      goal: GOAL_MIB,
      ok: grown <= GOAL_MIB,
    });
    lines.push({ bench: `${bench}-size`, value: size, unit: 'MB', ...nothing, goal: 45, ok: size <= 45 });
  }
  return lines;
}

export const benches: Benches = { 'tag-patch': tagPatch };

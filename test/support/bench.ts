// `npm run bench [-- NAME…]`: runs test/bench/*.ts, all or those whose name begins so, one JSON line per figure.
// Exit 1 when a figure misses its goal. One that gives several figures may stand under several names; it runs once.
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benches } from './bench-line.ts';

const folder = resolve(import.meta.dirname, '../bench');
const wanted = process.argv.slice(2);
let missed = 0;
let run = 0;
const done = new Set<Benches[string]>();
for (const file of readdirSync(folder)
  .filter(name => name.endsWith('.ts'))
  .sort()) {
  const { benches }: { benches: Benches } = await import(pathToFileURL(join(folder, file)).href);
  for (const [name, bench] of Object.entries(benches)) {
    if (wanted.length > 0 && !wanted.some(start => name.startsWith(start) || file.startsWith(start))) continue;
    if (done.has(bench)) continue;
    done.add(bench);
    for (const line of await bench()) {
      process.stdout.write(`${JSON.stringify(line)}\n`);
      run += 1;
      if (!line.ok) missed += 1;
    }
  }
}
process.stderr.write(`${run} figures, ${missed} short of their goal\n`);
process.exitCode = run > 0 && missed === 0 ? 0 : 1;

// `npm run soak [-- NAME…]`: the full counts and rounds of test/soak/*.ts. What is done is kept in test-output/soak-state.json,
// so that an interrupted run goes on where it was; when all are done, a dated report is written and the state goes.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What one soak found. */
export interface SoakLine {
  readonly soak: string;
  readonly rounds: number;
  /** Acknowledged things that were gone afterwards. */
  readonly lost: number;
  readonly ok: boolean;
  readonly detail: string;
}

export type Soaks = Record<string, () => Promise<SoakLine>>;

async function loadSoaks(folder: string, wanted: readonly string[]): Promise<Soaks> {
  const found: Soaks = {};
  if (!existsSync(folder)) return found;
  for (const file of readdirSync(folder)
    .filter(name => name.endsWith('.ts'))
    .sort()) {
    const { soaks }: { soaks: Soaks } = await import(pathToFileURL(join(folder, file)).href);
    Object.assign(found, soaks);
  }
  const chosen = Object.entries(found).filter(
    ([name]) => wanted.length === 0 || wanted.some(start => name.startsWith(start)),
  );
  return Object.fromEntries(chosen);
}

async function main(): Promise<number> {
  const output = resolve(import.meta.dirname, '../../test-output');
  const statePath = join(output, 'soak-state.json');
  mkdirSync(output, { recursive: true });
  const done: Record<string, SoakLine> = existsSync(statePath) ? JSON.parse(readFileSync(statePath, 'utf8')) : {};
  const soaks = await loadSoaks(resolve(import.meta.dirname, '../soak'), process.argv.slice(2));
  for (const [name, soak] of Object.entries(soaks)) {
    if (done[name] === undefined) {
      done[name] = await soak();
      writeFileSync(statePath, JSON.stringify(done));
    }
    process.stdout.write(`${JSON.stringify(done[name])}\n`);
  }
  const lines = Object.keys(soaks).flatMap(name => done[name] ?? []);
  const report = join(output, `soak-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.jsonl`);
  writeFileSync(report, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
  rmSync(statePath, { force: true });
  process.stderr.write(`Report: ${report}\n`);
  return lines.length > 0 && lines.every(line => line.ok) ? 0 : 1;
}

// Soaks import the types above; only the command itself runs them.
if (import.meta.main) process.exitCode = await main();

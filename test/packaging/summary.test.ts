// The last line of packaging/test, on suites that go wrong in every way a suite can.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { ROOT } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';

const PASSES = "import test from 'ava';\ntest('A-02 passes', t => t.pass());\n";
/** It is given up when nothing has happened for so long. */
const TIMEOUT = '10s';
const HANGS = 'a test hangs';
const suites: Record<string, { readonly files: Readonly<Record<string, string>>; readonly last: RegExp }> = {
  'all pass': { files: { a: PASSES, b: PASSES }, last: /^2 passed, 0 failed$/ },
  'one fails': {
    files: { a: PASSES, b: "import test from 'ava';\ntest('A-02 fails', t => t.fail());\n" },
    last: /^1 passed, 1 failed$/,
  },
  [HANGS]: {
    files: {
      a: PASSES,
      b: "import test from 'ava';\ntest('A-02 hangs', () => new Promise(() => setInterval(() => {}, 9)));\n",
    },
    last: /^1 passed, [1-9]\d* failed$/,
  },
  'a rejection nobody handles': {
    files: { a: `${PASSES}Promise.reject(new Error('nobody'));\n` },
    last: /^\d+ passed, [1-9]\d* failed$/,
  },
  'an exception nobody catches': {
    files: { a: `${PASSES}setImmediate(() => { throw new Error('nobody'); });\n` },
    last: /^\d+ passed, [1-9]\d* failed$/,
  },
  'a file does not load': { files: { a: PASSES, b: "import './missing.ts';\n" }, last: /^1 passed, [1-9]\d* failed$/ },
  'a process ends itself': {
    files: { a: PASSES, b: "import test from 'ava';\ntest('A-02 ends', () => process.exit(0));\n" },
    last: /^1 passed, [1-9]\d* failed$/,
  },
  'a file without a test': { files: { a: PASSES, b: 'export {};\n' }, last: /^1 passed, [1-9]\d* failed$/ },
  'no test at all': { files: {}, last: /^0 passed, [1-9]\d* failed$/ },
  'types or style are wrong': { files: { a: PASSES }, last: /^1 passed, 1 failed$/ },
};

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
}

/** Runs packaging/test on a checkout of these files alone. @param cache compiled code, shared as in a real checkout */
async function run(name: string, files: Readonly<Record<string, string>>, cache: string): Promise<Outcome> {
  using folder = new TempFolder();
  const at = (...parts: string[]) => join(folder.path, ...parts);
  for (const part of ['packaging', 'test']) mkdirSync(at(part));
  for (const part of ['common.sh', 'pace.ts', 'test']) cpSync(join(ROOT, 'packaging', part), at('packaging', part));
  writeFileSync(at('packaging', 'prepare'), '#!/bin/sh\n', { mode: 0o755 }); // there is nothing to prepare here
  symlinkSync(join(ROOT, 'node_modules'), at('node_modules'));
  symlinkSync(cache, at('.cache'));
  const check = name.startsWith('types') ? 'false' : 'true';
  const ava = { extensions: ['ts'], files: ['test/*.test.ts'], timeout: TIMEOUT, workerThreads: false };
  writeFileSync(at('package.json'), JSON.stringify({ type: 'module', scripts: { check }, ava }));
  for (const [file, code] of Object.entries(files)) writeFileSync(at('test', `${file}.test.ts`), code);
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
  const child = spawn(at('packaging', 'test'), { cwd: folder.path, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const stdout = await text(child.stdout);
  const [status] = await ended;
  return { status, stdout };
}

const cache = new TempFolder();
test.after.always(() => cache[Symbol.dispose]());
const hung = run(HANGS, suites[HANGS]?.files ?? {}, cache.path); // it mostly waits, so the others go on beside it

for (const [name, { files, last }] of Object.entries(suites)) {
  test.serial(`A-02 packaging/test says how it went: ${name}`, async t => {
    const { status, stdout } = await (name === HANGS ? hung : run(name, files, cache.path));
    t.regex(stdout.trimEnd().split('\n').at(-1) ?? '', last, stdout.slice(-2000));
    t.is(status === 0, name === 'all pass');
  });
}

// Holds the house rules: which folder may know which, how large things are, and what never stands in our code.
import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { PROMISES } from './support/promises.ts';
import { listFiles, readRoot, readSources, type Source } from './support/sources.ts';
import { TempFolder } from './support/temp-folder.ts';

const ROOT = resolve(import.meta.dirname, '..');
const MAX_FILE_LINES = 600;
const MAX_FUNCTION_LINES = 50;

// An import goes to a lower level, never to the same or a higher one.
const LEVELS: Record<string, number> = {
  bin: 10,
  ...level(9, 'portal gateway jobs compliance console lens applet customer'),
  ...level(8, 'identity sessions recording media sites'),
  permissions: 7,
  audit: 6,
  store: 5,
  pki: 4,
  ...level(3, 'customer-core media-sdk browser'),
  link: 2,
  protocol: 1,
};
const LEVEL_0 = ['clock.ts', 'config.ts', 'errors.ts', 'guid.ts', 'log.ts', 'metrics.ts'];
const PORTABLE_FOLDERS = ['protocol', 'link', 'customer-core'];
const PORTABLE_FILES = [
  'appliance/errors.ts',
  'appliance/clock.ts',
  'appliance/guid.ts',
  'appliance/permissions/decision.ts',
];
const CUSTOMER_SIDE = ['console', 'lens', 'customer', 'applet', 'browser'];
/** What any of our pages may use beside portable code. */
const BROWSER_FOLDERS = ['media-sdk', 'browser'];
const TOP_LEVEL = [
  ...['.ci', '.editorconfig', '.gitignore', '.npmrc', 'LICENSE', 'README.md', 'Vagrantfile'],
  ...['appliance', 'biome.json', 'config', 'migrations', 'package-lock.json', 'package.json', 'packaging', 'test'],
  'tsconfig.json',
];
const MADE_HERE = ['.cache', '.data', '.git', 'node_modules', 'test-output']; // .gitignore, and git itself

function level(number: number, folders: string): Record<string, number> {
  return Object.fromEntries(folders.split(' ').map(folder => [folder, number]));
}

const appliance = readSources('appliance');
const everything = [...appliance, ...readSources('packaging', 'test')];

/** `appliance/store/sqlite/driver.ts` → `store`; a file of level 0 → ''. */
function folderOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : '';
}

const levelOf = (path: string) => (folderOf(path) === '' ? 0 : LEVELS[folderOf(path)]);
const isOurs = (target: string) => target.startsWith('appliance/');
const isPortable = (path: string) => PORTABLE_FILES.includes(path) || PORTABLE_FOLDERS.includes(folderOf(path));
const isBrowserFile = (path: string) => path.endsWith('.client.ts');

/** Whether it runs in a browser: it, and what it imports of its own folder, needs portable code and packages only. */
function runsInBrowser(path: string, seen: readonly string[] = []): boolean {
  if (isPortable(path) || seen.includes(path)) return true;
  const imports = appliance.find(source => source.path === path)?.imports ?? [];
  return imports.every(({ target }) => {
    if (!isOurs(target)) return !target.startsWith('node:');
    if (isPortable(target) || BROWSER_FOLDERS.includes(folderOf(target))) return true;
    return folderOf(target) === folderOf(path) && runsInBrowser(target, [...seen, path]);
  });
}

/** What `judge` finds wrong, as `path: what`. */
function faults(sources: readonly Source[], judge: (source: Source) => readonly string[]): string[] {
  return sources.flatMap(source => judge(source).map(what => `${source.path}: ${what}`));
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(([found]) => found.trim().slice(0, 80));
}

test('A-01 every folder of the appliance has a level, and level 0 has the six files it may have', t => {
  const entries = readdirSync(join(ROOT, 'appliance'), { withFileTypes: true });
  const unknown = entries.filter(entry => entry.isDirectory() && LEVELS[entry.name] === undefined);
  t.deepEqual(
    unknown.map(entry => entry.name),
    [],
  );
  t.deepEqual(
    entries
      .filter(entry => entry.isFile())
      .map(entry => entry.name)
      .sort(),
    LEVEL_0,
  );
});

test('A-01 an import goes to a lower level', t => {
  const found = faults(appliance, ({ path, imports }) =>
    imports
      .filter(({ target }) => isOurs(target) && (folderOf(target) !== folderOf(path) || folderOf(path) === 'bin'))
      .filter(({ target }) => (levelOf(target) ?? 99) >= (levelOf(path) ?? 0) && levelOf(path) !== 0)
      .map(({ target }) => target),
  );
  t.deepEqual(found, []);
  t.true(appliance.flatMap(({ imports }) => imports).length > appliance.length); // they are found at all
});

test('A-01 level 0 knows nothing but itself and packages, and nothing outside appliance/ is imported by it', t => {
  const found = faults(appliance, ({ path, imports }) =>
    imports
      .map(({ target }) => target)
      .filter(
        target =>
          /^(test|packaging|config)\//.test(target) ||
          (folderOf(path) === '' && folderOf(target) !== '' && isOurs(target)),
      ),
  );
  t.deepEqual(found, []);
});

test('A-01 subfolders are the own affair of their folder', t => {
  const found = faults(appliance, ({ path, imports }) =>
    imports
      .map(({ target }) => target)
      .filter(target => isOurs(target) && target.split('/').length > 3 && folderOf(target) !== folderOf(path)),
  );
  t.deepEqual(found, []);
});

test('B-02 portable code is ECMAScript only: no package, no node:, no DOM', t => {
  const foreign =
    /(?<![.\w"])(?:Buffer|process|require|document|window|navigator|localStorage|XMLHttpRequest|WebSocket)\b(?=[.(])/;
  const found = faults(
    appliance.filter(({ path }) => isPortable(path)),
    ({ imports, code }) => [
      ...imports.map(({ target }) => target).filter(target => !isPortable(target)),
      ...matches(code, foreign),
    ],
  );
  t.deepEqual(found, []);
});

test('D-04 browser and customer code knows portable code only', t => {
  const sources = appliance.filter(({ path }) => CUSTOMER_SIDE.includes(folderOf(path)) || isBrowserFile(path));
  const found = faults(sources, ({ path, imports }) =>
    imports
      .map(({ target }) => target)
      .filter(target => {
        if (target.startsWith('node:')) return folderOf(path) !== 'applet';
        if (!isOurs(target) || isPortable(target) || BROWSER_FOLDERS.includes(folderOf(target))) return false;
        return folderOf(target) !== folderOf(path) || (isBrowserFile(path) && !runsInBrowser(target));
      }),
  );
  t.deepEqual(found, []);
});

test('A-01 files have 600 lines at most', t => {
  const found = faults(everything, ({ text }) => {
    const lines = text.split('\n').length - 1;
    return lines > MAX_FILE_LINES ? [`${lines} lines`] : [];
  });
  t.deepEqual(found, []);
});

test('A-01 functions have 50 lines at most', async t => {
  using folder = new TempFolder();
  const options = { maxLines: MAX_FUNCTION_LINES, skipBlankLines: false };
  const rules = { preset: 'none', complexity: { noExcessiveLinesPerFunction: { level: 'error', options } } };
  writeFileSync(join(folder.path, 'biome.json'), JSON.stringify({ linter: { enabled: true, rules } }));
  const biome = join(ROOT, 'node_modules/@biomejs/cli-linux-x64/biome');
  const lint = (...paths: string[]) => {
    const args = ['lint', `--config-path=${folder.path}`, '--reporter=json', '--max-diagnostics=none', ...paths];
    return promisify(execFile)(biome, args, { cwd: ROOT, maxBuffer: 32 * 1024 * 1024 }).catch(error => error);
  };
  const control = join(folder.path, 'long.ts'); // the rule finds what is one line too long
  writeFileSync(control, `export function long(): void {\n${'  long();\n'.repeat(MAX_FUNCTION_LINES + 1)}}\n`);
  t.true((await lint(control)).stdout.includes('noExcessiveLinesPerFunction'));
  const { stdout } = await lint('appliance', 'packaging', 'test');
  const { summary, diagnostics } = JSON.parse(stdout);
  t.true(summary.unchanged >= everything.length / 2);
  t.deepEqual(
    diagnostics.map((found: { location: unknown }) => JSON.stringify(found.location).slice(0, 160)),
    [],
  );
});

test('A-01 no barrels, no default exports, no module for everything', t => {
  const found = faults(everything, ({ path, code }) => [
    ...matches(code, /^export default\b.*|^export \*.*|^export \{[^}]*\} from.*/m).filter(Boolean),
    ...(/(^|\/)(index|utils?|misc)\.ts$/.test(path) ? ['its name'] : []),
  ]);
  t.deepEqual(found, []);
});

test('B-01 attack: TLS checks are never switched off', t => {
  const off = /rejectUnauthorized["']?\s*[:=]\s*(?:false|0|!1)|NODE_TLS_REJECT_UNAUTHORIZED/;
  const self = 'test/architecture.test.ts';
  t.deepEqual(
    faults(
      everything.filter(({ path }) => path !== self),
      ({ code }) => matches(code, off),
    ),
    [],
  );
});

test('A-01 attack: nothing reaches a shell and no text becomes code', t => {
  const dangerous = /\bshell\s*:\s*(?!false)\S+|(?<![.\w])(?:exec|execSync|eval)\(|new Function\(/;
  const found = faults(
    everything.filter(({ path }) => path !== 'test/architecture.test.ts'),
    ({ code, imports }) => [
      ...matches(code, dangerous),
      ...imports
        .filter(({ target }) => target.endsWith('child_process'))
        .filter(({ clause }) => !clause.includes('{') || /\bexec(Sync)?\b/.test(clause))
        .map(({ clause }) => clause),
    ],
  );
  t.deepEqual(found, []);
});

test('A-01 nothing thrown is swallowed without a word', t => {
  const empty = /catch\s*(?:\([^)]*\)\s*)?\{\s*\}/;
  t.deepEqual(
    faults(everything, ({ text }) => matches(text, empty)),
    [],
  );
});

test('B-05 SQL stands in *-store.ts and store/ only', t => {
  const sql =
    /\b(?:SELECT\s.+\sFROM|INSERT\s+(?:OR \w+ )?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(?:CREATE|DROP|ALTER)\s+TABLE|PRAGMA)\b/;
  const domain = appliance.filter(({ path }) => folderOf(path) !== 'store' && !path.endsWith('-store.ts'));
  t.deepEqual(
    faults(domain, ({ code }) => matches(code, sql)),
    [],
  );
});

test('A-02 the top level holds what it has always held', t => {
  const here = readdirSync(ROOT).filter(name => !MADE_HERE.includes(name) && !name.endsWith('.log'));
  t.deepEqual(here.sort(), TOP_LEVEL.sort());
});

test('A-02 no path of a particular machine stands anywhere', t => {
  const paths = ['appliance', 'config', 'migrations', 'packaging', 'test'].flatMap(listFiles);
  const machine = new RegExp(`(?:^|[^A-Za-z0-9_.-])/(?:${['work', 'farm', 'home/[a-z]', 'Users'].join('|')})/`, 'm');
  const text = paths.filter(path => /\.(ts|yaml|sql|hbs|css|json|md|sh|service)$|packaging\/[a-z]+$/.test(path));
  t.deepEqual(
    [...text, 'README.md', 'Vagrantfile', 'package.json'].filter(path => machine.test(readRoot(path))),
    [],
  );
});

test('A-01 each dependency is pinned, and the README says why it is not ours to write', t => {
  const { dependencies, devDependencies, optionalDependencies = {} } = JSON.parse(readRoot('package.json'));
  const all: Record<string, string> = { ...dependencies, ...devDependencies, ...optionalDependencies };
  const lines = readRoot('README.md').split('\n');
  const unexplained = Object.keys(all).filter(
    name => !lines.some(line => line.startsWith('|') && line.includes(`\`${name}\``)),
  );
  t.deepEqual(unexplained, []);
  t.deepEqual(
    Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
});

test('A-02 each test names the promises it proves, and none is skipped', t => {
  const tests = everything.filter(({ path }) => path.endsWith('.test.ts'));
  const title = /\btest(?:\.serial)?\(\s*(['"`])((?:(?!\1).)*)\1/g;
  const found = faults(tests, ({ text }) =>
    [...text.matchAll(title)].flatMap(([, , words = '']) => {
      const [ids] = /^(?:[A-K]-\d\d,? )+/.exec(words) ?? [];
      if (ids === undefined) return [`"${words.slice(0, 60)}" names no promise`];
      return matches(ids, /[A-K]-\d\d/).filter(id => !PROMISES.includes(id));
    }),
  );
  t.deepEqual(found, []);
  t.deepEqual(
    faults(tests, ({ code }) => matches(code, /\btest\.(?:\w+\.)*(?:skip|only|todo|failing)\b/)),
    [],
  );
});

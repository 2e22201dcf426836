// packaging/run on a machine where something is missing, as somebody who may install nothing and has no home.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ROOT } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';

const STRANGER = 65_533;
const TOOLS = [
  'bash',
  'cat',
  'cut',
  'dirname',
  'env',
  'flock',
  'grep',
  'id',
  'mkdir',
  'readlink',
  'sha256sum',
  'uname',
];

/** A checkout of that user's own, and a PATH on which Debian says that one package is not installed. */
function bareMachine(folder: string, commands: Readonly<Record<string, string>>): string {
  const [checkout, bin] = [join(folder, 'checkout'), join(folder, 'bin')];
  mkdirSync(bin);
  for (const name of TOOLS) symlinkSync(join('/usr/bin', name), join(bin, name));
  for (const [name, text] of Object.entries(commands)) writeFileSync(join(bin, name), text, { mode: 0o755 });
  cpSync(join(ROOT, 'packaging'), join(checkout, 'packaging'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(ROOT, name), join(checkout, name));
  chmodSync(folder, 0o755);
  chownSync(checkout, STRANGER, STRANGER);
  return bin;
}

/** @returns what packaging/run said on its way out with 1 */
function runAsStranger(folder: string, bin: string): { status: number | null; said: string } {
  const as = [`--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups'];
  const run = ['env', '-i', `PATH=${bin}`, join(folder, 'checkout/packaging/run')];
  const { status, stderr } = spawnSync('setpriv', [...as, ...run], { cwd: folder, encoding: 'utf8' });
  return { status, said: stderr };
}

const ALL_BUT_ONE = `#!/bin/bash
for name in "$@"; do
  case $name in -*|*' '*|osslsigncode) ;; *) echo "$name installed" ;; esac
done
exit 1
`;

test('A-02 without sudo the one line that root has to run is printed, and nothing is touched', t => {
  using folder = new TempFolder();
  const bin = bareMachine(folder.path, { 'dpkg-query': ALL_BUT_ONE, npm: '#!/bin/bash\n' });
  const { status, said } = runAsStranger(folder.path, bin);
  t.is(status, 1);
  t.regex(said, /may not install them\. Run this line as root, then try again:/);
  t.regex(said, /^ {2}apt-get update && apt-get install -y --no-install-recommends osslsigncode$/m);
  t.false(existsSync(join(folder.path, 'checkout/node_modules')));
});

test('A-02 where sudo asks for a password the line is printed with it', t => {
  using folder = new TempFolder();
  const commands = { 'dpkg-query': ALL_BUT_ONE, npm: '#!/bin/bash\n', sudo: '#!/bin/bash\nexit 1\n' };
  const { status, said } = runAsStranger(folder.path, bareMachine(folder.path, commands));
  t.is(status, 1);
  t.regex(said, /^ {2}sudo apt-get update && sudo apt-get install -y --no-install-recommends osslsigncode$/m);
});

test('A-02 an npm too old for the lock file, and one that does not start, are told apart', t => {
  for (const [npm, expected] of [
    ['#!/bin/bash\necho 6.14.0\n', /npm is 6\.14\.0; 8 or newer/],
    ['#!/bin/bash\nexit 1\n', /npm does not start/],
  ] as const) {
    using folder = new TempFolder();
    const all = ALL_BUT_ONE.replace('|osslsigncode', '');
    const { status, said } = runAsStranger(folder.path, bareMachine(folder.path, { 'dpkg-query': all, npm }));
    t.is(status, 1);
    t.regex(said, expected);
  }
});

test('A-02 packages that are linked from another checkout are never taken away from it', t => {
  using folder = new TempFolder();
  const bin = bareMachine(folder.path, {
    'dpkg-query': ALL_BUT_ONE.replace('|osslsigncode', ''),
    npm: '#!/bin/bash\n',
  });
  const others = join(folder.path, 'others');
  mkdirSync(others);
  writeFileSync(join(others, 'package'), 'theirs');
  symlinkSync(others, join(folder.path, 'checkout/node_modules'));
  const { status, said } = runAsStranger(folder.path, bin);
  t.is(status, 1);
  t.regex(said, /node_modules is a link to .*others/);
  t.true(existsSync(join(others, 'package')));
});

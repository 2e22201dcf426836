import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ROOT } from '../support/appliance.ts';

test('A-05 the Vagrantfile makes a machine that runs packaging/install, and is one for ruby and vagrant where they are', t => {
  const text = readFileSync(join(ROOT, 'Vagrantfile'), 'utf8');
  t.regex(text, /vm\.box = 'debian\//);
  t.regex(text, /provision 'shell', inline: '\/vagrant\/packaging\/install'/);
  for (const [program, ...args] of [
    ['ruby', '-c', 'Vagrantfile'],
    ['vagrant', 'validate', '--ignore-provider'],
  ] as const) {
    const { status, error, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') t.log(`${program} is not here: not asked`);
    else t.is(status, 0, stderr);
  }
});

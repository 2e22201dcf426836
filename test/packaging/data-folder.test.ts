import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { parseConfig } from '../../appliance/config.ts';
import { openDataFolder, settleConfig } from '../../packaging/data-folder.ts';
import { describeEcosystem } from '../../packaging/ecosystem.ts';
import { rotateLogs } from '../../packaging/log-rotation.ts';
import { readRoot } from '../support/sources.ts';
import { TempFolder } from '../support/temp-folder.ts';

const template = readRoot('config/appliance.yaml');

test('A-02 the configuration that explains every key holds the defaults, and every key there is', t => {
  t.deepEqual(parse(template), parseConfig('version: 1'));
});

test('A-02 a new data folder is private and takes the port asked for; later only the port changes', t => {
  using folder = new TempFolder();
  const data = openDataFolder(join(folder.path, 'a', 'data'));
  t.is(statSync(data).mode & 0o777, 0o700);
  t.is(settleConfig(data, template, { port: 9443, address: '0.0.0.0' }).listen.port, 9443);
  const path = join(data, 'appliance.yaml');
  t.is(statSync(path).mode & 0o777, 0o600);
  writeFileSync(path, `${readFileSync(path, 'utf8')}# our own note\n`);
  const config = settleConfig(data, template, { port: 10443, address: '::' });
  t.is(config.listen.port, 10443);
  t.is(config.listen.address, '0.0.0.0');
  t.true(readFileSync(path, 'utf8').includes('# our own note'));
  t.true(readFileSync(path, 'utf8').includes('# shown to customers'));
  t.is(settleConfig(data, template, { port: undefined, address: '::' }).listen.port, 10443);
});

test('A-02 too little room and too long a path are refused', t => {
  using folder = new TempFolder();
  t.throws(() => openDataFolder(folder.path, Number.MAX_SAFE_INTEGER), { code: 'data-folder.no-space' });
  t.throws(() => openDataFolder(join(folder.path, 'x'.repeat(90))), { code: 'data-folder.too-long' });
  t.throws(() => openDataFolder(join(folder.path, 'a\nb')), { code: 'data-folder.name' });
  writeFileSync(join(folder.path, 'file'), '');
  t.throws(() => openDataFolder(join(folder.path, 'file')), { code: 'data-folder.unwritable' });
});

test('A-06 logs are rotated by size, the oldest goes, a small one stays', t => {
  using folder = new TempFolder();
  const path = join(folder.path, 'portal.log');
  for (const turn of [1, 2, 3, 4]) {
    writeFileSync(path, `${turn}`.repeat(11));
    t.deepEqual(rotateLogs(folder.path, 10, 2), ['portal.log']);
    t.is(readFileSync(path, 'utf8'), '');
  }
  t.is(readFileSync(`${path}.1`, 'utf8'), '4'.repeat(11));
  t.is(readFileSync(`${path}.2`, 'utf8'), '3'.repeat(11));
  t.false(existsSync(`${path}.3`));
  t.deepEqual(rotateLogs(folder.path, 10, 2), []);
});

test('A-06 every process runs on the pinned runtime itself, waits to be ready and is always started again', t => {
  const config = parseConfig('version: 1\ngateways: [{id: gateway-1}, {id: gateway-2, port: 8444}]');
  const { apps } = describeEcosystem({ root: '/checkout', node: '/checkout/node', dataFolder: '/data', config });
  t.deepEqual(
    apps.map(({ name }) => name),
    ['signer', 'portal', 'gateway-1', 'gateway-2', 'recorder', 'jobs'],
  );
  for (const app of apps) {
    t.is(app.script, '/checkout/node');
    t.is(app.interpreter, 'none'); // none of pm2's own code in our processes
    t.is(app.wait_ready, true);
    t.is(app.kill_timeout, 3000);
  }
});

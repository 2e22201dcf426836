import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { buildApplet } from '../../appliance/applet/build.ts';
import { AppletBuilds } from '../../appliance/applet/builds.ts';
import { AppletDownloads } from '../../appliance/applet/downloads.ts';
import { type BuildWish, configurationFor, parseOrder } from '../../appliance/applet/order.ts';
import { parseConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { codeSigningPaths, readAppletTrust } from '../../appliance/pki/applet-trust.ts';
import { Signer } from '../../appliance/pki/signer.ts';
import { serversOf, writeAppletOrder } from '../../packaging/applet/order.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { BuiltApplets } from './built-applet.ts';

let built: BuiltApplets;
test.before(async t => {
  t.timeout(240_000);
  built = await BuiltApplets.build(['linux-x64']);
});
test.after.always(() => built[Symbol.dispose]());

/** What the signer makes of an order with this organisation in it. */
function wishFor(organisation: string, folder: string): BuildWish {
  const config = parseConfig(`{version: 1, organisation: {name: ${organisation}}, names: [localhost]}`);
  mkdirSync(folder, { recursive: true });
  writeAppletOrder(folder, config, built.template);
  const order = parseOrder(readFileSync(join(folder, 'applet.json'), 'utf8'));
  const configuration = configurationFor(order, readAppletTrust(built.dataFolder));
  return { template: order.template, configuration, keys: codeSigningPaths(built.dataFolder) };
}

/** Builds for real, in this process, when it is let. */
function openBuilds(temp: string) {
  const clock = new ManualClock(Date.now());
  const folder = join(temp, 'applet');
  const at = {
    wish: undefined as BuildWish | undefined,
    builds: 0,
    fault: null as Error | null,
    done: Promise.resolve(),
  };
  const gate = { current: Promise.withResolvers<void>() };
  const builds = new AppletBuilds({
    ...{ folder, clock, log: silentLog },
    readWish: async () => at.wish,
    build: (wish, signal) => {
      at.builds++;
      const built = gate.current.promise.then(async () => {
        if (at.fault !== null) throw at.fault;
        await buildApplet({ ...wish, folder, clock, built: () => undefined, signal });
      });
      at.done = built.catch(() => undefined);
      return built;
    },
  });
  /** Lets the build go, and waits until something else than `building` is said. */
  const finish = async () => {
    gate.current.resolve();
    gate.current = Promise.withResolvers();
    await at.done;
    for (;;) {
      const state = await builds.keep();
      if (state !== 'building') return state;
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  return { at, builds, clock, folder, finish };
}

test('F-01 applets are built once for an order, and again only when it changes', async t => {
  t.timeout(240_000);
  using temp = new TempFolder();
  const { at, builds, folder, finish } = openBuilds(temp.path);
  t.is(await builds.keep(), 'no-order');
  at.wish = wishFor('First', temp.path);
  t.deepEqual(await Promise.all([builds.keep(), builds.keep()]), ['building', 'building']);
  const downloads = new AppletDownloads({ folder, signTag: async () => new Uint8Array(64) });
  t.deepEqual(await downloads.offers(), []); // being prepared
  t.is(await finish(), 'ready');
  t.is(at.builds, 1);
  const [offer] = await downloads.offers();
  t.is(offer?.platform, 'linux-x64');
  t.true((offer?.compressedBytes ?? 0) < (offer?.bytes ?? 0) / 2);

  at.wish = wishFor('Second', temp.path);
  t.is(await builds.keep(), 'building');
  t.deepEqual(await downloads.offers(), offer && [offer]); // what is there stays until the new one is whole
  t.is(await finish(), 'ready');
  t.is(at.builds, 2);
  t.not((await downloads.offers())[0]?.sha256, offer?.sha256);
});

test('F-01 a build that failed is tried again a minute later, or when the order changes', async t => {
  using temp = new TempFolder();
  const { at, builds, clock, finish } = openBuilds(temp.path);
  at.wish = wishFor('First', temp.path);
  at.fault = new Error('no room on the disk');
  t.is(await builds.keep(), 'building');
  t.is(await finish(), 'failed');
  clock.advance(59_000);
  t.is(await builds.keep(), 'failed');
  t.is(at.builds, 1);
  clock.advance(2000);
  t.is(await builds.keep(), 'building');
  t.is(await finish(), 'failed');
  at.wish = wishFor('Second', temp.path);
  t.is(await builds.keep(), 'building');
  t.is(await finish(), 'failed');
  t.is(at.builds, 3);
});

test('F-01 attack: who asks the signer to build an applet has no say in what is built', async t => {
  const metrics = new Metrics();
  let builds = 0;
  const buildApplet = async () => {
    builds++;
    return 'building';
  };
  const clock = new ManualClock(Date.now());
  const signer = new Signer({ dataFolder: built.dataFolder, clock, log: silentLog, metrics, buildApplet });
  t.teardown(() => signer.close());
  t.deepEqual(await signer.do('build-applet', {}), { state: 'building' });
  const others = { servers: [{ host: 'evil.example', port: 443 }] };
  for (const body of [others, { template: built.template }, [], 'x', null]) {
    await t.throwsAsync(signer.do('build-applet', body), { code: 'signer.malformed' });
  }
  t.is(builds, 1);
});

test('F-01 attack: an order that says more than it may is none', t => {
  using temp = new TempFolder();
  wishFor('First', temp.path);
  const text = readFileSync(join(temp.path, 'applet.json'), 'utf8');
  t.notThrows(() => parseOrder(text));
  const order = JSON.parse(text);
  const bad = [
    { ...order, anchors: ['-----BEGIN CERTIFICATE-----'] },
    { ...order, servers: [] },
    { ...order, servers: [{ host: 'a', port: 0 }] },
    { ...order, template: { ...order.template, sha256: 'x' } },
    { ...order, v: 2 },
  ];
  for (const one of bad) t.throws(() => parseOrder(JSON.stringify(one)), { code: 'applet.order-malformed' });
  t.throws(() => parseOrder(text.slice(0, -3)), { code: 'applet.order-malformed' });
});

test('F-01 attack: a CA in public/ that is not the signer’s own is no anchor', t => {
  using temp = new TempFolder();
  const [keys, public_] = ['keys', 'public'].map(name => join(temp.path, name));
  for (const folder of [keys, public_]) mkdirSync(folder ?? '', { mode: 0o700 });
  for (const name of ['ca', 'ca-next', 'session', 'receipts', 'gateway-list', 'tag', 'log-head']) {
    const key = readFileSync(join(built.dataFolder, 'keys', `${name}.key`));
    writeFileSync(join(keys ?? '', `${name}.key`), key, { mode: 0o600 });
  }
  for (const name of ['ca', 'ca-next']) {
    writeFileSync(join(public_ ?? '', `${name}.crt`), readFileSync(join(built.dataFolder, 'public', `${name}.crt`)));
  }
  t.is(readAppletTrust(temp.path).anchors.length, 2);
  writeFileSync(join(public_ ?? '', 'ca.crt'), readFileSync(join(built.dataFolder, 'public', 'ca-next.crt')));
  t.throws(() => readAppletTrust(temp.path), { code: 'keys.damaged' });
});

test('F-02 an applet asks every name on the main port first, then further gateways, sixteen at most', t => {
  const config = parseConfig(
    '{version: 1, names: [a.example, b.example], listen: {port: 443}, gateways: [{id: g1}, {id: g2, port: 444}]}',
  );
  const told = serversOf(config).map(({ host, port }) => `${host}:${port}`);
  t.deepEqual(told, ['a.example:443', 'b.example:443', 'a.example:444', 'b.example:444']);
  const many = Array.from({ length: 20 }, (_, n) => `n${n}.example`);
  t.is(serversOf({ ...config, names: many }).length, 16);
});

// A restore asked for on the page, killed after each of its steps, with the real portal: what is there afterwards is one store or the
// other, whole, and the next start goes on.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { systemClock } from '../../appliance/clock.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { readStoreKeys } from '../../appliance/pki/store-keys.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Store } from '../../appliance/store/store.ts';
import { askSocket, type SocketAnswer } from '../portal/ask-socket.ts';
import { ApplianceProcess, ROOT } from '../support/appliance.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { lendDataFolder } from '../support/lent-data.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

const PORTAL = 'appliance/bin/portal.ts';
const INTERNAL = '/internal/backups';
const HERE = { accept: 'text/html', 'x-appliance-peer': '127.0.0.1' };

/** Signer and portal, and IT at the settings' socket. */
async function open(t: ExecutionContext) {
  const folder = new TempFolder();
  const data = folder.path;
  const accounts = JSON.parse((await lendDataFolder(data, true)) ?? '{}');
  const processOf = (path: string) => new ApplianceProcess([path, '--data', data]);
  const [signer, portal] = [processOf('appliance/bin/signer.ts'), processOf(PORTAL)];
  await signer.start();
  await portal.start();
  t.teardown(async () => {
    await portal.kill();
    await signer.kill();
    folder[Symbol.dispose]();
  });
  const socket = join(data, 'run', 'portal-settings.sock');
  const { loginId: name, password } = accounts.settings;
  let cookie = '';
  const ask = (method: string, path: string, body?: unknown): Promise<SocketAnswer> =>
    askSocket(socket, method, path, undefined, { ...HERE, cookie }, body);
  const signIn = async () => {
    const { headers } = await ask('POST', '/sign-in', { name, password });
    cookie = [headers['set-cookie']].flat().join(';').split(';')[0] ?? '';
  };
  const backUp = async (): Promise<string> =>
    JSON.parse((await askSocket(join(data, 'run', 'portal-internal.sock'), 'POST', INTERNAL)).body).name;
  /** Asks for it on the page, and sees the portal end. */
  const restore = async (path: string, confirm: string) => {
    const { body } = await ask('GET', path);
    const seen = /name="seen" value="([^"]*)"/.exec(body)?.[1]?.replaceAll('&quot;', '"') ?? '';
    const ended = portal.ended();
    const answer = await ask('POST', path, { confirm, password, seen });
    if (answer.status === 200) await ended;
    return answer;
  };
  const state = async () => {
    await signIn();
    const names = [...(await ask('GET', '/accounts')).body.matchAll(/href="\/accounts\/[^"]+">([^<]+)</g)].map(
      ([, one]) => one,
    );
    return { names, page: (await ask('GET', '/backups')).body };
  };
  const stores = () =>
    readdirSync(data)
      .filter(one => /^store|restore/.test(one))
      .sort();
  await signIn();
  return { data, portal, ask, signIn, backUp, restore, state, stores, name, password };
}

/** Starts the portal, which is killed after that rename. */
async function killAfter(data: string, pattern: string): Promise<NodeJS.Signals | null> {
  const args = ['--import', './test/support/kill-after.ts', PORTAL, '--data', data];
  const env = { ...process.env, KILL_AFTER: pattern };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'ignore' });
  return (await once(child, 'exit'))[1];
}

/** Newest first, of a store nobody has open. */
async function logOf(data: string, name: string) {
  const shared = { clock: systemClock, log: silentLog };
  const options = {
    folder: join(data, name),
    keys: readStoreKeys(data),
    migrations: MIGRATIONS,
    metrics: new Metrics(),
  };
  const store = await Store.open({ ...options, ...shared });
  const config = { headEveryEntries: 10, headEverySeconds: 60 };
  const signer = new TestHeadSigner();
  const audit = new AuditLog({ sessions: new SessionFacts(store), store, signer, config, ...shared });
  const entries = (await audit.search({ limit: 500 })).map(({ entry }) => entry);
  await store.close();
  return entries.filter(({ event }) => /^(store|restore)\./.test(event));
}

const ofTest = (names: readonly (string | undefined)[]) => names.filter(one => one?.endsWith('@example.com')).sort();

type Opened = Awaited<ReturnType<typeof open>>;

async function isGivenUp(t: ExecutionContext, at: Opened, path: string, backup: string): Promise<void> {
  const asked = await at.restore(path, backup);
  t.regex(asked.body, /The appliance restores/);
  for (let tries = 0; tries < 3; tries++) t.is(await killAfter(at.data, '/store > .*/store.incoming-'), 'SIGKILL');
  await at.portal.start();
  const given = await at.state();
  t.regex(given.page, /The restore of .* failed.*restore\.given-up/s);
  t.deepEqual(ofTest(given.names), ['kept@example.com', 'lost@example.com']);
  t.deepEqual(at.stores(), ['restore-result.json', 'store']);
}

/** @returns what the store that was replaced is called */
async function isKilledAndGoesOn(t: ExecutionContext, at: Opened, path: string, backup: string): Promise<string> {
  rmSync(join(at.data, 'restore-result.json'));
  await at.restore(path, backup);
  const steps = [
    ['/store > .*/store.incoming-', /restore-request.json store store.incoming-\S+$/], // whole, not yet known to be
    ['restore-request.json .*"isPrepared":true', /restore-request.json store store.incoming-\S+$/], // begun again, and known
    ['/store > .*/store.before-restore-', /restore-request.json store.before-restore-\S+ store.incoming-\S+$/],
    ['/store.incoming-.* > .*/store $', /restore-request.json store store.before-restore-\S+$/],
    ['> .*/restore-result.json ', /restore-request.json restore-result.json store store.before-restore-\S+$/],
  ] as const;
  for (const [pattern, left] of steps) {
    t.is(await killAfter(at.data, pattern), 'SIGKILL', pattern);
    t.regex(at.stores().join(' '), left, pattern);
  }
  await at.portal.start();
  const [, , aside = ''] = at.stores();
  t.regex(at.stores().join(' '), /^restore-result.json store store.before-restore-\S+$/);
  t.is((await at.ask('GET', '/backups')).status, 302, 'who was signed in is not any more');
  const restored = await at.state();
  t.deepEqual(ofTest(restored.names), ['kept@example.com']);
  t.true(restored.page.includes('Restored') && restored.page.includes(`asked for by ${at.name}`));
  return aside;
}

async function isUndone(t: ExecutionContext, at: Opened): Promise<void> {
  t.regex((await at.restore('/backups/undo-restore', 'undo')).body, /The appliance restores/);
  t.is(await killAfter(at.data, '/store > .*/store.before-restore-'), 'SIGKILL');
  await at.portal.start();
  const back = await at.state();
  t.deepEqual(ofTest(back.names), ['kept@example.com', 'lost@example.com']);
  t.regex(back.page, /Gone back .*Go back to what was restored/s);
}

async function isTold(t: ExecutionContext, at: Opened, backup: string, aside: string): Promise<void> {
  await at.portal.kill();
  t.false(at.stores().includes(aside));
  const [undone, failed, ...before] = await logOf(at.data, 'store');
  t.deepEqual(
    [undone?.event, failed?.event, ...before.map(({ event }) => event)],
    [...['store.restore-undone', 'restore.asked', 'restore.failed', 'restore.asked']],
  );
  const [, , replaced = ''] = at.stores();
  const [lastAsked, told] = await logOf(at.data, replaced);
  t.deepEqual([lastAsked?.event, told?.event, told?.actor.name], ['restore.asked', 'store.restored', at.name]);
  t.like(told?.detail, {
    logins: 1,
    backup,
    replaced: aside,
    request: failed?.detail.request,
    seq: failed?.seq,
    hash: failed?.hash,
  });
}

test('J-05 A-06 a restore killed after each of its steps goes on at the next start, or leaves the store as it was; it is told, and undone', async t => {
  t.timeout(120_000);
  const at = await open(t);
  await at.ask('POST', '/accounts', { name: 'kept@example.com', password: at.password });
  const backup = await at.backUp();
  await at.ask('POST', '/accounts', { name: 'lost@example.com', password: at.password });
  const path = `/backups/${backup}/restore`;
  t.regex((await at.ask('GET', path)).body, /Logins: <strong>1<\/strong>/);
  t.regex((await at.restore(path, 'yes')).body, /That is not what has to be typed/);

  await isGivenUp(t, at, path, backup);
  const aside = await isKilledAndGoesOn(t, at, path, backup);
  await isUndone(t, at);
  await isTold(t, at, backup, aside);
});

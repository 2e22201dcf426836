import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import test from 'ava';
import { AppletDownloads } from '../../appliance/applet/downloads.ts';
import { parseConfig } from '../../appliance/config.ts';
import type { IssuedLogin } from '../../appliance/identity/login.ts';
import { ROLES, type Role } from '../../appliance/identity/member.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { makeAssets, type Portal } from '../../appliance/portal/portal.ts';
import { Setup } from '../../appliance/portal/setup.ts';
import { SocketListener } from '../../appliance/portal/socket-listener.ts';
import { guardsOf } from '../../appliance/portal/web/guards.ts';
import { openTestIdentity, PASSWORD, type TestIdentity } from '../identity/open-identity.ts';
import { newSigner } from '../sessions/open-sessions.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { askSocket } from './ask-socket.ts';
import { openParts, openTestPortal } from './open-support.ts';

type Guarded = Record<string, readonly string[]>;

async function openPortal(at: TestIdentity): Promise<Portal> {
  const programs = new AppletDownloads({ folder: at.folder, signTag: async () => new Uint8Array(64) });
  return openTestPortal(at, await openParts(at, newSigner(at.clock).signer), { programs });
}

/** `GET /account` → its guards, for every route; fails on one without. */
function routesOf(routers: Portal['routers']): Guarded {
  const found: Guarded = {};
  for (const layer of routers.flatMap(router => router.stack)) {
    const [first] = layer.stack;
    const guards = first === undefined ? undefined : guardsOf(first);
    for (const method of layer.methods.filter(one => one !== 'HEAD')) {
      if (guards === undefined) throw new Error(`${method} ${String(layer.path)} names no role`);
      found[`${method} ${String(layer.path)}`] = guards;
    }
  }
  return found;
}

test('D-08 every route names who may use it, and the public ones are these', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const routes = routesOf((await openPortal(at)).routers);
  const open = Object.keys(routes).filter(route => routes[route]?.includes('anyone'));
  const accounts = ['helping', 'accounts', 'groups', 'two-step', 'directory', 'single-sign-on', 'certificates'];
  const help = [
    'genuine',
    'first-steps',
    ...accounts,
    'programs',
    'backup',
    'log',
    'player',
    'share',
    'posts',
    'retention',
    'errors',
  ];
  const expected = [
    'GET /ca.crt',
    'GET /favicon.ico',
    ...['GET /', 'GET /pin', 'POST /pin', 'GET /s/:code', 'POST /s/:code/download'],
    ...['POST /s/:code/browser', 'GET /s/:code/browser', 'GET /customer/customer-worker-….js'],
    ...['GET /technician/link-worker-….js', 'GET /technician/zstd-worker-….js', 'GET /technician/console.webmanifest'],
    'GET /help',
    ...help.map(topic => `GET /help/${topic}`),
  ];
  const named = open.map(route => route.replace(/-[A-Za-z0-9-]{12}\.js$/, '-….js')); // by its content
  const signingIn = ['GET /sign-in', 'POST /sign-in', 'POST /sign-out'];
  const byPasskey = ['POST /sign-in/passkey/options', 'POST /sign-in/passkey'];
  const atProviders = ['POST /sign-in/single-sign-on', 'GET /saml/metadata', 'POST /saml/acs', 'POST /saml/logout'];
  const player = 'GET /auditor/player-worker-….js';
  t.deepEqual(named, [...expected, ...signingIn, ...byPasskey, ...atProviders, player]);
  t.true(Object.keys(routes).length > 40);
});

test('A-04 the routes of setup are no routes of the portal, and each is guarded', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const setup = new Setup({
    identity: at.identity,
    assets: await makeAssets(),
    config: parseConfig('version: 1'),
    publicFolder: '',
    readCode: () => null,
    applyChoice: async () => undefined,
    onDone: async () => undefined,
    log: silentLog,
    metrics: new Metrics(),
  });
  const routes = routesOf(setup.routers);
  t.deepEqual(routes['POST /setup'], ['setup']);
  t.deepEqual(routes['POST /setup/assess'], ['setup']);
  const portal = routesOf((await openPortal(at)).routers);
  t.deepEqual(
    Object.keys(portal).filter(route => route.includes('setup')),
    [],
  );
});

test('D-08 every route by every role: who is not named gets nothing', async t => {
  const at = await openTestIdentity();
  using folder = new TempFolder();
  const portal = await openPortal(at);
  const listener = new SocketListener(join(folder.path, 'portal.sock'), portal);
  await listener.listen();
  t.teardown(async () => {
    await listener.close();
    await at.close();
  });
  const signedIn = new Map<Role, IssuedLogin>();
  for (const role of ROLES) {
    await at.member(`${role}@example.com`, [role]);
    signedIn.set(role, await at.signIn(`${role}@example.com`, PASSWORD));
  }
  const nobody = randomBytes(16).toString('base64url');
  for (const [route, guards] of Object.entries(routesOf(portal.routers))) {
    const [method = '', pattern = ''] = route.split(' ');
    if (pattern === '/sign-out') continue; // ends the very login the matrix goes on with; see sign-in.test.ts
    const path = pattern.replace(/:(id|code)/, nobody);
    for (const who of [null, ...ROLES]) {
      const token = who === null ? undefined : signedIn.get(who)?.token;
      const answer = await askSocket(join(folder.path, 'portal.sock'), method, path, token);
      const isAllowed =
        guards.includes('anyone') || (who !== null && (guards.includes('member') || guards.includes(who)));
      const told = `${route} as ${who ?? 'nobody'}: ${answer.status} ${answer.code}`;
      if (isAllowed) t.false(['portal.not-allowed', 'portal.sign-in'].includes(answer.code), told);
      else t.is(answer.code, who === null ? 'portal.sign-in' : 'portal.not-allowed', told);
    }
  }
});

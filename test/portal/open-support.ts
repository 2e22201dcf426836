// Support on a real store, log and identity, with the portal's internal socket; only the signer's process is missing.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { type ApplianceConfig, CONFIG_FILE, ConfigFile, parseConfig } from '../../appliance/config.ts';
import type { ConsentReceipt } from '../../appliance/customer-core/objects.ts';
import { type SessionId, toBase64Url } from '../../appliance/guid.ts';
import { actorOf } from '../../appliance/identity/login-book.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { writeCertificateRequest } from '../../appliance/pki/certificates.ts';
import { PUBLIC_FOLDER } from '../../appliance/pki/key-files.ts';
import { makeRequestKey } from '../../appliance/pki/own-certificate.ts';
import { AppletLegs } from '../../appliance/portal/applet-legs.ts';
import { auditDesk } from '../../appliance/portal/audit-desk.ts';
import { BlockDesk } from '../../appliance/portal/block-desk.ts';
import { CertificateDesk } from '../../appliance/portal/certificate-desk.ts';
import { diagnosticFiles } from '../../appliance/portal/diagnostics.ts';
import { Internal } from '../../appliance/portal/internal.ts';
import { Keeping } from '../../appliance/portal/keeping.ts';
import { ASSET_CACHE, makeAssets, Portal, type PortalParts } from '../../appliance/portal/portal.ts';
import { RestoreDesk } from '../../appliance/portal/restore-desk.ts';
import { SessionDesk, type SessionDeskParts } from '../../appliance/portal/session-desk.ts';
import { sessionDescriber } from '../../appliance/portal/session-details.ts';
import type { BackupFace } from '../../appliance/portal/settings/backups.ts';
import type { RestoreFace } from '../../appliance/portal/settings/restore.ts';
import { SettingsDesk } from '../../appliance/portal/settings-desk.ts';
import { SettingsPortal } from '../../appliance/portal/settings-portal.ts';
import { SocketListener } from '../../appliance/portal/socket-listener.ts';
import { Status } from '../../appliance/portal/status.ts';
import { Support } from '../../appliance/portal/support.ts';
import { UpdatesDesk } from '../../appliance/portal/updates-desk.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { RecorderClient } from '../../appliance/recording/recorder-client.ts';
import type { ManifestSigner } from '../../appliance/sessions/recordings.ts';
import type { SessionSigner } from '../../appliance/sessions/rights.ts';
import { gatewayToken } from '../../appliance/sessions/session-secrets.ts';
import { openTestIdentity, PASSWORD, type TestIdentity } from '../identity/open-identity.ts';
import { newSigner, TestApplet } from '../sessions/open-sessions.ts';
import { ROOT } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { TestConsole } from './test-console.ts';
import { TestLeg } from './test-leg.ts';

export type TestSupport = Awaited<ReturnType<typeof openTestSupport>>;
export const CUSTOMER_ADDRESS = '198.51.100.7';

interface Parts {
  support: Support;
  legs: AppletLegs;
}

export async function openTestSupport() {
  const at = await openTestIdentity();
  const folder = new TempFolder();
  const socketPath = join(folder.path, 'portal-internal.sock');
  const { signer, publicKey } = newSigner(at.clock);
  const parts = await openParts(at, signer);
  const listener = await listen(at, parts, socketPath);
  const dial = (options?: Parameters<typeof TestLeg.dial>[1]) => TestLeg.dial(socketPath, options);
  const people = peopleOf(at, parts, dial);
  const close = async () => {
    await parts.legs.close();
    await listener.close();
    await parts.support.close();
    await at.close();
    folder[Symbol.dispose]();
  };
  /** The portal ends and starts again on the same store. */
  const restart = async () => {
    await parts.legs.close();
    await parts.support.close();
    Object.assign(parts, await openParts(at, signer));
  };
  return {
    ...at,
    ...people,
    parts,
    signer,
    signerKey: publicKey,
    headKey: at.signer.publicKey,
    socketPath,
    dial,
    restart,
    close,
  };
}

export async function openParts(at: TestIdentity, signer: SessionSigner & ManifestSigner): Promise<Parts> {
  const config = { pinDigits: 9, pinMinutes: 20, consentSilenceSeconds: 60 };
  const shared = { ...at, log: silentLog, metrics: new Metrics() };
  const support = new Support({ ...shared, signer, config, pinKey: randomBytes(32) });
  const legs = new AppletLegs({ ...shared, support, welcome: { organisation: 'Kestrel Works', silenceMs: 60_000 } });
  support.start();
  await legs.start();
  return { support, legs };
}

async function listen(at: TestIdentity, parts: Parts, socketPath: string): Promise<SocketListener> {
  const none = () => Promise.reject(new Error('not in this test'));
  const internal = new Internal({
    ...at,
    log: silentLog,
    backups: { list: none, make: none },
    gatewayList: { current: none },
    support: () => ({
      legTokens: parts.support.legTokens,
      admits: (loginId, address) => at.identity.allowLists.admitLogin(loginId, address),
      upgradeAppletLeg: (request, socket, head) => parts.legs.upgrade(request, socket, head),
    }),
    metrics: () => '',
  });
  const listener = new SocketListener(socketPath, internal);
  await listener.listen();
  return listener;
}

function peopleOf(at: TestIdentity, parts: Parts, dial: () => Promise<TestLeg>) {
  let names = 0;
  const technician = async () => {
    const member = await at.member(`technician-${++names}@example.com`);
    const { token, login } = await at.signIn(member.loginId);
    return { ...actorOf(member, '192.0.2.10'), id: member.id, name: member.name, token, login };
  };
  const made = async () => {
    const owner = await technician();
    const groupId = await parts.support.groups.groupOf(owner.id);
    const { id } = await parts.support.sessions.create(owner, { groupId, customerName: 'Carl' });
    return { owner, id };
  };
  /** Made, downloaded and claimed on a leg of its own. */
  const waiting = async () => {
    const { owner, id } = await made();
    const { code } = await parts.support.entries.makeLink(id, owner);
    const { guid } = await parts.support.entries.drawGuid(code, CUSTOMER_ADDRESS);
    const [token, applet, leg] = [gatewayToken(guid), new TestApplet(), await dial()];
    await leg.claim(token, applet);
    await leg.until('state');
    return { owner, id, token, applet, leg };
  };
  return { technician, made, waiting };
}

export const bytes = (length: number) => Uint8Array.from(randomBytes(length));

/** A waiting session that was picked up; its console has a credential, and there is a link. */
export async function linked(at: TestSupport) {
  const waiting = await at.waiting();
  const { owner, id, leg, applet } = waiting;
  const { support } = at.parts;
  const session = await support.sessions.pickUp(id, owner);
  const { state } = await leg.next('state');
  if (state !== 'active') throw new Error(`the session is ${state}`);
  const console = { role: 'console', spk: toBase64Url(bytes(32)), nonce: toBase64Url(bytes(16)) } as const;
  await support.rights.credential(session, { ...console, features: [], login: owner.login.id });
  const [linkId, handshake] = [bytes(16), bytes(32)];
  leg.say({ type: 'link-started', linkId, handshake });
  await leg.settled();
  const now = at.clock.now();
  const receipt = (over: Partial<ConsentReceipt> = {}) =>
    applet.receipt({ sid: id, sub: owner.id, linkId, handshake, askedAt: now, answeredAt: now, ...over });
  return { ...waiting, linkId, handshake, receipt };
}

/** Once the portal has noticed that the session has no leg any more. */
export async function legsGone(at: TestSupport, id: SessionId): Promise<void> {
  while (at.parts.legs.gatewaysOf(id).length > 0) await new Promise(resolve => setImmediate(resolve));
}

function newKeeping(
  at: Pick<TestIdentity, 'identity' | 'audit' | 'store' | 'folder' | 'clock'>,
  support: Support,
): Keeping {
  const describe = sessionDescriber(support, at.audit);
  const recordingFolder = join(at.folder, 'recordings');
  return new Keeping({ ...at, describe, recordingFolder, helper: null, log: silentLog, metrics: new Metrics() });
}

/** With nothing of the other processes there. */
export function newStatus(
  at: Pick<TestIdentity, 'identity' | 'audit' | 'store' | 'folder' | 'clock'>,
  support: Support,
  keeping: Keeping,
  config = parseConfig('version: 1'),
): Status {
  mkdirSync(join(at.folder, PUBLIC_FOLDER), { recursive: true });
  return new Status({
    ...{ ...at, support, keeping, dataFolder: at.folder, recordingFolder: at.folder },
    backups: { list: async () => [] },
    config: () => config,
    askSigner: notHere,
    log: silentLog,
    metrics: new Metrics(),
  });
}

/** On a file of its own, as a new data folder has it. */
function newSettings(at: Pick<TestIdentity, 'audit' | 'store' | 'folder' | 'clock'>): SettingsDesk {
  const path = join(at.folder, CONFIG_FILE);
  // With the addresses of tests (RFC 5737) beside those that are there.
  const template = readFileSync(join(ROOT, 'config', CONFIG_FILE), 'utf8');
  if (!existsSync(path)) writeFileSync(path, template.replace('[127.0.0.0/8,', '[192.0.2.0/24, 127.0.0.0/8,'));
  const parts = { dataFolder: at.folder, recordingFolder: join(at.folder, 'recordings') };
  return new SettingsDesk({
    ...at,
    dataFolder: at.folder,
    file: new ConfigFile(at.folder),
    diagnose: settings => diagnosticFiles({ ...parts, ...settings, version: '0.0.0', metrics: '' }),
  });
}

/** With the real keys and requests; only the signer's process is missing. */
function newCertificates(at: Pick<TestIdentity, 'audit' | 'store' | 'folder' | 'clock'>): CertificateDesk {
  return new CertificateDesk({
    ...{
      ...at,
      dataFolder: at.folder,
      log: silentLog,
      organisation: 'Kestrel Works',
      names: () => ['support.example.com'],
    },
    request: async ({ names, organisation }) =>
      writeCertificateRequest(names, organisation, (await makeRequestKey(at.folder)).privateKey),
    certify: notHere,
  });
}

const notHere = () => Promise.reject(new Error('not in this test'));

/** Bundling takes seconds: once for all tests of a file. */
let assets: ReturnType<typeof makeAssets> | undefined;

/** The portal's pages and API on top of it. */
export async function openTestPortal(
  at: Pick<TestIdentity, 'identity' | 'audit' | 'store' | 'folder' | 'clock'>,
  parts: Parts,
  over: Partial<PortalParts> & Pick<PortalParts, 'programs'> & { storeBackups?: SessionDeskParts['backups'] },
): Promise<Portal> {
  assets ??= makeAssets({ cache: join(ROOT, ASSET_CACHE) });
  const keeping = over.keeping ?? newKeeping(at, parts.support);
  return new Portal({
    ...parts,
    identity: at.identity,
    sessionKey: async () => ({ kid: 'test-session-key', spki: 'AAAA' }),
    gateways: () => [{ id: 'gateway-1', host: 'support.example.com', port: 8443 }],
    assets: await assets,
    demo: undefined,
    keeping,
    status: over.status ?? newStatus(at, parts.support, keeping),
    ...auditDesk({ ...at, ...parts }),
    evidence: { bundle: notHere, verifier: notHere },
    sessionDesk: new SessionDesk({
      ...{ ...at, ...parts, keeping, backups: over.storeBackups ?? { list: async () => [] } },
      films: new KeptRecordings(join(at.folder, 'recordings')),
      recorder: new RecorderClient(join(at.folder, 'recorder.sock')),
    }),
    settingsPort: () => 8444,
    organisation: { name: 'Kestrel Works', timeZone: 'Europe/London' },
    publicFolder: at.folder,
    clock: at.clock,
    log: silentLog,
    metrics: new Metrics(),
    ...over,
  });
}

/** Whatever backup is asked for was made long before the test. */
const noRestores = {
  backups: {
    get: async (name: string) => ({ name, version: 1 as const, at: 1, bytes: 1000, files: 3, verifiedAt: 2 }),
  },
  sessions: { count: async () => new Map(), end: notHere, listOpenAll: async () => [] },
};

const noBackups: BackupFace = {
  ...{ list: async () => [], start: async () => undefined, check: async () => undefined },
  ...{ isRunning: () => false, lastFault: () => null, room: async () => 2 ** 30 },
  ...{ fetch: notHere, take: notHere },
};

/** The settings' realm on a socket of its own, and someone who is signed in there. */
async function openTestSettings(
  at: Pick<TestIdentity, 'identity' | 'audit' | 'store' | 'folder' | 'clock'>,
  backups = noBackups,
  restores?: RestoreFace,
) {
  let restarts = 0;
  assets ??= makeAssets({ cache: join(ROOT, ASSET_CACHE) });
  const settings = newSettings(at);
  const portal = new SettingsPortal({
    ...at,
    settings,
    blocks: new BlockDesk({ ...at, settings }),
    certificates: newCertificates(at),
    updates: new UpdatesDesk({ ...at, version: '0.0.0', simulate: async () => '' }),
    backups,
    restores: restores ?? new RestoreDesk({ ...at, dataFolder: at.folder, ...noRestores, restart: () => restarts++ }),
    organisation: { name: 'Kestrel Works', timeZone: 'Europe/London' },
    publicFolder: at.folder,
    assets: await assets,
    log: silentLog,
    metrics: new Metrics(),
  });
  const socketPath = join(at.folder, 'portal-settings.sock');
  const listener = new SocketListener(socketPath, portal);
  await listener.listen();
  const accounts = at.identity.settingsAccounts;
  /** An account with PASSWORD. @returns the cookie of a whole login */
  const enter = async (name: string) => {
    await accounts.create(applianceActor, { name, password: PASSWORD });
    const { token } = await accounts.logins.signIn({ name, password: PASSWORD, source: '192.0.2.7' });
    return `__Host-settings=${token}`;
  };
  return { socketPath, routes: portal.routes, restarts: () => restarts, enter, close: () => listener.close() };
}

/** Support, and the portal on a socket of its own: what a console meets. */
export async function openTestDesk(
  over: Partial<PortalParts> & {
    storeBackups?: SessionDeskParts['backups'];
    settingsBackups?: BackupFace;
    settingsRestores?: RestoreFace;
  } = {},
  config?: ApplianceConfig,
) {
  const at = await openTestSupport();
  const keeping = newKeeping(at, at.parts.support);
  const status = newStatus(at, at.parts.support, keeping, config);
  const programs = { offers: async () => [], open: () => Promise.reject(new Error('not in this test')) };
  const gateways = () => [
    { id: 'gateway-1', host: 'support.example.com', port: 8443 },
    { id: 'gateway-2', host: 'support.example.com', port: 8444 },
  ];
  const portal = await openTestPortal(at, at.parts, { programs, gateways, keeping, status, ...over });
  const socketPath = join(at.folder, 'portal.sock');
  const listener = new SocketListener(socketPath, portal);
  await listener.listen();
  const realm = await openTestSettings(at, over.settingsBackups, over.settingsRestores);
  const close = async () => {
    await portal.close();
    await realm.close();
    await listener.close();
    await at.close();
  };
  const consoleOf = ({ token }: { token: string }) => new TestConsole(socketPath, token);
  return { ...at, realm, socketPath, status, keeping, routes: portal.routes, consoleOf, close };
}

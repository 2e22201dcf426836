// Process `portal`: pages, domain, and the only writer of the store. While there is no member it serves first setup and
// nothing else; afterwards the code of setup isn't even loaded.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { AppletDownloads } from '../applet/downloads.ts';
import { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import type { PostsParts } from '../audit/posts.ts';
import { systemClock } from '../clock.ts';
import { ConfigFile } from '../config.ts';
import { describeError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import { Identity } from '../identity/identity.ts';
import { passkeyOrigins } from '../identity/passkey.ts';
import { createLog, type Log } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { KEYS_FOLDER, PUBLIC_FOLDER, syncFolder } from '../pki/key-files.ts';
import { SETUP_CODE_FILE } from '../pki/make-keys.ts';
import { checkPasswordFiles } from '../pki/password-files.ts';
import { installServerCertificate } from '../pki/server-certificate.ts';
import { SignerClient } from '../pki/signer-client.ts';
import { readBackupIdentity, readPinKey, readStoreKeys } from '../pki/store-keys.ts';
import { AppletLegs } from '../portal/applet-legs.ts';
import { auditDesk } from '../portal/audit-desk.ts';
import { adoptBackup, fetchBackupFile, takeBackupFile } from '../portal/backup-acts.ts';
import { BackupDesk } from '../portal/backup-desk.ts';
import { BlockDesk } from '../portal/block-desk.ts';
import { CertificateDesk } from '../portal/certificate-desk.ts';
import { diagnosticFiles } from '../portal/diagnostics.ts';
import { EvidenceDesk } from '../portal/evidence-desk.ts';
import { GatewayList } from '../portal/gateway-list.ts';
import {
  checkBackup,
  FROM_ANYWHERE_PATH,
  Internal,
  type InternalActs,
  type InternalSupport,
  makeBackup,
  SETTINGS_LINK_PATH,
} from '../portal/internal.ts';
import { Keeping } from '../portal/keeping.ts';
import { ASSET_CACHE, makeAssets, Portal, type PortalParts } from '../portal/portal.ts';
import { recordingAviActs } from '../portal/recording-avi.ts';
import { recordingActs } from '../portal/recordings.ts';
import { RestoreDesk } from '../portal/restore-desk.ts';
import { carryOutRestore, tellFailedRestore } from '../portal/restoring.ts';
import { SessionDesk } from '../portal/session-desk.ts';
import { sessionDescriber } from '../portal/session-details.ts';
import { SettingsDesk } from '../portal/settings-desk.ts';
import { SettingsPortal, type SettingsPortalParts } from '../portal/settings-portal.ts';
import type { SetupChoice } from '../portal/setup.ts';
import { type Answerer, SocketListener } from '../portal/socket-listener.ts';
import { recorderAnswers, Status, type StatusParts } from '../portal/status.ts';
import { Support, type SupportOptions } from '../portal/support.ts';
import { UpdatesDesk } from '../portal/updates-desk.ts';
import { KeptRecordings } from '../recording/kept-recordings.ts';
import { RecorderClient } from '../recording/recorder-client.ts';
import { ShareHelperClient } from '../recording/share-helper-client.ts';
import { SessionFacts } from '../sessions/session-facts.ts';
import { Backups } from '../store/backup.ts';
import { Store } from '../store/store.ts';

const FromAnywhere = z.strictObject({ loginId: z.string().max(256) });
const CLOSE_TIMEOUT_MS = 2800;
/** Not before the appliance serves; then so often, for an order that has changed. */
const APPLETS_EVERY_MS = 5000;

class PortalProcess {
  readonly #dataFolder: string;
  readonly #log: Log;
  readonly #config: ConfigFile;
  readonly #flags: Flags;
  readonly #signer: SignerClient;
  readonly #metrics: Metrics[] = [];
  #support: InternalSupport | null = null;
  /** In the order in which they end. */
  #close: (() => Promise<unknown>)[] = [];
  #closeLive: () => Promise<unknown> = () => Promise.resolve();
  #closeFace: () => Promise<void> = () => Promise.resolve();
  #closeSettings: () => Promise<void> = () => Promise.resolve();
  /** What the signer last said of the applets. */
  #applets = '';

  constructor(dataFolder: string, log: Log, flags: Flags) {
    this.#dataFolder = dataFolder;
    this.#flags = flags;
    this.#log = log;
    this.#config = new ConfigFile(dataFolder);
    checkPasswordFiles(dataFolder, this.#config.current);
    mkdirSync(this.#path('run'), { recursive: true, mode: 0o700 });
    this.#signer = new SignerClient({ socketPath: this.#path('run', 'signer.sock') });
  }

  async start(): Promise<void> {
    const own = { dataFolder: this.#dataFolder, migrations: this.#code('migrations'), clock: systemClock };
    await carryOutRestore({ ...own, log: this.#log });
    const cache = this.#code(ASSET_CACHE);
    const assets = makeAssets({ demo: this.#flags.demo !== undefined, cache }); // takes a while, in threads beside
    const metrics = new Metrics();
    this.#metrics.push(metrics);
    const shared = { clock: systemClock, log: this.#log, metrics };
    const keys = readStoreKeys(this.#dataFolder);
    const folders = { folder: this.#path('store'), backups: this.#path('backups') };
    const store = await Store.open({ ...folders, keys, migrations: this.#code('migrations'), ...shared });
    const { audit: rules, backup } = this.#config.current;
    const audit = new AuditLog({
      sessions: new SessionFacts(store),
      store,
      signer: this.#signer,
      config: rules,
      ...shared,
    });
    await audit.start();
    await tellFailedRestore(this.#dataFolder, store, audit);
    const secret = readBackupIdentity(this.#dataFolder);
    const made = { store, keys, dataFolder: this.#dataFolder, identity: secret, keep: backup.keep };
    const backups = new Backups({ ...made, ...shared, migrations: this.#code('migrations') });
    await backups.sweep();
    const gatewayList = new GatewayList({
      signer: this.#signer,
      clock: systemClock,
      config: () => this.#config.current,
    });
    const domain = { store, audit, backups, gatewayList, log: this.#log };
    const internal = new Internal({
      ...domain,
      support: () => this.#support,
      metrics: () => this.#metricsText(),
    });
    const inside = new SocketListener(this.#path('run', 'portal-internal.sock'), internal);
    await inside.listen(); // applets come back as soon as there is support, whether pages can be shown yet or not
    const answerer = await this.#answerer(domain, assets, outsideOf);
    const outside = new SocketListener(this.#path('run', 'portal.sock'), answerer);
    function outsideOf(answerer: Answerer): void {
      outside.answerer = answerer;
    }
    await outside.listen();
    const endKeeping = systemClock.every(APPLETS_EVERY_MS, () => void this.#keepApplets());
    this.#close = [
      async () => endKeeping(),
      () => this.#closeLive(), // first: the listeners wait for every connection
      () => outside.close(),
      () => this.#closeSettings(),
      () => inside.close(),
      () => this.#closeFace(),
      () => audit.close(),
      () => store.close(),
    ];
  }

  async close(): Promise<void> {
    for (const close of this.#close) await close();
    this.#signer.close();
  }

  /** The portal, or first setup, which hands over to the portal when it is done. */
  async #answerer(
    domain: Domain,
    assets: ReturnType<typeof makeAssets>,
    replace: (answerer: Answerer) => void,
  ): Promise<Answerer> {
    const metrics = new Metrics();
    const identity = this.#openIdentity(domain, metrics);
    if ((await identity.members.count()) > 0) {
      this.#forgetCode();
      return this.#openPortal(domain, identity, metrics, assets);
    }
    this.#closeFace = () => identity.close();
    const { Setup } = await import('../portal/setup.ts');
    return new Setup({
      identity,
      assets: await assets,
      config: this.#config.current,
      publicFolder: this.#path(PUBLIC_FOLDER),
      readCode: () => this.#readCode(),
      applyChoice: choice => this.#applyChoice(choice),
      onDone: async () => {
        this.#forgetCode();
        await identity.close(); // it was made without the organisation's name
        const own = new Metrics(); // a name is registered once in each
        replace(await this.#openPortal(domain, this.#openIdentity(domain, own), own, assets));
      },
      log: this.#log,
      metrics,
    });
  }

  #openIdentity({ store, audit }: Domain, metrics: Metrics): Identity {
    const { login, organisation, directory } = this.#config.current;
    const origins = passkeyOrigins(this.#config.current);
    const shared = { clock: systemClock, log: this.#log, metrics, origins };
    return new Identity({ store, audit, config: login, directory, organisation: organisation.name, ...shared });
  }

  async #openPortal(
    domain: Domain,
    identity: Identity,
    metrics: Metrics,
    assets: ReturnType<typeof makeAssets>,
  ): Promise<Portal> {
    const { organisation, session, recording } = this.#config.current;
    const shared = { identity, clock: systemClock, log: this.#log, metrics };
    const pinKey = readPinKey(this.#dataFolder);
    const helper = this.#flags.helper === undefined ? null : new ShareHelperClient(this.#flags.helper);
    const describe: PostsParts['describe'] = (id, withChat) => sessionDescriber(support, domain.audit)(id, withChat);
    const recordingFolder = recording.folder ?? this.#path('recordings');
    const keeping = new Keeping({ ...domain, ...shared, describe, helper, recordingFolder });
    const onOver: SupportOptions['onOver'] = (tx, id) => keeping.posts.queue(tx, id);
    const support = new Support({
      ...{ ...domain, ...shared, signer: this.#signer, config: session, pinKey, onOver },
      isRecorderThere: () => recorderAnswers(this.#dataFolder),
    });
    const welcome = { organisation: organisation.name, silenceMs: session.consentSilenceSeconds * 1000 };
    const legs = new AppletLegs({ ...domain, ...shared, support, welcome });
    support.start();
    await legs.start();
    const certificates = this.#certificates(domain);
    const settings = this.#settings(domain, recordingFolder);
    const status = this.#status({ ...domain, identity, support, keeping, recordingFolder, metrics });
    this.#support = {
      acts: this.#acts(domain, { identity, support, keeping, status, settings }),
      legTokens: support.legTokens,
      admits: (loginId, address) => identity.allowLists.admitLogin(loginId, address),
      upgradeAppletLeg: (request, socket, head) => legs.upgrade(request, socket, head),
    };
    this.#metrics.push(metrics);
    this.#closeFace = async () => {
      for (const part of [certificates, status, keeping, support, identity]) await part.close();
    };
    await keeping.start();
    for (const part of [status, certificates]) part.start();
    await this.#openSettings(domain, support, { identity, settings, certificates, assets: await assets });
    const portal = new Portal({
      ...shared,
      assets: await assets,
      ...auditDesk({ ...domain, support, clock: systemClock }),
      evidence: this.#evidence(domain, support, recordingFolder),
      sessionDesk: this.#sessionDesk(domain, { support, keeping, recordingFolder }),
      settingsPort: () => settings.port(),
      organisation,
      publicFolder: this.#path(PUBLIC_FOLDER),
      support,
      legs,
      keeping,
      status,
      sessionKey: async () => (await this.#signer.publicKeys()).session,
      gateways: () => domain.gatewayList.gateways(),
      demo: this.#flags.demo,
      programs: new AppletDownloads({
        folder: this.#path('applet'),
        signTag: async head => fromBase64Url((await this.#signer.signTag(head)).signature),
      }),
    });
    this.#closeLive = () => Promise.all([portal.close(), legs.close()]);
    return portal;
  }

  /** The other realm, on a socket of its own. */
  async #openSettings(
    domain: Domain,
    support: Support,
    parts: Pick<SettingsPortalParts, 'identity' | 'settings' | 'certificates' | 'assets'>,
  ): Promise<void> {
    const metrics = new Metrics();
    this.#metrics.push(metrics);
    const updates = new UpdatesDesk({ ...domain, clock: systemClock, version: this.#version() });
    await updates.noteStart();
    const portal = new SettingsPortal({
      ...{ ...parts, updates },
      blocks: new BlockDesk({ ...domain, settings: parts.settings, clock: systemClock }),
      ...{ backups: this.#backupDesk(domain), restores: this.#restoreDesk(domain, support) },
      organisation: this.#config.current.organisation,
      publicFolder: this.#path(PUBLIC_FOLDER),
      ...{ clock: systemClock, log: this.#log, metrics },
    });
    const listener = new SocketListener(this.#path('run', 'portal-settings.sock'), portal, { takesLong: true });
    await listener.listen();
    this.#closeSettings = () => listener.close();
  }

  #backupDesk(domain: Domain): BackupDesk {
    return new BackupDesk(domain.backups, {
      make: actor => makeBackup(domain, actor),
      check: (actor, name) => checkBackup(domain, actor, name),
      fetch: (actor, name) => fetchBackupFile(domain, actor, name),
      take: (actor, stream, declared) => takeBackupFile(domain, actor, stream, declared),
      adopt: (actor, taken) => adoptBackup(domain, actor, taken),
    });
  }

  #restoreDesk(domain: Domain, { sessions }: Support): RestoreDesk {
    const restart = () => void process.kill(process.pid, 'SIGTERM'); // whoever started us starts us again
    return new RestoreDesk({ ...domain, dataFolder: this.#dataFolder, sessions, clock: systemClock, restart });
  }

  /** What other processes ask of the parts that are there once setup is done. */
  #acts(domain: Domain, { identity, support, keeping, status, settings }: Answering): InternalActs {
    return {
      ...recordingActs(support.recordings, (id, address) => identity.allowLists.admitsMember(id, address)),
      ...recordingAviActs({ ...domain, ...support, clock: systemClock, signer: this.#signer }),
      [`POST ${FROM_ANYWHERE_PATH}`]: body => identity.members.letIn(applianceActor, FromAnywhere.parse(body).loginId),
      [`POST ${SETTINGS_LINK_PATH}`]: async () => {
        const place = await settings.turnOn(applianceActor);
        return { ...place, code: await identity.settingsAccounts.makeLink() };
      },
      'GET /internal/retention': async () => ({ lastAt: await keeping.retention.lastAt() }),
      'POST /internal/retention': () => keeping.retention.run(),
      'POST /internal/gateway-report': async body => {
        status.note(body);
        return { close: support.relayPairs.toClose() };
      },
    };
  }

  #status(
    parts: Pick<
      StatusParts,
      'store' | 'audit' | 'backups' | 'identity' | 'support' | 'keeping' | 'recordingFolder' | 'metrics'
    >,
  ): Status {
    return new Status({
      ...parts,
      dataFolder: this.#dataFolder,
      config: () => this.#config.current,
      askSigner: () => this.#signer.publicKeys(),
      clock: systemClock,
      log: this.#log,
    });
  }

  #sessionDesk(domain: Domain, parts: Pick<StatusParts, 'support' | 'keeping' | 'recordingFolder'>): SessionDesk {
    const films = new KeptRecordings(parts.recordingFolder);
    const recorder = new RecorderClient(this.#path('run', 'recorder.sock'));
    return new SessionDesk({ ...domain, ...parts, films, recorder, clock: systemClock });
  }

  #evidence({ store, audit }: Domain, support: Support, recordingFolder: string): EvidenceDesk {
    return new EvidenceDesk({
      ...{ store, audit, support, films: new KeptRecordings(recordingFolder), signer: this.#signer },
      ...{ publicFolder: this.#path(PUBLIC_FOLDER), organisation: this.#config.current.organisation.name },
      clock: systemClock,
    });
  }

  /** The signer builds them; what it builds nobody here chooses. */
  async #keepApplets(): Promise<void> {
    const state = await this.#signer.buildApplet().catch(error => describeError(error));
    if (state !== this.#applets) this.#log.info('portal.applets', { state });
    this.#applets = state;
  }

  #settings({ store, audit }: Domain, recordingFolder: string): SettingsDesk {
    const folders = { dataFolder: this.#dataFolder, recordingFolder };
    const version = this.#version();
    return new SettingsDesk({
      ...{ dataFolder: this.#dataFolder, file: this.#config, store, audit, clock: systemClock },
      diagnose: settings => diagnosticFiles({ ...folders, ...settings, version, metrics: this.#metricsText() }),
    });
  }

  #certificates({ store, audit }: Domain): CertificateDesk {
    return new CertificateDesk({
      ...{ dataFolder: this.#dataFolder, store, audit, clock: systemClock, log: this.#log },
      names: () => this.#config.current.names,
      organisation: this.#config.current.organisation.name,
      request: wish => this.#signer.writeCertificateRequest(wish),
      certify: names => this.#certify(names),
    });
  }

  #version(): string {
    const shape = z.object({ version: z.string() });
    return shape.parse(JSON.parse(readFileSync(this.#code('package.json'), 'utf8'))).version;
  }

  #metricsText(): string {
    return this.#metrics.map(one => one.text()).join('');
  }

  async #certify(names: readonly string[]): Promise<void> {
    const hosts = names.filter(name => isIP(name) === 0);
    const addresses = names.filter(name => isIP(name) !== 0);
    const pair = await this.#signer.issueServerCertificate({ names: hosts, addresses });
    installServerCertificate(this.#dataFolder, pair);
  }

  async #applyChoice({ organisation, timeZone, names }: SetupChoice): Promise<void> {
    await this.#certify(names);
    this.#config.change([
      { path: ['organisation', 'name'], value: organisation },
      { path: ['organisation', 'timeZone'], value: timeZone },
      { path: ['names'], value: names },
    ]);
  }

  #readCode(): string | null {
    const path = this.#path(KEYS_FOLDER, SETUP_CODE_FILE);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
  }

  /** Also at a start after a kill between the first member and this. */
  #forgetCode(): void {
    rmSync(this.#path(KEYS_FOLDER, SETUP_CODE_FILE), { force: true });
    syncFolder(this.#path(KEYS_FOLDER));
  }

  #path(...parts: string[]): string {
    return join(this.#dataFolder, ...parts);
  }

  #code(name: string): string {
    return join(import.meta.dirname, '../..', name);
  }
}

interface Flags {
  readonly demo: PortalParts['demo'];
  /** Socket of the helper that runs as root. */
  readonly helper: string | undefined;
}

type Answering = Pick<StatusParts, 'identity' | 'support' | 'keeping'> & {
  readonly status: Status;
  readonly settings: SettingsDesk;
};

interface Domain {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly backups: Backups;
  readonly gatewayList: GatewayList;
  readonly log: Log;
}

/** @param path what `packaging/run --demo` has written of its desktop */
function readDemo(path: string | undefined): PortalParts['demo'] {
  if (path === undefined) return undefined;
  const shape = z.strictObject({ secret: z.string().length(43), socketPath: z.string().min(1) });
  return shape.parse(JSON.parse(readFileSync(path, 'utf8')));
}

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { data: { ...text, default: '.data' }, demo: text, helper: text } });
const log = createLog('portal');
process.umask(0o077);
try {
  const portal = new PortalProcess(resolve(values.data), log, { demo: readDemo(values.demo), helper: values.helper });
  await portal.start();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS).unref(); // what was acknowledged is on the disk already
      portal.close().then(() => process.exit(0));
    });
  }
  log.info('portal.ready');
  process.send?.('ready');
} catch (error) {
  log.error('portal.start-failed', { why: describeError(error) });
  process.stderr.write(`${describeError(error)}\n`);
  process.exit(1);
}

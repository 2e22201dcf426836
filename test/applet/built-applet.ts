// The real applets, built and signed with a real appliance's keys: from the template to the file a customer downloads.
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { buildApplet } from '../../appliance/applet/build.ts';
import { addonFiles, RUNTIMES, TEMPLATE_MANIFEST } from '../../appliance/applet/build-template.ts';
import type { AppletConfiguration } from '../../appliance/applet/configuration.ts';
import { deflatedFiles } from '../../appliance/applet/deflated.ts';
import { tagDownload } from '../../appliance/applet/download.ts';
import type { PreparedApplet } from '../../appliance/applet/prepared.ts';
import { PLATFORMS, type Platform } from '../../appliance/applet/tag-place.ts';
import { systemClock } from '../../appliance/clock.ts';
import { sessionGuidFrom } from '../../appliance/guid.ts';
import { makeKeys } from '../../appliance/pki/make-keys.ts';
import { publicKeyInfo } from '../../appliance/pki/signature.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { tagMessage, writeTag, writeTagHead } from '../../appliance/protocol/tag.ts';
import { ensureTemplate } from '../../packaging/applet/template.ts';
import { lendRsaKeys } from '../support/rsa-keys.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
export const ORGANISATION = 'Städtische Werke “Süd”';

export class BuiltApplets implements Disposable {
  readonly #temp: TempFolder;
  readonly template: { folder: string; sha256: string };
  readonly configuration: AppletConfiguration;
  readonly applets: readonly PreparedApplet[];
  readonly dataFolder: string;

  private constructor(
    parts: Pick<BuiltApplets, 'template' | 'configuration' | 'applets' | 'dataFolder'>,
    temp: TempFolder,
  ) {
    this.#temp = temp;
    this.template = parts.template;
    this.configuration = parts.configuration;
    this.applets = parts.applets;
    this.dataFolder = parts.dataFolder;
  }

  static async build(
    platforms: readonly Platform[],
    /** Starts the server the applets will ask, with the appliance's own certificate. */
    serve: (dataFolder: string) => Promise<number> = async () => 1,
  ): Promise<BuiltApplets> {
    const temp = new TempFolder();
    const dataFolder = join(temp.path, 'data');
    await lendRsaKeys(dataFolder);
    await makeKeys({ dataFolder, names: ['localhost'], organisation: ORGANISATION, clock: systemClock });
    return BuiltApplets.#build(temp, dataFolder, platforms, serve);
  }

  /** For an appliance that runs, into its own data folder: it offers them from then on. */
  static buildFor({ dataFolder, port }: { readonly dataFolder: string; readonly port: number }): Promise<BuiltApplets> {
    return BuiltApplets.#build(new TempFolder(), dataFolder, ['linux-x64'], async () => port);
  }

  static async #build(
    temp: TempFolder,
    dataFolder: string,
    platforms: readonly Platform[],
    serve: (dataFolder: string) => Promise<number>,
  ): Promise<BuiltApplets> {
    const template = await templateFor(join(temp.path, 'template'), platforms);
    const configuration = configurationOf(dataFolder, await serve(dataFolder));
    const applets = await buildApplet({
      ...{ template, configuration, clock: systemClock, built: () => undefined },
      keys: signingOf(dataFolder),
      folder: join(dataFolder, 'applet'),
    });
    return new BuiltApplets({ template, configuration, applets, dataFolder }, temp);
  }

  get folder(): string {
    return this.#temp.path;
  }

  get keys() {
    return signingOf(this.dataFolder);
  }

  get caPath(): string {
    return join(this.dataFolder, 'public/ca.crt');
  }

  of(platform: Platform): PreparedApplet {
    const found = this.applets.find(applet => applet.platform === platform);
    if (found === undefined) throw new RangeError(`no applet for ${platform}`);
    return found;
  }

  tag(wish: { expiresAt?: number; guid?: Uint8Array } = {}): Bytes {
    const guid = sessionGuidFrom(wish.guid ?? randomBytes(16));
    const expiresAt = wish.expiresAt ?? Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
    const head = writeTagHead({ guid, expiresAt, language: 'en' });
    const key = createPrivateKey(readFileSync(join(this.dataFolder, 'keys/tag.key')));
    return writeTag(head, new Uint8Array(sign(null, tagMessage(head), key)));
  }

  /** As a browser gets it: compressed on its way, whole on the disk. */
  async download(platform: Platform, path: string, tag: Bytes = this.tag()): Promise<void> {
    const { stream } = await tagDownload(this.of(platform), tag, 'gzip');
    await pipeline(stream, createGunzip(), createWriteStream(path, { mode: 0o755 }));
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

/** The checkout's template, made once, for these platforms only. Its small files are copies: a test may alter them. */
async function templateFor(folder: string, platforms: readonly Platform[]) {
  const whole = await ensureTemplate(ROOT, line => {
    if (platforms.includes('win-x64')) throw new Error(line);
  });
  const manifest = JSON.parse(readFileSync(join(whole.folder, TEMPLATE_MANIFEST), 'utf8'));
  mkdirSync(folder);
  for (const platform of PLATFORMS) {
    const isWanted = platforms.includes(platform);
    const large = [RUNTIMES[platform], ...Object.values(deflatedFiles(RUNTIMES[platform]))];
    for (const name of isWanted ? large : []) symlinkSync(join(whole.folder, name), join(folder, name));
    const others = [...large, ...addonFiles(platform).map(({ file }) => file)];
    for (const name of isWanted ? [] : others) delete manifest.files[name];
  }
  for (const name of Object.keys(manifest.files).filter(one => !existsSync(join(folder, one)))) {
    copyFileSync(join(whole.folder, name), join(folder, name));
  }
  const text = JSON.stringify(manifest);
  writeFileSync(join(folder, TEMPLATE_MANIFEST), text);
  return { folder, sha256: createHash('sha256').update(text).digest('hex') };
}

function signingOf(dataFolder: string) {
  return {
    keyPath: join(dataFolder, 'keys/code-signing.key'),
    certificatePath: join(dataFolder, 'public/code-signing.crt'),
    chainPath: join(dataFolder, 'public/ca.crt'),
  };
}

function configurationOf(dataFolder: string, port: number): AppletConfiguration {
  const read = (name: string) => readFileSync(join(dataFolder, 'public', name), 'utf8');
  const pinned = (purpose: string) => [publicKeyInfo(createPublicKey(read(`${purpose}.pub`)))];
  return {
    v: 1,
    organisation: ORGANISATION,
    servers: [{ host: 'localhost', port }],
    anchors: [read('ca.crt'), read('ca-next.crt')],
    keys: {
      session: pinned('session'),
      receipts: pinned('receipts'),
      'gateway-list': pinned('gateway-list'),
      tag: pinned('tag'),
      'log-head': pinned('log-head'),
    },
  };
}

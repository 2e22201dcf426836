// The configuration as IT sees and changes it on the pages: the file in the data folder is the one truth. A change is a
// change in that file, checked by what the start checks it by, logged, and can be taken back; it holds from the next start on.
import { getServers } from 'node:dns';
import { createServer } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import {
  type ApplianceConfig,
  CONFIG_FILE,
  type ConfigChange,
  type ConfigDifference,
  type ConfigFile,
  type ConfigText,
  compareConfigs,
  parseConfig,
  settingsEndpoint,
} from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { contains, parseAddress, parseRange } from '../identity/address-range.ts';
import type { Store } from '../store/store.ts';
import type { DiagnosticsParts } from './diagnostics.ts';
import { type BundleFile, bundleBytes, streamBundle } from './evidence/bundle-stream.ts';
import { allFields, changesOf } from './settings/fields.ts';
import { LaidFiles, type NewSecret, SecretFiles, type SecretUse, usesIn } from './settings/secrets.ts';

export interface SettingsDeskParts {
  readonly dataFolder: string;
  readonly file: ConfigFile;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** What is in a diagnostics bundle besides the settings. */
  readonly diagnose: (settings: Pick<DiagnosticsParts, 'settings' | 'waiting' | 'now'>) => Promise<BundleFile[]>;
}

/** Whoever changes something, and how he is here: he must not shut himself out. */
export interface SettingsEditor {
  readonly actor: Actor;
  readonly address: string;
  /** Name he opened the page by, without the port. */
  readonly host: string;
}

export interface NetworkFacts {
  readonly host: string;
  readonly addresses: readonly { readonly name: string; readonly cidr: string; readonly mac: string }[];
  readonly resolvers: readonly string[];
}

export interface EarlierSettings {
  /** When another took its place, ms UTC. */
  readonly until: number;
  readonly digest: string;
  /** What that other changed. */
  readonly changes: readonly ConfigDifference[];
}

const LAID_SETTING = 'settings.laid-password-files';
const MAX_LOGGED_CHANGES = 40;
const MAX_LOGGED_CHARACTERS = 150;

export class SettingsDesk {
  readonly secrets: SecretFiles;
  readonly #parts: SettingsDeskParts;
  readonly #started: ApplianceConfig;

  constructor(parts: SettingsDeskParts) {
    this.#parts = parts;
    this.secrets = new SecretFiles(parts.dataFolder);
    this.#started = parts.file.current;
  }

  read(): ConfigText {
    return this.#parts.file.read();
  }

  /** What waits for the next start. */
  waiting(): readonly ConfigDifference[] {
    const { config } = this.read();
    const all = config === null ? [] : compareConfigs(this.#started, config);
    return all.filter(({ key }) => !key.startsWith('settings.')); // the gateway takes those up at once
  }

  /** Turns the realm on where it was off. @returns where it listens */
  async turnOn(actor: Actor): Promise<{ readonly name: string; readonly port: number }> {
    const { file, store, audit, clock } = this.#parts;
    const { text, digest, config } = file.read();
    if (config === null) throw brokenFile();
    if (!config.settings.enabled) {
      await store.core.transaction(async tx => {
        const detail = { changes: 'settings.enabled: false → true', count: 1 };
        await audit.append(tx, { event: 'settings.changed', actor, detail });
        file.replace(file.changed(text, [{ path: ['settings', 'enabled'], value: true }]), digest, clock.now());
      });
    }
    return { name: config.names[0] ?? 'localhost', port: settingsEndpoint(config).port };
  }

  /** As the file has it now; null while they are turned off. */
  port(): number | null {
    const config = this.read().config ?? this.#started;
    return config.settings.enabled ? settingsEndpoint(config).port : null;
  }

  /** Where members sign in. @param host name by which these pages were opened */
  portalOrigin(host: string): string {
    return new URL(`https://${host}:${this.#started.listen.port}`).origin;
  }

  /** @throws ApplianceError `settings.address` from an address that the settings are not open to */
  admit(address: string): void {
    // The gateway drops everyone else at accept; this is the second look, at the list as it is in the file now.
    if (isOpenTo(this.read().config ?? this.#started, address)) return;
    throw new ApplianceError('refused', 'settings.address', 'the settings are not open to your address', {
      hint: `settings.addresses in ${CONFIG_FILE} says from where; on the machine itself the file can always be changed.`,
    });
  }

  /** The file's text with what was typed in the fields. @param values by name of the field */
  textOf(seen: ConfigText, values: Readonly<Record<string, string>>): string {
    return this.textWith(seen, config => changesOf(config, allFields, { values, rows: [] }));
  }

  /** @throws ApplianceError `settings.broken` */
  textWith({ config, text }: ConfigText, changes: (config: ApplianceConfig) => readonly ConfigChange[]): string {
    if (config === null) throw brokenFile();
    const made = changes(config);
    return made.length === 0 ? text : this.#parts.file.changed(text, made);
  }

  /** What a text would change. @throws ApplianceError `config.malformed` */
  preview(text: string): readonly ConfigDifference[] {
    return compareConfigs(this.read().config, parseConfig(text));
  }

  /**
   * Puts a text in the file's place.
   * @param seen digest of what the editor has seen
   * @param secret a password typed now, whose file the text names
   * @returns what it changes
   * @throws ApplianceError `config.malformed`, `config.changed-meanwhile`, `settings.shut-out`, or as `SecretFiles.check`
   */
  async save(
    editor: SettingsEditor,
    text: string,
    seen: string,
    secret: NewSecret | null = null,
  ): Promise<readonly ConfigDifference[]> {
    const { store, audit } = this.#parts;
    const config = parseConfig(text);
    refuseShutOut(this.#started, config, editor);
    const laid = await this.#laid();
    this.secrets.check(config, this.#known(laid), secret);
    await this.#tryPlace(config);
    const changes = this.preview(text);
    if (text === this.read().text) return [];
    await store.core.transaction(async tx => {
      const told = changes.slice(0, MAX_LOGGED_CHANGES).map(presentChange).join('; ');
      const detail = { changes: told, count: changes.length };
      await audit.append(tx, { event: 'settings.changed', actor: editor.actor, detail });
      await store.settings.set(tx, LAID_SETTING, this.secrets.remember(laid, this.read().config ?? config, config));
      this.#replace(text, seen, secret); // the last that can fail: without it there is no entry
    });
    // As it is now: another may have been saved since, with a password of its own.
    this.secrets.sweep([this.read().text, ...this.#parts.file.history().map(earlier => earlier.text)]);
    return changes;
  }

  #replace(text: string, seen: string, secret: NewSecret | null): void {
    const { file, clock } = this.#parts;
    if (secret !== null) this.secrets.write(secret);
    try {
      file.replace(text, seen, clock.now());
    } catch (error) {
      if (secret !== null) this.secrets.forget(secret);
      throw error;
    }
  }

  async #laid(): Promise<readonly SecretUse[]> {
    return (await this.#parts.store.settings.get(LAID_SETTING, LaidFiles)) ?? [];
  }

  /** What was saved, now and before. */
  #known(laid: readonly SecretUse[]): readonly SecretUse[] {
    const { config } = this.read();
    return [...laid, ...[...(config === null ? [] : [config]), ...this.earlier()].flatMap(usesIn)];
  }

  /** Those the appliance would start with, newest first. */
  earlier(): readonly ApplianceConfig[] {
    return this.#parts.file.history().flatMap(({ config }) => config ?? []);
  }

  /** @throws ApplianceError as `SecretFiles.check` */
  async checkTest(config: ApplianceConfig, page: string, secret: NewSecret | null): Promise<void> {
    this.secrets.checkTest(config, this.#known(await this.#laid()), page, secret);
  }

  /** An address and port that can't be had are not kept: the gateway moves there at once. @throws ApplianceError `settings.no-such-place` */
  async #tryPlace(config: ApplianceConfig): Promise<void> {
    const [now, next] = [settingsEndpoint(this.read().config ?? this.#started), settingsEndpoint(config)];
    if (now.port === next.port && now.address === next.address) return;
    const port = now.port === next.port ? 0 : next.port; // our own gateway has that one
    const server = createServer();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, host: next.address, exclusive: true }, resolve);
      });
    } catch (cause) {
      const place = `${next.address} port ${next.port}`;
      throw new ApplianceError('conflict', 'settings.no-such-place', `${place} can't be listened on`, {
        hint: `settings.port: ${describeError(cause)}. Nothing was saved.`,
        cause,
      });
    } finally {
      server.close();
    }
  }

  /** Newest first. */
  history(): readonly EarlierSettings[] {
    let after = this.read().config;
    return this.#parts.file.history().map(({ until, digest, config }) => {
      const changes = compareConfigs(config, after);
      after = config;
      return { until, digest, changes };
    });
  }

  /** Takes the file back to an earlier one; throws as `save`, or `settings.no-such-version`. */
  takeBack(editor: SettingsEditor, digest: string, seen: string): Promise<readonly ConfigDifference[]> {
    const earlier = this.#parts.file.history().find(one => one.digest === digest);
    if (earlier === undefined) {
      throw new ApplianceError('missing', 'settings.no-such-version', 'that earlier version is not kept any more');
    }
    return this.save(editor, earlier.text, seen);
  }

  /** The machine as its network sees it. */
  network(): NetworkFacts {
    const addresses = Object.entries(networkInterfaces()).flatMap(([name, found]) =>
      (found ?? []).filter(({ internal }) => !internal).map(({ cidr, mac }) => ({ name, cidr: cidr ?? '', mac })),
    );
    return { host: hostname(), addresses, resolvers: getServers() };
  }

  /** What IT gives to whoever helps; that it was taken is logged. */
  async diagnostics(actor: Actor): Promise<{ bytes: number; stream: () => AsyncGenerator<Uint8Array> }> {
    const { store, audit, clock, diagnose } = this.#parts;
    const waiting = this.waiting().map(({ key }) => key);
    const files = await diagnose({ settings: this.read().text, waiting, now: clock.now() });
    const bytes = bundleBytes(files);
    const detail = { files: files.length, bytes };
    await store.core.transaction(tx => audit.append(tx, { event: 'diagnostics.taken', actor, detail }));
    return { bytes, stream: () => streamBundle(files) };
  }
}

function refuseShutOut(now: ApplianceConfig, config: ApplianceConfig, { address, host }: SettingsEditor): void {
  if (!isOpenTo(config, address)) {
    throw shutOut('settings.from', `your own address, ${address}, is not among these`);
  }
  if (!config.settings.enabled) throw shutOut('settings.enabled', 'these pages would be gone');
  if (now.names.includes(host) && !config.names.includes(host)) {
    throw shutOut('names', `you are here by the name ${host}, which is not among these`);
  }
}

function shutOut(key: string, message: string): ApplianceError {
  return new ApplianceError('conflict', 'settings.shut-out', message, {
    hint: `${key}: you would shut yourself out. Open this page by a way that stays, or change ${CONFIG_FILE} on the machine.`,
  });
}

function isOpenTo({ settings }: ApplianceConfig, address: string): boolean {
  const from = parseAddress(address);
  return from !== undefined && settings.from.some(range => contains(parseRange(range), from));
}

function brokenFile(): ApplianceError {
  return new ApplianceError('conflict', 'settings.broken', `${CONFIG_FILE} has a fault; mend it first`);
}

function presentChange({ key, before = '', after = '' }: ConfigDifference): string {
  return `${key}: ${before.slice(0, MAX_LOGGED_CHARACTERS)} → ${after.slice(0, MAX_LOGGED_CHARACTERS)}`;
}

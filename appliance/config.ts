// The appliance's configuration, `appliance.yaml` in the data folder: parsed once, in `bin/`. A wrong value stops the
// start and names key, value and what would be right. Every key is explained in `config/appliance.yaml`.
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseDocument, parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { ApplianceError } from './errors.ts';

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

const port = z.int().min(1).max(65_535);
const hostName = z.string().regex(HOST_NAME, 'a lower-case DNS name, such as support.example.com');

const Gateway = z.strictObject({
  /** Name in the signed gateway list. */
  id: z.string().regex(/^[a-z0-9-]{1,32}$/, 'lower-case letters, digits and hyphens'),
  /** Port it listens on; the first gateway listens on `listen.port`. */
  port: port.optional(),
});

const addressRange = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);
const dn = z.string().min(1).max(1024);
const attribute = z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'the name of an attribute or class');
const absolutePath = z.string().startsWith('/', 'an absolute path').max(1024);

/** A directory whose people may sign in (C-05). */
const Directory = z.strictObject({
  /** Asked in turn. `ldaps://` is TLS from the first byte, `ldap://` is StartTLS; nothing is ever sent in the clear. */
  servers: z
    .array(
      z
        .string()
        .regex(
          /^ldaps?:\/\/([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\])(:\d{1,5})?$/,
          'ldaps://host:port or ldap://host:port',
        ),
    )
    .min(1)
    .max(8),
  library: z.enum(['ldapjs', 'ldapts']).default('ldapjs'),
  /** PEM file of the authorities that sign the servers' certificates; null for the public ones. */
  authorities: absolutePath.nullable().default(null),
  /** The account that looks people up; it needs to read only. */
  bindDn: dn,
  bindPasswordFile: absolutePath,
  timeoutSeconds: z.int().min(1).max(30).default(5),
  users: z.strictObject({
    base: dn,
    objectClass: attribute.default('person'),
    loginId: attribute.default('mail'),
    name: attribute.default('cn'),
    /** Stays the same when a person is renamed: entryUUID, or objectGUID of Active Directory. */
    id: attribute.default('entryUUID'),
  }),
  groups: z.strictObject({
    base: dn,
    objectClass: attribute.default('groupOfNames'),
    member: attribute.default('member'),
  }),
  /** Whether who has no account yet gets one at the first login. */
  createMembers: z.boolean().default(true),
  /** So often accounts are brought to what the directory says without anybody's doing; 0: never. */
  syncHours: z.int().min(0).max(168).default(0),
  /** Who is in the group, in whatever depth, has the roles and belongs to the technician group. */
  mapping: z
    .array(
      z.strictObject({
        group: dn,
        roles: z.array(z.enum(['master-admin', 'admin', 'technician', 'auditor'])).min(1),
        /** As the pages show it: Support › Berlin; the first one that matches counts. */
        technicianGroup: z.string().min(1).max(2000).nullable().default(null),
      }),
    )
    .min(1)
    .max(200),
});
export type DirectoryConfig = z.infer<typeof Directory>;

/** Where alerts are sent, beside the page Status. */
const Syslog = z.strictObject({
  /** `tls` is RFC 5425; `udp` is in the clear and for a network of one's own only. */
  protocol: z.enum(['tls', 'udp']).default('tls'),
  host: z.union([hostName, z.ipv4(), z.ipv6()]),
  /** Left out: 6514 for TLS, 514 for UDP. */
  port: port.optional(),
  /** PEM file of the authorities that sign the server's certificate; null for the public ones. */
  authorities: absolutePath.nullable().default(null),
});
export type SyslogConfig = z.infer<typeof Syslog>;

const mailAddress = z.string().regex(/^[^\s@<>,;"()]{1,64}@[A-Za-z0-9.-]{1,253}$/, 'a mail address');

/** Who gets alerts by mail. */
const Mail = z.strictObject({
  /** `starttls` begins in the clear and goes on only with TLS; `tls` is TLS from the first byte. */
  security: z.enum(['starttls', 'tls']).default('starttls'),
  host: z.union([hostName, z.ipv4(), z.ipv6()]),
  /** Left out: 587 for starttls, 465 for tls. */
  port: port.optional(),
  /** PEM file of the authorities that sign the server's certificate; null for the public ones. */
  authorities: absolutePath.nullable().default(null),
  from: mailAddress,
  to: z.array(mailAddress).min(1).max(20),
  /** null where the server takes mail from this machine without an account. */
  user: z.string().min(1).max(256).nullable().default(null),
  passwordFile: absolutePath.nullable().default(null),
});
export type MailConfig = z.infer<typeof Mail>;

/** This machine and private networks (RFC 1918, RFC 4193, RFC 4291 §2.5.6). */
const NEARBY = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1', 'fc00::/7', 'fe80::/10'];

/** Where IT sets this appliance up: a realm with accounts and a listener of its own. */
const Settings = z
  .strictObject({
    enabled: z.boolean().default(true),
    /** null for that of `listen`. */
    address: z.union([z.ipv4(), z.ipv6()]).nullable().default(null),
    /** null for the first one above `listen.port` that nothing here uses. */
    port: port.nullable().default(null),
    /** Whence it may be opened: addresses and ranges. Nobody else gets as far as TLS. */
    from: z.array(addressRange).min(1).max(64).optional(),
    /** What `from` was called in the files of first versions; empty meant nothing. */
    addresses: z.array(addressRange).max(64).default([]),
  })
  .transform(({ addresses, from = addresses.length > 0 ? addresses : NEARBY, ...rest }) => ({ ...rest, from }));

export const Configuration = z.strictObject({
  version: z.literal(1),
  organisation: z.strictObject({
    /** Shown to customers before they allow anything; empty until first setup. */
    name: z.string().max(120).default(''),
    /** IANA name, for times on pages: Europe/London. */
    timeZone: z.string().refine(isTimeZone, 'an IANA time zone, such as Europe/London').default('Etc/UTC'),
  }),
  /** Names browsers use; the first is the canonical one. All of them stand in the server certificate. */
  names: z.array(hostName).min(1).max(20).default(['localhost']),
  listen: z.strictObject({
    address: z.union([z.ipv4(), z.ipv6()]).default('::'),
    port: port.default(8443),
    /** Plain-HTTP port that redirects to HTTPS; null for none. */
    redirectPort: port.nullable().default(null),
    /** Prometheus metrics, on 127.0.0.1 only; null for none. */
    metricsPort: port.nullable().default(null),
  }),
  gateways: z
    .array(Gateway)
    .min(1)
    .max(8)
    .default([{ id: 'gateway-1' }]),
  login: z.strictObject({
    idleMinutes: z.int().min(1).max(720).default(15),
    absoluteHours: z.int().min(1).max(72).default(12),
    lockAfterFailures: z.int().min(3).max(50).default(10),
    lockMinutes: z.int().min(1).max(1440).default(15),
  }),
  audit: z.strictObject({
    headEveryEntries: z.int().min(1).max(100_000).default(1000),
    headEverySeconds: z.int().min(1).max(3600).default(60),
  }),
  backup: z.strictObject({
    everyHours: z.int().min(1).max(168).default(24),
    keep: z.int().min(1).max(365).default(14),
  }),
  recording: z.strictObject({
    /** Absolute path of the folder recordings go to; null for `recordings/` in the data folder. */
    folder: z.string().startsWith('/', 'an absolute path').max(1024).nullable().default(null),
  }),
  settings: Settings,
  session: z.strictObject({
    pinDigits: z.int().min(6).max(16).default(9),
    pinMinutes: z.int().min(1).max(1440).default(20),
    consentSilenceSeconds: z.int().min(10).max(600).default(60),
  }),
  alerts: z.strictObject({
    /** Of a disk, below which an alert is raised. */
    diskFreePercent: z.int().min(1).max(50).default(10),
    /** In ten minutes, from which on one is raised. */
    failedLogins: z.int().min(5).max(100_000).default(50),
    syslog: Syslog.nullable().default(null),
    mail: Mail.nullable().default(null),
  }),
  directory: Directory.nullable().default(null),
});

export type ApplianceConfig = z.infer<typeof Configuration>;

/** Where the settings listen. */
export function settingsEndpoint({
  settings,
  listen,
  gateways,
}: Pick<ApplianceConfig, 'settings' | 'listen' | 'gateways'>): { readonly address: string; readonly port: number } {
  const taken = [listen.port, listen.redirectPort, ...gateways.map(gateway => gateway.port)];
  let free = listen.port;
  while (taken.includes(free)) free = free === 65_535 ? 1024 : free + 1;
  return { address: settings.address ?? listen.address, port: settings.port ?? free };
}

/** Name of the configuration in the data folder. */
export const CONFIG_FILE = 'appliance.yaml';

/**
 * @param text YAML as in `config/appliance.yaml`; keys left out take their defaults
 * @throws ApplianceError `config.malformed`, naming key, value and what would be right
 */
export function parseConfig(text: string): ApplianceConfig {
  const result = readText(text);
  if (result.config !== null) return result.config;
  throw new ApplianceError('malformed', 'config.malformed', result.faults.map(describeFault).join('; '), {
    hint: `Correct ${CONFIG_FILE}; config/appliance.yaml explains every key.`,
  });
}

/** What is wrong with a text, key by key; nothing when the appliance would start with it. */
export function findConfigFaults(text: string): readonly ConfigFault[] {
  return readText(text).faults;
}

export interface ConfigFault {
  /** `login.idleMinutes`; empty when it is no YAML at all. */
  readonly key: string;
  readonly message: string;
}

function describeFault({ key, message }: ConfigFault): string {
  return key === '' ? message : `${key}: ${message}`;
}

function readText(text: string): { config: ApplianceConfig | null; faults: readonly ConfigFault[] } {
  let tree: unknown;
  try {
    tree = parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    const where = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    return { config: null, faults: [{ key: '', message: `${CONFIG_FILE} is not YAML: ${where}` }] };
  }
  const withSections = {
    organisation: {},
    listen: {},
    login: {},
    audit: {},
    backup: {},
    recording: {},
    session: {},
    settings: {},
    alerts: {},
    ...asObject(tree),
  };
  const result = Configuration.safeParse(withSections);
  if (result.success) return { config: result.data, faults: [] };
  const faults = result.error.issues.map(({ path, message }) => ({ key: path.join('.') || CONFIG_FILE, message }));
  return { config: null, faults };
}

/** @param dataFolder absolute path; throws as `parseConfig`, or `config.missing` */
export function readConfig(dataFolder: string): ApplianceConfig {
  const path = join(dataFolder, CONFIG_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ApplianceError('missing', 'config.missing', `${path} can't be read`, {
      hint: 'packaging/run writes it when the data folder is new.',
      cause,
    });
  }
  return parseConfig(text);
}

export interface ConfigChange {
  /** Keys from the top: `['organisation', 'name']`. */
  readonly path: readonly string[];
  /** undefined takes the key out of the file. */
  readonly value: ConfigValue | undefined;
}

export type ConfigValue =
  | string
  | number
  | boolean
  | null
  | readonly ConfigValue[]
  | { readonly [key: string]: ConfigValue };

/** The file as it is at this moment, whoever wrote it. */
export interface ConfigText {
  readonly text: string;
  /** Whoever wants to replace it says which one he has seen. */
  readonly digest: string;
  /** null when the appliance would not start with it. */
  readonly config: ApplianceConfig | null;
}

export interface EarlierConfig extends ConfigText {
  /** When another took its place, ms UTC. */
  readonly until: number;
}

/** Of the file, in the data folder; the oldest go. */
const HISTORY_FOLDER = 'config-history';
const MAX_HISTORY = 50;

/** The configuration of a data folder, as it is now; a change on the pages is a change in the file, comments kept. */
export class ConfigFile {
  readonly #path: string;
  readonly #history: string;
  /** By their digest. */
  readonly #described = new Map<string, ConfigText>();
  #current: ApplianceConfig;

  /** @throws as `readConfig` */
  constructor(dataFolder: string) {
    this.#path = join(dataFolder, CONFIG_FILE);
    this.#history = join(dataFolder, HISTORY_FOLDER);
    this.#current = readConfig(dataFolder);
  }

  /** What this process works with. */
  get current(): ApplianceConfig {
    return this.#current;
  }

  /** What the next start will work with. */
  read(): ConfigText {
    return describeText(readFileSync(this.#path, 'utf8'));
  }

  /** The text with these changes, comments kept; nothing is written. */
  changed(text: string, changes: readonly ConfigChange[]): string {
    const document = parseDocument(text);
    for (const { path, value } of changes) {
      if (value === undefined) document.deleteIn(path);
      else document.setIn(path, value);
    }
    return document.toString({ lineWidth: 0 });
  }

  /** From now on. @throws ApplianceError `config.malformed`; the file is as before then */
  change(changes: readonly ConfigChange[]): ApplianceConfig {
    const text = this.changed(readFileSync(this.#path, 'utf8'), changes);
    const config = parseConfig(text);
    this.#write(this.#path, text);
    this.#current = config;
    return config;
  }

  /**
   * From the next start on. What was there is kept as an earlier one.
   * @param seen digest of the text that is to be replaced
   * @param now ms UTC
   * @throws ApplianceError `config.malformed`, or `config.changed-meanwhile` when another text stands there; nothing is written then
   */
  replace(text: string, seen: string, now: number): void {
    parseConfig(text);
    const before = this.read();
    if (before.digest !== seen) throw changedMeanwhile();
    mkdirSync(this.#history, { recursive: true, mode: 0o700 });
    const names = this.#historyNames();
    const latest = Number(names[0]?.slice(0, -'.yaml'.length) ?? 0);
    this.#write(join(this.#history, `${Math.max(now, latest + 1)}.yaml`), before.text);
    this.#write(this.#path, text);
    for (const name of names.slice(MAX_HISTORY - 1)) rmSync(join(this.#history, name), { force: true });
  }

  /** Newest first, at most 50. */
  history(): readonly EarlierConfig[] {
    return this.#historyNames().map(name => ({
      until: Number(name.slice(0, -'.yaml'.length)),
      ...this.#describe(readFileSync(join(this.#history, name), 'utf8')),
    }));
  }

  /** Reading fifty versions anew for each page would take a fifth of a second. */
  #describe(text: string): ConfigText {
    const digest = digestOf(text);
    const described = this.#described.get(digest) ?? describeText(text);
    if (this.#described.size > MAX_HISTORY) this.#described.clear();
    this.#described.set(digest, described);
    return described;
  }

  #historyNames(): string[] {
    if (!existsSync(this.#history)) return [];
    const names = readdirSync(this.#history).filter(name => /^\d{1,15}\.yaml$/.test(name));
    return names.sort((a, b) => Number(b.slice(0, -'.yaml'.length)) - Number(a.slice(0, -'.yaml'.length)));
  }

  #write(path: string, text: string): void {
    const part = `${path}.${process.pid}.part`;
    const file = openSync(part, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
  }
}

function describeText(text: string): ConfigText {
  return { text, digest: digestOf(text), config: readText(text).config };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function changedMeanwhile(): ApplianceError {
  return new ApplianceError('conflict', 'config.changed-meanwhile', `${CONFIG_FILE} was changed meanwhile`, {
    hint: 'Nothing was saved. Look at what stands there now, and change it once more.',
  });
}

/** A key whose value is another one. */
export interface ConfigDifference {
  readonly key: string;
  /** As JSON; undefined where the key is not there. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What differs between two configurations, key by key, lists as a whole. */
export function compareConfigs(before: ApplianceConfig | null, after: ApplianceConfig | null): ConfigDifference[] {
  const [from, to] = [flatten(before ?? {}), flatten(after ?? {})];
  return [...new Set([...from.keys(), ...to.keys()])]
    .map(key => ({ key, before: from.get(key), after: to.get(key) }))
    .filter(({ before, after }) => before !== after);
}

function flatten(tree: object, above = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(tree)) {
    const key = `${above}${name}`;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) found.set(key, JSON.stringify(value));
    else for (const [below, text] of flatten(value, `${key}.`)) found.set(below, text);
  }
  return found;
}

function asObject(tree: unknown): object {
  return typeof tree === 'object' && tree !== null && !Array.isArray(tree) ? tree : {};
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false; // a RangeError: the name is not known
  }
}

// The appliance's configuration, `appliance.yaml` in the data folder: parsed once, in `bin/`. A wrong value stops the
// start and names key, value and what would be right. Every key is explained in `config/appliance.yaml`.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
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

const Configuration = z.strictObject({
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
  session: z.strictObject({
    pinDigits: z.int().min(6).max(16).default(9),
    pinMinutes: z.int().min(1).max(1440).default(20),
    consentSilenceSeconds: z.int().min(10).max(600).default(60),
  }),
  directory: Directory.nullable().default(null),
});

export type ApplianceConfig = z.infer<typeof Configuration>;

/** Name of the configuration in the data folder. */
export const CONFIG_FILE = 'appliance.yaml';

/**
 * @param text YAML as in `config/appliance.yaml`; keys left out take their defaults
 * @throws ApplianceError `config.malformed`, naming key, value and what would be right
 */
export function parseConfig(text: string): ApplianceConfig {
  let tree: unknown;
  try {
    tree = parseYaml(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw new ApplianceError('malformed', 'config.malformed', `${CONFIG_FILE} is not YAML`, { cause });
  }
  const withSections = {
    organisation: {},
    listen: {},
    login: {},
    audit: {},
    backup: {},
    recording: {},
    session: {},
    ...asObject(tree),
  };
  const result = Configuration.safeParse(withSections);
  if (result.success) return result.data;
  const faults = result.error.issues.map(issue => `${issue.path.join('.') || CONFIG_FILE}: ${issue.message}`);
  throw new ApplianceError('malformed', 'config.malformed', faults.join('; '), {
    hint: `Correct ${CONFIG_FILE}; config/appliance.yaml explains every key.`,
  });
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
  readonly value: string | number | boolean | null | readonly string[];
}

/** The configuration of a data folder, as it is now; a change on the pages is a change in the file, comments kept. */
export class ConfigFile {
  readonly #path: string;
  #current: ApplianceConfig;

  /** @throws as `readConfig` */
  constructor(dataFolder: string) {
    this.#path = join(dataFolder, CONFIG_FILE);
    this.#current = readConfig(dataFolder);
  }

  get current(): ApplianceConfig {
    return this.#current;
  }

  /** @throws ApplianceError `config.malformed`; the file is as before then */
  change(changes: readonly ConfigChange[]): ApplianceConfig {
    const document = parseDocument(readFileSync(this.#path, 'utf8'));
    for (const { path, value } of changes) document.setIn(path, value);
    const text = document.toString({ lineWidth: 0 });
    const config = parseConfig(text);
    const part = `${this.#path}.${process.pid}.part`;
    const file = openSync(part, 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, this.#path);
    this.#current = config;
    return config;
  }
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

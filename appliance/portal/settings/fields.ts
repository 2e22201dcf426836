// The settings that have a field on the page Settings, in its order, and what a field is. What can be switched off as a whole has a page
// of its own (`blocks.ts`); what has no field anywhere says why, and is changed in the file.
import type { ApplianceConfig, ConfigChange, ConfigValue } from '../../config.ts';
import { type MappingRow, rowsOf, rowsValue } from '../web/mapping-rows.ts';

export interface SettingsField {
  /** `login.idleMinutes`: key in the file. */
  readonly key: string;
  /** `login-idleMinutes`: name in the form, where a dot would make a branch. */
  readonly name: string;
  readonly label: string;
  /** What is right, and what it does. */
  readonly hint: string;
  /**
   * `lines` is a list, one to a line; `secret` is a password that goes to a file whose path is at `key`; `mapping` is the directory's,
   * in rows.
   */
  readonly kind: 'text' | 'number' | 'lines' | 'choice' | 'tick' | 'secret' | 'mapping';
  /** What the file has where it is left empty. */
  readonly whenEmpty: 'as-typed' | 'null' | 'absent';
  /** Of a choice. */
  readonly choices: readonly string[];
  /** What stands there where nothing was ever set. */
  readonly initial: string;
}

export interface SettingsSection {
  readonly title: string;
  readonly fields: readonly SettingsField[];
}

/** @param over what is not as it mostly is */
export function field(
  kind: SettingsField['kind'],
  key: string,
  label: string,
  hint: string,
  over: Partial<SettingsField> = {},
): SettingsField {
  const name = key.replaceAll('.', '-');
  return { kind, key, name, label, hint, whenEmpty: 'as-typed', choices: [], initial: '', ...over };
}

export const optional = { whenEmpty: 'null' } as const;

export const sections: readonly SettingsSection[] = [
  {
    title: 'Organisation',
    fields: [
      field(
        'text',
        'organisation.name',
        'Name',
        'Shown to customers before they allow anything; at most 120 characters.',
      ),
      field(
        'text',
        'organisation.timeZone',
        'Time zone',
        'For times on pages, such as Europe/London. The log is in UTC.',
      ),
    ],
  },
  {
    title: 'Names and network',
    fields: [
      field(
        'lines',
        'names',
        'Names of this appliance',
        'One to a line, lower case, at most 20. The first stands in every link; any other name is refused.',
      ),
      field('text', 'listen.address', 'Listens on address', ':: is every address, 0.0.0.0 every IPv4 address.'),
      field('number', 'listen.port', 'HTTPS port', '1 to 65535; 443 in production.'),
      field(
        'number',
        'listen.redirectPort',
        'Plain HTTP port',
        'Only sends browsers to HTTPS; empty for none.',
        optional,
      ),
      field(
        'number',
        'listen.metricsPort',
        'Metrics port',
        'For Prometheus, on this machine only; empty for none.',
        optional,
      ),
    ],
  },
  {
    title: 'These settings',
    fields: [
      field('text', 'settings.address', 'Listen on address', 'Empty: the same as above. Holds at once.', optional),
      field(
        'number',
        'settings.port',
        'Port',
        'Empty: the first one above the HTTPS port that is free here. Holds at once.',
        optional,
      ),
      field(
        'lines',
        'settings.from',
        'May be opened from',
        'Addresses and ranges, one to a line, such as 10.1.2.0/24. Nobody else can connect, and who is here and is not on the list is cut off.',
      ),
    ],
  },
  {
    title: 'Signing in',
    fields: [
      field('number', 'login.idleMinutes', 'Minutes without a click', 'Then a login ends; 1 to 720.'),
      field('number', 'login.absoluteHours', 'Hours at most', 'Then it ends in any case; 1 to 72.'),
      field('number', 'login.lockAfterFailures', 'Wrong passwords until an account locks', 'In a row; 3 to 50.'),
      field(
        'number',
        'login.lockMinutes',
        'Minutes of the first lock',
        'Each further one is twice as long; 1 to 1440.',
      ),
    ],
  },
  {
    title: 'Sessions',
    fields: [
      field('number', 'session.pinDigits', 'Digits of a PIN', '6 to 16.'),
      field('number', 'session.pinMinutes', 'Minutes an unused PIN lives', '1 to 1440.'),
      field(
        'number',
        'session.consentSilenceSeconds',
        'Seconds until silence is a no',
        'When a customer is asked; 10 to 600.',
      ),
    ],
  },
  {
    title: 'Log, backups and recordings',
    fields: [
      field('number', 'audit.headEveryEntries', 'Log signed after so many entries', '1 to 100000.'),
      field(
        'number',
        'audit.headEverySeconds',
        'Log signed after so many seconds',
        'Whichever comes first; 1 to 3600.',
      ),
      field('number', 'backup.everyHours', 'Hours between backups', '1 to 168.'),
      field('number', 'backup.keep', 'Backups kept', '1 to 365.'),
      field(
        'text',
        'recording.folder',
        'Folder of recordings',
        'An absolute path; empty is the data folder.',
        optional,
      ),
    ],
  },
  {
    title: 'Alerts',
    fields: [
      field('number', 'alerts.diskFreePercent', 'Per cent of a disk that stay free', 'Below it is an alert; 1 to 50.'),
      field('number', 'alerts.failedLogins', 'Failed logins in ten minutes', 'From so many on an alert; 5 to 100000.'),
    ],
  },
];

export const allFields: readonly SettingsField[] = sections.flatMap(({ fields }) => fields);

/** Why a key has no field on any page. */
export const fileOnly: Readonly<Record<string, string>> = {
  version: 'The form of the file; there is one.',
  gateways: 'The processes that take connections, a list with an id and a port for each; one is enough for most.',
  'settings.enabled':
    'Turned off, these pages are gone: that is done on the machine, and on again by settings-account.',
  'settings.addresses': 'What “May be opened from” was called in first versions.',
};

/** As it stands in the field. */
export function presentValue(config: ApplianceConfig, { key, kind }: SettingsField): string {
  const value = valueAt(config, key);
  if (kind === 'tick') return value === true ? 'on' : '';
  if (kind === 'mapping') return JSON.stringify(rowsValue(rowsOf(value)));
  if (Array.isArray(value)) return value.join('\n');
  return value === null || value === undefined ? '' : String(value);
}

/** What was typed, as the file has it; the configuration's own schema then says whether it is right. */
export function typedValue({ kind, whenEmpty }: SettingsField, typed: string): ConfigValue | undefined {
  const plain = plainText(typed);
  if (kind === 'tick') return plain === 'on';
  if (kind === 'lines') {
    return plain.split('\n').flatMap(line => line.trim() || []);
  }
  if (plain === '' && whenEmpty !== 'as-typed') return whenEmpty === 'null' ? null : undefined;
  return kind === 'number' && /^\d{1,9}$/.test(plain) ? Number(plain) : plain;
}

export interface Typed {
  /** By name of the field. */
  readonly values: Readonly<Record<string, string>>;
  readonly rows: readonly MappingRow[];
}

/** What the fields change; those that are as they were are left alone, so that their comments are, too. */
export function changesOf(config: ApplianceConfig, fields: readonly SettingsField[], typed: Typed): ConfigChange[] {
  return fields
    .filter(({ kind }) => kind !== 'secret')
    .map(one => ({ one, is: presentValue(config, one), becomes: textIn(one, typed) }))
    .filter(({ is, becomes }) => plainText(is) !== plainText(becomes))
    .map(({ one }) => ({ path: one.key.split('.'), value: valueIn(one, typed) }));
}

export function valueIn(one: SettingsField, { values, rows }: Typed): ConfigValue | undefined {
  return one.kind === 'mapping' ? rowsValue(rows) : typedValue(one, values[one.name] ?? '');
}

function textIn({ kind, name }: SettingsField, { values, rows }: Typed): string {
  return kind === 'mapping' ? JSON.stringify(rowsValue(rows)) : (values[name] ?? '');
}

/** @returns undefined where there is no such key */
export function valueAt(config: ApplianceConfig, key: string): unknown {
  return key.split('.').reduce<unknown>((tree, name) => childOf(tree, name), config);
}

function childOf(tree: unknown, name: string): unknown {
  return typeof tree === 'object' && tree !== null ? Object.getOwnPropertyDescriptor(tree, name)?.value : undefined;
}

function plainText(text: string): string {
  return text.replaceAll('\r', '').trim();
}

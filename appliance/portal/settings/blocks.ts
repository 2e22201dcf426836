// What can be switched off as a whole: null in the file then. Each has a page of its own, on which it can be tried before it is saved.
import type { ApplianceConfig, ConfigChange, ConfigValue } from '../../config.ts';
import {
  changesOf,
  field,
  optional,
  type SettingsField,
  type SettingsSection,
  type Typed,
  valueAt,
  valueIn,
} from './fields.ts';

export interface SettingsBlock {
  /** Of its page, and of the files with its passwords. */
  readonly page: 'mail' | 'syslog' | 'directory';
  readonly title: string;
  /** `alerts.mail`: key in the file. */
  readonly key: string;
  readonly switchLabel: string;
  readonly about: string;
  /** Of the page of help. */
  readonly help: string;
  /** What a test does, beside its button. */
  readonly testHint: string;
  readonly sections: readonly SettingsSection[];
}

export interface TypedBlock extends Typed {
  readonly isOn: boolean;
}

const authorities = 'PEM file on this machine, such as /etc/appliance/ca.pem; empty for public authorities.';
const kept = 'Kept in a file only the appliance reads, never shown again. Empty: the one that is kept.';
const port = { whenEmpty: 'absent' } as const;

const mail: SettingsBlock = {
  page: 'mail',
  title: 'Mail',
  key: 'alerts.mail',
  switchLabel: 'Send alerts by mail',
  about:
    'Who gets a mail when something needs a person, and through which server. Over TLS with AES-256, or not at all.',
  help: '/help/status',
  testHint: 'Tries what is typed here, step by step, and sends one mail. Nothing is saved.',
  sections: [
    {
      title: 'Server',
      fields: [
        field('text', 'alerts.mail.host', 'Mail server', 'A name or an address; its certificate has to be for it.'),
        field(
          'choice',
          'alerts.mail.security',
          'TLS',
          'starttls begins in the clear and goes on only with TLS; tls from the first byte.',
          { choices: ['starttls', 'tls'], initial: 'starttls' },
        ),
        field('number', 'alerts.mail.port', 'Port', 'Empty: 587 for starttls, 465 for tls.', port),
        field('text', 'alerts.mail.authorities', 'Who signs its certificate', authorities, optional),
      ],
    },
    {
      title: 'Account there',
      fields: [
        field(
          'text',
          'alerts.mail.user',
          'User',
          'Empty where the server takes mail from this machine without an account.',
          optional,
        ),
        field('secret', 'alerts.mail.passwordFile', 'Password', kept, {
          name: 'password',
        }),
        field(
          'text',
          'alerts.mail.passwordFile',
          'File with the password',
          'Instead of typing it: one line, in the folder secrets beside appliance.yaml, readable by the appliance’s user alone. Empty for none.',
          optional,
        ),
      ],
    },
    {
      title: 'Mails',
      fields: [
        field('text', 'alerts.mail.from', 'From', 'A mail address, such as appliance@example.com.'),
        field('lines', 'alerts.mail.to', 'To', 'Mail addresses, one to a line, 1 to 20.'),
      ],
    },
  ],
};

const syslog: SettingsBlock = {
  page: 'syslog',
  title: 'Syslog',
  key: 'alerts.syslog',
  switchLabel: 'Send alerts to a syslog server',
  about: 'Where a line goes when something needs a person: RFC 5424, over TLS (RFC 5425) or by UDP (RFC 5426).',
  help: '/help/status',
  testHint: 'Tries what is typed here, step by step, and sends one line. Nothing is saved.',
  sections: [
    {
      title: 'Server',
      fields: [
        field(
          'text',
          'alerts.syslog.host',
          'Syslog server',
          'A name or an address; over TLS its certificate has to be for it.',
        ),
        field(
          'choice',
          'alerts.syslog.protocol',
          'Protocol',
          'udp is in the clear and nobody says whether it arrives: inside a network of your own only.',
          { choices: ['tls', 'udp'], initial: 'tls' },
        ),
        field('number', 'alerts.syslog.port', 'Port', 'Empty: 6514 for tls, 514 for udp.', port),
        field('text', 'alerts.syslog.authorities', 'Who signs its certificate', authorities, optional),
      ],
    },
  ],
};

const directory: SettingsBlock = {
  page: 'directory',
  title: 'Directory',
  key: 'directory',
  switchLabel: 'Let people of a directory sign in',
  about:
    'An LDAP directory or Active Directory whose people sign in with the password they have there. Over LDAPS or StartTLS only.',
  help: '/help/directory',
  testHint: 'Tries what is typed here with each server, from its name to its groups. Nothing is saved, there or here.',
  sections: [
    {
      title: 'Servers',
      fields: [
        field(
          'lines',
          'directory.servers',
          'Servers',
          'One to a line, 1 to 8, asked in turn: ldaps://dc1.example.com is TLS from the start, ldap://dc1.example.com:389 is StartTLS.',
        ),
        field('text', 'directory.authorities', 'Who signs their certificates', authorities, optional),
        field('number', 'directory.timeoutSeconds', 'Seconds until the next is asked', '1 to 30.', { initial: '5' }),
        field(
          'choice',
          'directory.library',
          'Speaks by',
          'Both do the same; the other is worth a try where one can’t read an answer.',
          { choices: ['ldapjs', 'ldapts'], initial: 'ldapjs' },
        ),
      ],
    },
    {
      title: 'Account that looks people up',
      fields: [
        field(
          'text',
          'directory.bindDn',
          'Its distinguished name',
          'It only needs to read: cn=appliance,ou=services,dc=example,dc=com.',
        ),
        field('secret', 'directory.bindPasswordFile', 'Password', kept, { name: 'password' }),
        field(
          'text',
          'directory.bindPasswordFile',
          'File with the password',
          'Instead of typing it: one line, in the folder secrets beside appliance.yaml, readable by the appliance’s user alone.',
        ),
      ],
    },
    {
      title: 'People there',
      fields: [
        field('text', 'directory.users.base', 'Below', 'In whatever depth: ou=people,dc=example,dc=com.'),
        field('text', 'directory.users.objectClass', 'Class of a person', 'person; user in Active Directory.', {
          initial: 'person',
        }),
        field(
          'text',
          'directory.users.loginId',
          'Attribute with the login id',
          'What people type: mail or userPrincipalName.',
          { initial: 'mail' },
        ),
        field('text', 'directory.users.name', 'Attribute with the name', 'That is shown: cn or displayName.', {
          initial: 'cn',
        }),
        field(
          'text',
          'directory.users.id',
          'Attribute that stays',
          'When a person is renamed: entryUUID, or objectGUID in Active Directory.',
          { initial: 'entryUUID' },
        ),
      ],
    },
    {
      title: 'Groups there',
      fields: [
        field('text', 'directory.groups.base', 'Groups below', 'ou=groups,dc=example,dc=com.'),
        field('text', 'directory.groups.objectClass', 'Class of a group', 'groupOfNames; group in Active Directory.', {
          initial: 'groupOfNames',
        }),
        field(
          'text',
          'directory.groups.member',
          'Attribute with the members',
          'Their distinguished names; mostly member.',
          { initial: 'member' },
        ),
      ],
    },
    {
      title: 'Accounts here',
      fields: [
        field('tick', 'directory.createMembers', 'Make an account at the first login', 'Otherwise by a sync only.', {
          initial: 'on',
        }),
        field('number', 'directory.syncHours', 'Hours between syncs', '1 to 168; 0 for none by itself.', {
          initial: '0',
        }),
      ],
    },
    {
      title: 'Mapping',
      fields: [
        field('mapping', 'directory.mapping', 'Mapping', 'At least one row, with a group and a role; at most 200.'),
      ],
    },
  ],
};

export const blocks: readonly SettingsBlock[] = [mail, syslog, directory];

export function fieldsOf(block: SettingsBlock): readonly SettingsField[] {
  return block.sections.flatMap(({ fields }) => fields);
}

export function isOn(config: ApplianceConfig, { key }: SettingsBlock): boolean {
  return (valueAt(config, key) ?? null) !== null;
}

/** What was typed on a block's page, as changes in the file. */
export function blockChanges(config: ApplianceConfig, block: SettingsBlock, typed: TypedBlock): ConfigChange[] {
  const path = block.key.split('.');
  if (!typed.isOn) return isOn(config, block) ? [{ path, value: null }] : [];
  if (isOn(config, block)) return changesOf(config, fieldsOf(block), typed);
  return [{ path, value: wholeBlock(block, typed) }];
}

/** Whole, with what stands in its fields. */
function wholeBlock(block: SettingsBlock, typed: Typed): ConfigValue {
  const leaves: Record<string, ConfigValue> = {};
  const branches: Record<string, Record<string, ConfigValue>> = {};
  for (const one of fieldsOf(block).filter(({ kind }) => kind !== 'secret')) {
    const value = valueIn(one, typed);
    const [name = '', below] = one.key.slice(block.key.length + 1).split('.');
    if (value === undefined) continue;
    if (below === undefined) leaves[name] = value;
    else branches[name] = { ...branches[name], [below]: value };
  }
  return { ...leaves, ...branches };
}

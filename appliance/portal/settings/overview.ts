// Where what is: the pages of the settings and how they stand, and what IT looks for here and is in the admin centre.
import type { ApplianceConfig } from '../../config.ts';
import { type SettingsSection, sections } from './fields.ts';

interface Entry {
  readonly path: string;
  readonly label: string;
  readonly icon: string;
  readonly about: string;
  /** Of what is switched on and off. */
  readonly isOn: boolean | null;
}

export interface Overview {
  readonly here: readonly { readonly id: string; readonly title: string }[];
  readonly pages: readonly Entry[];
  readonly elsewhere: readonly Entry[];
}

/** @param config null where the file has a fault @param portal origin of the admin centre */
export function overviewOf(config: ApplianceConfig | null, portal: string): Overview {
  return {
    here: [...sections.map(({ title }) => title), 'This machine’s network', 'Earlier versions'].map(title => ({
      id: anchorOf(title),
      title,
    })),
    pages: [...blockEntries(config), ...others],
    elsewhere: ADMIN_CENTRE.map(([path, label, icon, about]) => ({
      ...{ path: `${portal}${path}`, label, icon, about, isOn: null },
    })),
  };
}

/** `names-and-network` */
export function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
}

export function withAnchors(all: readonly SettingsSection[]) {
  return all.map(section => ({ ...section, id: anchorOf(section.title) }));
}

function blockEntries(config: ApplianceConfig | null): Entry[] {
  const { mail = null, syslog = null } = config?.alerts ?? {};
  const directory = config?.directory ?? null;
  return [
    entry('/mail', 'Mail', 'mail', mail === null ? 'alerts by mail' : `alerts to ${mail.to.join(', ')}`, mail !== null),
    entry(
      '/syslog',
      'Syslog',
      'scroll-text',
      syslog === null ? 'alerts to a syslog server' : `alerts to ${syslog.host}`,
      syslog !== null,
    ),
    entry(
      '/directory',
      'Directory',
      'book-user',
      directory === null ? 'signing in by LDAP or Active Directory' : directory.servers.join(', '),
      directory !== null,
    ),
  ];
}

function entry(path: string, label: string, icon: string, about: string, isOn: boolean | null = null): Entry {
  return { path, label, icon, about, isOn };
}

const others: readonly Entry[] = [
  entry('/certificates', 'Certificates', 'badge-check', 'what browsers are shown, and whom programs trust'),
  entry('/backups', 'Backups', 'archive', 'made, checked, fetched, brought and restored'),
  entry('/updates', 'Updates', 'refresh-cw', 'of the system and the appliance: what waits, and how'),
  entry('/accounts', 'Accounts', 'users', 'who may open these pages'),
  entry('/about', 'About', 'info', 'versions, licences, bill of materials'),
];

const ADMIN_CENTRE = [
  ['/admin/single-sign-on', 'Single sign-on', 'log-in', 'identity providers (SAML)'],
  ['/admin/directory', 'Directory sync', 'book-user', 'what the directory would change here, and doing it'],
  ['/admin/password-policy', 'Password policy', 'key-round', 'what a password here has to be'],
  ['/admin/addresses', 'Allow lists', 'network', 'from where members may sign in'],
  ['/admin/retention', 'Retention', 'hourglass', 'how long recordings, log and history are kept'],
  ['/account/share', 'Recording share', 'folder', 'an auditor’s own account on the share (SMB)'],
  ['/admin/channels', 'Channels', 'signpost', 'how customers come by themselves'],
  ['/admin/posts', 'CRM post', 'send', 'where details of ended sessions are posted'],
  ['/admin/audit', 'Audit log', 'list-checks', 'who did what, also here'],
  ['/admin/status', 'Status', 'activity', 'how the appliance is, and its alerts'],
] as const;

// What stands around the portal's pages: who is signed in, where he may go, and what he is to be told.
import type { Role } from '../../identity/member.ts';
import type { Frame } from './pages.ts';
import { portalRealm, takeUnsaved } from './way-back.ts';

export interface Warnings {
  /** What needs a person. */
  readonly alerts: readonly { readonly text: string }[];
  /** Something waits to be deleted for the first time (G-05). */
  readonly isDeletionWaiting: boolean;
  /** Sessions with control that must be recorded and are not (H-03). */
  readonly unrecorded: number;
}

const noWarnings: Warnings = { alerts: [], isDeletionWaiting: false, unrecorded: 0 };

interface NavigationEntry {
  readonly path: string;
  readonly label: string;
  readonly icon: string;
  readonly roles: readonly Role[] | null;
}

const NAVIGATION: readonly NavigationEntry[] = [
  { path: '/technician', label: 'Console', icon: 'headset', roles: ['technician'] },
  { path: '/admin/members', label: 'Members', icon: 'users', roles: ['master-admin', 'admin'] },
  { path: '/admin/groups', label: 'Groups', icon: 'folder-tree', roles: ['master-admin', 'admin'] },
  { path: '/admin/channels', label: 'Channels', icon: 'signpost', roles: ['master-admin', 'admin'] },
  { path: '/admin/password-policy', label: 'Password policy', icon: 'key-round', roles: ['master-admin'] },
  { path: '/admin/directory', label: 'Directory', icon: 'book-user', roles: ['master-admin'] },
  { path: '/admin/single-sign-on', label: 'Single sign-on', icon: 'log-in', roles: ['master-admin'] },
  { path: '/admin/addresses', label: 'Allow lists', icon: 'network', roles: ['master-admin'] },
  { path: '/admin/retention', label: 'Retention', icon: 'hourglass', roles: ['master-admin', 'auditor'] },
  { path: '/admin/posts', label: 'CRM post', icon: 'send', roles: ['master-admin'] },
  { path: '/admin/audit', label: 'Audit log', icon: 'scroll-text', roles: ['master-admin', 'auditor'] },
  { path: '/admin/status', label: 'Status', icon: 'activity', roles: ['master-admin', 'admin'] },
  { path: '/admin/settings', label: 'Settings of the appliance', icon: 'settings', roles: ['master-admin'] },
  { path: '/account', label: 'My account', icon: 'circle-user-round', roles: null },
  { path: '/help', label: 'Help', icon: 'circle-help', roles: null },
];

/** @param warningsFor what these are to be told, whatever page they look at */
export function memberFrame(warningsFor: (roles: readonly Role[]) => Warnings = () => noWarnings): Frame {
  return {
    layout: 'layout',
    view: ctx => {
      const {
        path,
        state: { session },
      } = ctx;
      const isIn = session?.login.stage === 'full';
      const { alerts, isDeletionWaiting, unrecorded } = isIn ? warningsFor(session.member.roles) : noWarnings;
      return {
        member: isIn ? { name: session.member.name, roles: session.member.roles.join(', ') } : null,
        alerts: path.startsWith('/admin/status') ? [] : alerts,
        isWarned: isDeletionWaiting && path !== '/admin/retention',
        unrecorded,
        isUnsaved: isIn && takeUnsaved(ctx, portalRealm),
        navigation: isIn ? navigationOf(path, session.member.roles) : [],
      };
    },
  };
}

function navigationOf(path: string, roles: readonly Role[]) {
  const visible = NAVIGATION.filter(entry => entry.roles === null || entry.roles.some(role => roles.includes(role)));
  return visible.map(entry => ({ ...entry, here: path === entry.path || path.startsWith(`${entry.path}/`) }));
}

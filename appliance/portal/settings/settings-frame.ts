// What stands around the pages of the settings: another head and another colour than the admin centre's, so that nobody takes one
// for the other.
import type { Frame } from '../web/pages.ts';
import { settingsRealm, takeUnsaved } from '../web/way-back.ts';

const NAVIGATION = [
  { path: '/settings', label: 'Settings', icon: 'settings' },
  { path: '/mail', label: 'Mail', icon: 'mail' },
  { path: '/syslog', label: 'Syslog', icon: 'scroll-text' },
  { path: '/directory', label: 'Directory', icon: 'book-user' },
  { path: '/certificates', label: 'Certificates', icon: 'badge-check' },
  { path: '/backups', label: 'Backups', icon: 'archive' },
  { path: '/updates', label: 'Updates', icon: 'refresh-cw' },
  { path: '/accounts', label: 'Accounts', icon: 'users' },
  { path: '/about', label: 'About', icon: 'info' },
  { path: '/account', label: 'My account', icon: 'circle-user-round' },
  { path: '/help', label: 'Help', icon: 'circle-help' },
] as const;

export const settingsFrame: Frame = {
  layout: 'settings-layout',
  view: ctx => {
    const {
      path,
      state: { settings },
    } = ctx;
    const isIn = settings?.login.stage === 'full';
    const here = (one: string) => path === one || path.startsWith(`${one}/`);
    return {
      isUnsaved: isIn && takeUnsaved(ctx, settingsRealm),
      account: isIn ? { name: settings.account.name } : null,
      navigation: isIn ? NAVIGATION.map(entry => ({ ...entry, here: here(entry.path) })) : [],
    };
  },
};

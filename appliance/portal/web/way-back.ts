// Who has to sign in before a page he asked for, or for what he sent, comes back to it afterwards: its path waits in a cookie of this
// browser. Where his login had ended while he typed, he is told that nothing was saved.
import { toBase64Url } from '../../guid.ts';
import type { Role } from '../../identity/member.ts';
import type { PortalContext } from './context.ts';
import { clearCookie, findCookie, LOGIN_COOKIE, SETTINGS_COOKIE, setCookie } from './cookies.ts';
import type { DeclaredRoute } from './declared-routes.ts';

/** As base64url it fits into a cookie, with the mark. */
const MAX_PATH = 95;
const READERS: readonly Role[] = ['master-admin', 'admin', 'auditor'];
/** Before a path: what was sent from there was not saved. Alone: he is back, and not yet told. */
const UNSAVED = '!';
/** What an address says of the change before: none was made since. */
const TOLD: readonly string[] = ['saved', 'done', 'moved', 'changed', 'brought'];

/** Of the portal, or of the settings: their cookies know nothing of each other. */
export interface Realm {
  readonly cookie: `__Host-${string}`;
  readonly login: string;
  /** A path of ours and no address of elsewhere, such as //example.com; files are no pages. */
  readonly page: RegExp;
  readonly isFor: (path: string, roles: readonly Role[]) => boolean;
}

export const portalRealm: Realm = {
  cookie: '__Host-way-back',
  login: LOGIN_COOKIE,
  page: /^\/(?:admin|auditor|technician|account)(?:\/[\w-]+)*(?:\?[\w.~%&=+-]*)?$/,
  isFor: (path, roles) => {
    if (path.startsWith('/technician')) return roles.includes('technician');
    return path.startsWith('/account') || roles.some(role => READERS.includes(role));
  },
};
export const settingsRealm: Realm = {
  cookie: '__Host-settings-way-back',
  login: SETTINGS_COOKIE,
  page: /^\/(?:settings|mail|syslog|directory|certificates|backups|updates|accounts|about|account)(?:\/[\w-]+)*(?:\?[\w.~%&=+-]*)?$/,
  isFor: () => true,
};

/** Only of a page that somebody opens: what a page fetches by itself is no place to come back to. */
export function keepWayBack(ctx: PortalContext, realm: Realm): void {
  if (ctx.get('Sec-Fetch-Dest') !== 'document') return;
  keep(ctx, realm, shorten(ctx.path, ctx.search), '');
}

/**
 * Of what was sent from a page while the login had ended: the way leads to that page.
 * @returns whether he comes back; undefined where no login had ended
 */
export function keepUnsaved(ctx: PortalContext, realm: Realm, routes: readonly DeclaredRoute[]): boolean | undefined {
  const { referer, cookie, host } = ctx.headers;
  if (ctx.get('Sec-Fetch-Dest') !== 'document' || findCookie(cookie, realm.login) === undefined) return undefined;
  const from = URL.parse(referer ?? '');
  if (from === null || from.host !== host?.toLowerCase()) return false;
  for (const told of TOLD) from.searchParams.delete(told);
  const { pathname, search } = from;
  if (isPage(pathname, routes)) return keep(ctx, realm, shorten(pathname, search), UNSAVED);
  // A form that was wrong once stands at the address it was sent to; it belongs to the page above.
  const above = pathname.slice(0, pathname.lastIndexOf('/'));
  return isPage(above, routes) && keep(ctx, realm, above, UNSAVED);
}

/** @returns the page to come back to, where one is kept and somebody of these roles may open it; else `home` */
export function takeWayBack(ctx: PortalContext, realm: Realm, roles: readonly Role[], home: string): string {
  const kept = find(ctx, realm);
  if (kept === undefined) return home;
  const path = kept.replace(UNSAVED, '');
  const isBack = realm.page.test(path) && realm.isFor(path, roles);
  if (isBack && kept.startsWith(UNSAVED)) set(ctx, realm, UNSAVED);
  else clearCookie(ctx, realm.cookie);
  return isBack ? path : home;
}

/** Whether he is back, and to be told that nothing was saved; once. */
export function takeUnsaved(ctx: PortalContext, realm: Realm): boolean {
  if (find(ctx, realm) !== UNSAVED) return false;
  clearCookie(ctx, realm.cookie);
  return true;
}

/** Whoever signs out leaves no way behind for the next. */
export function forgetWayBack(ctx: PortalContext, realm: Realm): void {
  if (find(ctx, realm) !== undefined) clearCookie(ctx, realm.cookie);
}

function keep(ctx: PortalContext, realm: Realm, path: string, mark: string): boolean {
  const isKept = path.length <= MAX_PATH && realm.page.test(path);
  if (isKept) set(ctx, realm, mark + path);
  return isKept;
}

function shorten(path: string, search: string): string {
  return path.length + search.length <= MAX_PATH ? path + search : path;
}

function find(ctx: PortalContext, { cookie }: Realm): string | undefined {
  const kept = findCookie(ctx.headers.cookie, cookie);
  return kept === undefined ? undefined : Buffer.from(kept, 'base64url').toString();
}

function set(ctx: PortalContext, { cookie }: Realm, value: string): void {
  setCookie(ctx, cookie, toBase64Url(Buffer.from(value)), { sameSite: 'Lax' });
}

/** Whether it can be opened: what is only sent to may look like the page of a thing of that name. */
function isPage(path: string, routes: readonly DeclaredRoute[]): boolean {
  const own = routes.filter(route => route.path === path);
  const opened = ({ method, path: pattern }: DeclaredRoute) =>
    method === 'GET' && new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/]+')}$`).test(path);
  return own.length > 0 ? own.some(({ method }) => method === 'GET') : routes.some(opened);
}

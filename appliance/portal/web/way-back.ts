// Who is sent to the sign-in page from a page he asked for comes back to it afterwards: its path waits in a cookie of this browser.
import { toBase64Url } from '../../guid.ts';
import type { Role } from '../../identity/member.ts';
import type { PortalContext } from './context.ts';
import { clearCookie, findCookie, setCookie } from './cookies.ts';

const COOKIE = '__Host-way-back';
/** As base64url it fits into a cookie. */
const MAX_PATH = 96;
/** A path of ours and no address of elsewhere, such as //example.com; files are no pages. */
const PAGE = /^\/(?:admin|auditor|technician|account)(?:\/[\w-]+)*(?:\?[\w.~%&=+-]*)?$/;
const READERS: readonly Role[] = ['master-admin', 'admin', 'auditor'];

/** Only of a page that somebody opens: what a page fetches by itself is no place to come back to. */
export function keepWayBack(ctx: PortalContext): void {
  if (ctx.get('Sec-Fetch-Dest') !== 'document') return;
  const path = ctx.url.length <= MAX_PATH ? ctx.url : ctx.path;
  if (path.length <= MAX_PATH && PAGE.test(path))
    setCookie(ctx, COOKIE, toBase64Url(Buffer.from(path)), { sameSite: 'Lax' });
}

/** @returns the page to come back to, where one is kept and somebody of these roles may open it; else `home` */
export function takeWayBack(ctx: PortalContext, roles: readonly Role[], home: string): string {
  const kept = findCookie(ctx.headers.cookie, COOKIE);
  if (kept === undefined) return home;
  clearCookie(ctx, COOKIE);
  const path = Buffer.from(kept, 'base64url').toString();
  return PAGE.test(path) && isFor(path, roles) ? path : home;
}

/** Whoever signs out leaves no way behind for the next. */
export function forgetWayBack(ctx: PortalContext): void {
  if (findCookie(ctx.headers.cookie, COOKIE) !== undefined) clearCookie(ctx, COOKIE);
}

function isFor(path: string, roles: readonly Role[]): boolean {
  if (path.startsWith('/technician')) return roles.includes('technician');
  return path.startsWith('/account') || roles.some(role => READERS.includes(role));
}

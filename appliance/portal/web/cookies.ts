// Cookies, written by hand: TLS ends in the gateway, so to Koa the connection looks plain and it refuses `Secure`.
import type { PortalContext } from './context.ts';

export const LOGIN_COOKIE = '__Host-login';
/** Of another name: a cookie is for a host, whatever the port. */
export const SETTINGS_COOKIE = '__Host-settings';
const MAX_COOKIE_CHARACTERS = 128;

export interface CookieRules {
  /** `Lax` lets a link in an e-mail open a page of whoever is signed in; writes are guarded by their origin. `None` is for what signs nobody in. */
  readonly sameSite: 'Lax' | 'Strict' | 'None';
}

/** A cookie of this browser session; the server ends what it stands for. @param value of base64url */
export function setCookie(
  ctx: PortalContext,
  name: `__Host-${string}`,
  value: string,
  { sameSite }: CookieRules,
): void {
  ctx.append('Set-Cookie', `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=${sameSite}`);
}

export function clearCookie(ctx: PortalContext, name: `__Host-${string}`): void {
  ctx.append('Set-Cookie', `${name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`);
}

/** @returns undefined when it is not there, there twice, or not base64url */
export function findCookie(header: string | undefined, name: string): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map(pair => pair.trim())
    .filter(pair => pair.startsWith(`${name}=`))
    .map(pair => pair.slice(name.length + 1));
  const [value] = values;
  if (values.length !== 1 || value === undefined) return undefined;
  return value.length <= MAX_COOKIE_CHARACTERS && /^[A-Za-z0-9_-]+$/.test(value) ? value : undefined;
}

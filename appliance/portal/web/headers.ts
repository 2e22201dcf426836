// Headers of every answer. Pages hold no inline script or style, so the policy needs neither nonce nor hash.
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { ApplianceError } from '../../errors.ts';
import type { PortalMiddleware } from './context.ts';

/** What a page may do beyond the others. */
export interface PagePolicy {
  /** Addresses of WebSockets: `wss://host:port`. */
  readonly connect?: readonly string[];
  /** Names of Trusted Types policies; without one no script makes markup or a script's address from text. */
  readonly policies?: readonly string[];
  /** Origins forms are sent to, beside ours. */
  readonly forms?: readonly string[];
  /** It can be installed as an app. */
  readonly app?: boolean;
}

export function contentSecurityPolicy({
  connect = [],
  policies = [],
  forms = [],
  app = false,
}: PagePolicy = {}): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    ["connect-src 'self'", ...connect].join(' '),
    ...(app ? ["manifest-src 'self'"] : []),
    ["form-action 'self'", ...forms].join(' '),
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types ${policies.length === 0 ? "'none'" : policies.join(' ')}`,
  ].join('; ');
}

/** A Worker that takes foreign bytes apart: it runs WebAssembly out of its own script, and reaches nothing and nobody. */
export const DECODER_POLICY = [
  ...["default-src 'none'", "script-src 'wasm-unsafe-eval'", 'connect-src data:'],
  ...["require-trusted-types-for 'script'", "trusted-types 'none'"],
].join('; ');

const SECURITY_HEADERS = {
  'Content-Security-Policy': contentSecurityPolicy(),
  'Strict-Transport-Security': 'max-age=63072000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  // Not `no-referrer`: with that a browser sends `Origin: null` with our own forms (Fetch §3.2), which is refused.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store', // a route that may be kept says so itself
} as const;

export const securityHeaders: PortalMiddleware = (ctx, next) => {
  ctx.state.requestId = randomBytes(9).toString('base64url');
  ctx.set(SECURITY_HEADERS);
  ctx.set('X-Request-Id', ctx.state.requestId);
  return next();
};

/** The gateway alone reaches the socket this stands on, and strips what a client says of itself. */
export const peerAddress: PortalMiddleware = (ctx, next) => {
  ctx.state.address = peerOf(ctx.headers);
  return next();
};

/** @throws ApplianceError `portal.no-peer` */
export function peerOf(headers: IncomingHttpHeaders): string {
  const peer = headers['x-appliance-peer'];
  if (typeof peer === 'string' && isIP(peer) !== 0) return peer;
  throw new ApplianceError('malformed', 'portal.no-peer', 'the request did not come through the gateway');
}

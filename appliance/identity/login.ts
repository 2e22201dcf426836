// A login: a person signed in, in one browser or console. It begins with a password and steps up to `full`; each step
// gets a new token (OWASP: renew the id on privilege change), so that a token seen before the step is worth nothing after.
import { createHash, randomBytes } from 'node:crypto';

/** In the order a person meets them; only `full` opens any page but its own. */
export type LoginStage = 'two-step' | 'enrol-two-step' | 'change-password' | 'full';

export interface Login {
  /** 22 characters of base64url; public to its member and to admins. The token is the secret. */
  readonly id: string;
  readonly memberId: string;
  readonly stage: LoginStage;
  /** ms UTC */
  readonly createdAt: number;
  /** ms UTC; heartbeats don't move it. */
  readonly lastSeenAt: number;
  readonly address: string;
  /** As the browser told, at most 200 characters; shown, never trusted. */
  readonly userAgent: string;
}

/** What a sign-in or a step up gives: the token goes into the cookie and is kept nowhere else. */
export interface IssuedLogin {
  /** 43 characters of base64url: 32 random bytes */
  readonly token: string;
  readonly login: Login;
}

/** Why a login ended; in the audit log as the detail of `login.ended`. */
export type EndReason =
  | 'signed-out'
  | 'idle'
  | 'too-old'
  | 'unfinished'
  | 'ended-by-member'
  | 'ended-by-admin'
  | 'password-changed'
  | 'password-reset'
  | 'roles-changed'
  | 'disabled'
  | 'address-refused'
  | 'single-sign-on-off'
  | 'single-sign-on-only'
  | 'signed-out-there'
  | 'two-step-changed'
  | 'too-many-failures';

const TOKEN_BYTES = 32;
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/;

export function newToken(): { token: string; digest: Uint8Array } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, digest: tokenDigest(token) };
}

/** Only SHA-256 of a token is stored: whoever reads the store can't sign in with what is there. */
export function tokenDigest(token: string): Uint8Array {
  return createHash('sha256').update('appliance/login-token/v1\0').update(token).digest();
}

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && TOKEN_PATTERN.test(text);
}

export interface Needs {
  readonly twoStepEnrolled: boolean;
  readonly twoStepRequired: boolean;
  readonly passwordDue: boolean;
}

/** Where a login stands once the password was right. */
export function stageAfterPassword(needs: Needs): LoginStage {
  return needs.twoStepEnrolled ? 'two-step' : stageAfterTwoStep(needs);
}

/** Where a login stands once the second step was taken, if there is one. */
export function stageAfterTwoStep(needs: Needs): LoginStage {
  if (needs.twoStepRequired && !needs.twoStepEnrolled) return 'enrol-two-step';
  return needs.passwordDue ? 'change-password' : 'full';
}

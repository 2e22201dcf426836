// Who has an account: technicians, admins, auditors (C-01, D-08). Login ids are given by admins, usually e-mail addresses;
// two that differ only in case or in Unicode form are one.
import { ApplianceError } from '../errors.ts';

export const ROLES = ['master-admin', 'admin', 'technician', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export interface Member {
  /** 22 characters of base64url */
  readonly id: string;
  /** As `parseLoginId` returns it. */
  readonly loginId: string;
  readonly name: string;
  /** At least one, in the order of ROLES. */
  readonly roles: readonly Role[];
  readonly state: 'enabled' | 'disabled';
  /** ms UTC; null when not locked. In the past: the lock has run out. */
  readonly lockedUntil: number | null;
  readonly mustChangePassword: boolean;
  /** ms UTC; null before the member chose a password himself. */
  readonly passwordChangedAt: number | null;
  /** ms UTC; when somebody else gave the password; null when the member chose it. */
  readonly passwordGivenAt: number | null;
  /** Whether the account came from the directory: password and roles are kept there (C-05). */
  readonly inDirectory: boolean;
  /** Whether the member signs in at an identity provider, beside his password or without one (C-04). */
  readonly singleSignOn: 'none' | 'also' | 'only';
  readonly twoStepRequired: boolean;
  /** By an authenticator app, a passkey, or both. */
  readonly twoStepEnrolled: boolean;
  readonly hasAuthenticatorApp: boolean;
  /** How many. */
  readonly passkeys: number;
  /** ms UTC */
  readonly lastLoginAt: number | null;
  /** ms UTC */
  readonly createdAt: number;
}

export const MAX_LOGIN_ID_CHARACTERS = 128;
export const MAX_NAME_CHARACTERS = 120;

const LOGIN_ID = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._+@'-]*$/u;
const CONTROL = /\p{C}/u;

/**
 * Reads a login id as typed: surrounding space goes, compatibility forms and case are folded.
 * @throws ApplianceError `member.login-id-malformed`
 */
export function parseLoginId(text: unknown): string {
  const folded = typeof text === 'string' && text.length <= MAX_LOGIN_ID_CHARACTERS * 2 ? foldLoginId(text) : '';
  // Folding must be stable, or one id could be stored in two forms.
  if (LOGIN_ID.test(folded) && folded.length <= MAX_LOGIN_ID_CHARACTERS && foldLoginId(folded) === folded)
    return folded;
  throw new ApplianceError('malformed', 'member.login-id-malformed', 'that is not a login id', {
    hint: `An e-mail address or a plain name: letters, digits and . _ + @ ' -, at most ${MAX_LOGIN_ID_CHARACTERS}.`,
  });
}

/** One form for all spellings of a login id; says nothing about whether it is one. */
export function foldLoginId(text: string): string {
  return text.trim().normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}

/** @throws ApplianceError `member.name-malformed` */
export function parseName(text: unknown): string {
  const name = typeof text === 'string' ? text.trim().normalize('NFC') : '';
  if (name.length > 0 && name.length <= MAX_NAME_CHARACTERS && !CONTROL.test(name)) return name;
  throw new ApplianceError('malformed', 'member.name-malformed', `a name has 1 to ${MAX_NAME_CHARACTERS} characters`);
}

/** @returns without repetition, in the order of ROLES; throws ApplianceError `member.roles-malformed` */
export function parseRoles(roles: unknown): readonly Role[] {
  const given: readonly unknown[] = Array.isArray(roles) ? roles : [];
  const known = ROLES.filter(role => given.includes(role));
  if (known.length > 0 && given.every(role => ROLES.some(one => one === role))) return known;
  throw new ApplianceError('malformed', 'member.roles-malformed', `roles are one or more of ${ROLES.join(', ')}`);
}

/**
 * Whether someone with these roles may create, change or unlock someone with those (before or after the change).
 * A master admin may do so with anyone; an admin with technicians alone, and only in his parts of the tree, which
 * `authority.ts` looks at: nobody raises himself, nor comes by way of another to what he was not given.
 */
export function mayManage(actor: readonly Role[], target: readonly Role[]): boolean {
  if (actor.includes('master-admin')) return true;
  return actor.includes('admin') && target.every(role => role === 'technician');
}

/** @throws ApplianceError `password.in-directory`, `password.at-provider` */
export function requireOwnPassword({ inDirectory, singleSignOn }: Pick<Member, 'inDirectory' | 'singleSignOn'>): void {
  if (singleSignOn === 'only') {
    throw new ApplianceError('conflict', 'password.at-provider', 'this member signs in by single sign-on alone', {
      hint: 'There is no password here; it is changed where the member signs in.',
    });
  }
  if (!inDirectory) return;
  throw new ApplianceError(
    'conflict',
    'password.in-directory',
    'this password is kept in the organisation’s directory',
    {
      hint: 'Change it there, as for your other programs; it holds here at once.',
    },
  );
}

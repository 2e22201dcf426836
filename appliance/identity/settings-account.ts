// An account of the settings: who sets this appliance up. It is no member: no role of the portal, no directory, no single
// sign-on; and it opens none of the portal's pages.
import type { Actor } from '../audit/entry.ts';
import type { LoginStage } from './login.ts';

export interface SettingsAccount {
  /** 22 characters of base64url */
  readonly id: string;
  /** As `parseLoginId` returns it; what one types to sign in. */
  readonly name: string;
  readonly isDisabled: boolean;
  readonly mustChangePassword: boolean;
  readonly twoStepRequired: boolean;
  readonly twoStepEnrolled: boolean;
  /** ms UTC; null when not locked */
  readonly lockedUntil: number | null;
  readonly createdAt: number;
  readonly lastLoginAt: number | null;
}

export interface SettingsLogin {
  readonly id: string;
  readonly accountId: string;
  readonly stage: LoginStage;
  /** ms UTC */
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly address: string;
}

export interface IssuedSettingsLogin {
  /** As `IssuedLogin`'s: in the cookie, and nowhere else. */
  readonly token: string;
  readonly login: SettingsLogin;
}

export function settingsActor({ id, name }: Pick<SettingsAccount, 'id' | 'name'>, address: string): Actor {
  return { kind: 'settings-account', id, name, address };
}

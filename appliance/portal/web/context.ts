// What a request carries through the portal.
import type { IncomingMessage } from 'node:http';
import type Router from '@koa/router';
import type { Middleware, ParameterizedContext } from 'koa';
import type { Actor } from '../../audit/entry.ts';
import type { Login } from '../../identity/login.ts';
import type { Member } from '../../identity/member.ts';
import type { SettingsAccount, SettingsLogin } from '../../identity/settings-account.ts';

export interface PortalState {
  /** In the answer's header and in log lines, so that a person can name the request that failed. */
  requestId: string;
  /** Where the request comes from, as the gateway saw it. */
  address: string;
  /** Set by a guard that asks for a login. */
  session?: SignedIn;
  /** The same in the settings' realm, where `session` never is. */
  settings?: SignedInToSettings;
}

export interface SignedIn {
  readonly token: string;
  readonly login: Login;
  readonly member: Member;
  readonly actor: Actor;
}

export interface SignedInToSettings {
  readonly token: string;
  readonly login: SettingsLogin;
  readonly account: SettingsAccount;
  readonly actor: Actor;
}

export type PortalContext = ParameterizedContext<PortalState>;
export type PortalRouter = Router<PortalState>;
export type PortalMiddleware = Middleware<PortalState>;
export type UpgradeRequest = IncomingMessage;

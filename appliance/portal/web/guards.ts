// Who may use a route. Every route names its guard first; nothing starts with one that doesn't (declared-routes.ts).
import type { IncomingHttpHeaders } from 'node:http';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import type { LoginStage } from '../../identity/login.ts';
import { actorOf } from '../../identity/login-book.ts';
import type { Role } from '../../identity/member.ts';
import type { PortalContext, PortalMiddleware, SignedIn } from './context.ts';
import { findCookie, LOGIN_COOKIE } from './cookies.ts';

/** `anyone` needs no login; `member` a whole one in any role; a stage only the login that stands at it; `settings-account` is of another realm. */
export type Guard = 'anyone' | 'member' | 'setup' | 'settings-account' | Role | Exclude<LoginStage, 'full'>;

const guards = new WeakMap<object, readonly Guard[]>();
const STAGES: readonly Guard[] = ['two-step', 'enrol-two-step', 'change-password'];

/** What guards a route, or undefined when its first middleware is no guard. */
export function guardsOf(middleware: object): readonly Guard[] | undefined {
  return guards.get(middleware);
}

export function markGuard<T extends PortalMiddleware>(middleware: T, names: readonly Guard[]): T {
  guards.set(middleware, names);
  return middleware;
}

export const stagePages: Record<LoginStage, string> = {
  'two-step': '/sign-in/two-step',
  'enrol-two-step': '/sign-in/enrol',
  'change-password': '/sign-in/password',
  full: '/account',
};

export class Guards {
  readonly #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** One of these is enough. */
  requireRole(...names: readonly [Guard, ...Guard[]]): PortalMiddleware {
    if (names.includes('anyone')) return markGuard((_ctx, next) => next(), names);
    return this.#require(names, true);
  }

  /** For what a page asks by itself: it does not keep an idle login alive. */
  requireRoleQuietly(...names: readonly [Guard, ...Guard[]]): PortalMiddleware {
    return this.#require(names, false);
  }

  #require(names: readonly Guard[], touch: boolean): PortalMiddleware {
    return markGuard(async (ctx, next) => {
      const session = await this.find(ctx, touch);
      if (session === undefined) throw notSignedIn();
      ctx.state.session = session;
      const { stage } = session.login;
      const isAtStage = stage !== 'full' && names.includes(stage);
      if (!isAtStage && stage !== 'full') throw notSignedIn();
      if (stage === 'full' && !names.some(name => fits(name, session))) throw notAllowed();
      await next();
    }, names);
  }

  /** For pages of anyone: who is signed in keeps the navigation. */
  async recognise(ctx: PortalContext): Promise<void> {
    const session = await this.find(ctx, true);
    if (session !== undefined) ctx.state.session = session;
  }

  /** Whoever is signed in, at whatever stage. @param touch false for what the page asks for by itself */
  find(ctx: PortalContext, touch: boolean): Promise<SignedIn | undefined> {
    return this.#find(ctx.headers.cookie, ctx.state.address, touch);
  }

  /**
   * Who asks for an upgrade, at a whole login; it is no activity.
   * @throws ApplianceError `portal.sign-in`, `portal.not-allowed`
   */
  async admitUpgrade(names: readonly Guard[], headers: IncomingHttpHeaders, address: string): Promise<SignedIn> {
    const session = await this.#find(headers.cookie, address, false);
    if (session?.login.stage !== 'full') throw notSignedIn();
    if (!names.some(name => fits(name, session))) throw notAllowed();
    return session;
  }

  async #find(cookies: string | undefined, address: string, touch: boolean): Promise<SignedIn | undefined> {
    const token = findCookie(cookies, LOGIN_COOKIE);
    const found = token === undefined ? undefined : await this.#identity.logins.find(token, { touch });
    if (token === undefined || found === undefined) return undefined;
    if (!(await this.#identity.allowLists.admit(found.login, found.member, address))) return undefined;
    return { token, ...found, actor: actorOf(found.member, address) };
  }
}

/** The login a guard has let through. */
export function sessionOf(ctx: PortalContext): SignedIn {
  const { session } = ctx.state;
  if (session === undefined) throw notSignedIn();
  return session;
}

function fits(name: Guard, { member }: SignedIn): boolean {
  if (name === 'member') return true;
  return !STAGES.includes(name) && member.roles.some(role => role === name);
}

export function notSignedIn(): ApplianceError {
  return new ApplianceError('unauthenticated', 'portal.sign-in', 'sign in first');
}

function notAllowed(): ApplianceError {
  return new ApplianceError('refused', 'portal.not-allowed', 'that takes a role you do not have', {
    hint: 'A master admin gives roles, on the page of the member.',
  });
}

// Who may use a route of the settings' realm: its own accounts, from the addresses on its list, and nobody of the portal's.
import { ApplianceError } from '../../errors.ts';
import type { LoginStage } from '../../identity/login.ts';
import { settingsActor } from '../../identity/settings-account.ts';
import type { SettingsAccounts } from '../../identity/settings-accounts.ts';
import type { SettingsDesk } from '../settings-desk.ts';
import type { PortalContext, PortalMiddleware, SignedInToSettings } from '../web/context.ts';
import { findCookie, SETTINGS_COOKIE } from '../web/cookies.ts';
import { markGuard, notSignedIn } from '../web/guards.ts';

type Stage = Exclude<LoginStage, 'full'>;

export class SettingsGuards {
  readonly #accounts: SettingsAccounts;
  readonly #settings: Pick<SettingsDesk, 'admit'>;

  constructor(accounts: SettingsAccounts, settings: Pick<SettingsDesk, 'admit'>) {
    this.#accounts = accounts;
    this.#settings = settings;
  }

  /** For what is shown before signing in; the list of addresses holds there, too. */
  requireRole(_name: 'anyone'): PortalMiddleware {
    return markGuard(
      (ctx, next) => {
        this.#settings.admit(ctx.state.address);
        return next();
      },
      ['anyone'],
    );
  }

  /** A whole login. */
  requireAccount(): PortalMiddleware {
    return markGuard(
      async (ctx, next) => {
        await this.#enter(ctx, 'full');
        await next();
      },
      ['settings-account'],
    );
  }

  /** A login that stands there. */
  requireStage(stage: Stage): PortalMiddleware {
    return markGuard(
      async (ctx, next) => {
        await this.#enter(ctx, stage);
        await next();
      },
      [stage],
    );
  }

  /** For pages of anyone: who is signed in keeps the navigation. */
  async recognise(ctx: PortalContext): Promise<void> {
    const session = await this.find(ctx, true);
    if (session !== undefined) ctx.state.settings = session;
  }

  async find(ctx: PortalContext, touch: boolean): Promise<SignedInToSettings | undefined> {
    const token = findCookie(ctx.headers.cookie, SETTINGS_COOKIE);
    const found = token === undefined ? undefined : await this.#accounts.logins.find(token, { touch });
    if (token === undefined || found === undefined) return undefined;
    return { token, ...found, actor: settingsActor(found.account, ctx.state.address) };
  }

  async #enter(ctx: PortalContext, stage: LoginStage): Promise<void> {
    this.#settings.admit(ctx.state.address);
    const session = await this.find(ctx, true);
    if (session === undefined) throw notSignedIn();
    ctx.state.settings = session;
    if (session.login.stage !== stage) throw stage === 'full' ? notSignedIn() : notThere();
  }
}

/** The login a guard has let through. */
export function settingsSessionOf(ctx: PortalContext): SignedInToSettings {
  const { settings } = ctx.state;
  if (settings === undefined) throw notSignedIn();
  return settings;
}

function notThere(): ApplianceError {
  return new ApplianceError('refused', 'portal.not-allowed', 'your login does not stand at this step');
}

// What IT's pages have in common beside the role: they open from the addresses of the settings only.
import type { SettingsDesk } from '../settings-desk.ts';
import type { PortalMiddleware } from '../web/context.ts';

export function admittedTo(settings: Pick<SettingsDesk, 'admit'>): PortalMiddleware {
  return (ctx, next) => {
    settings.admit(ctx.state.address);
    return next();
  };
}

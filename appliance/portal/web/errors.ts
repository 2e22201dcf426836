// The one place where errors become answers: JSON for who asks for it, a page with code and hint for everybody else.
import { ApplianceError, describeError, type ErrorKind } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Counter } from '../../metrics.ts';
import type { PortalContext, PortalMiddleware } from './context.ts';
import type { DeclaredRoute } from './declared-routes.ts';
import { sentence } from './forms.ts';
import { stagePages } from './guards.ts';
import type { Pages } from './pages.ts';
import { keepUnsaved, keepWayBack, type Realm } from './way-back.ts';

const kindOf: Record<number, ErrorKind> = { 400: 'malformed', 413: 'malformed', 415: 'malformed', 404: 'missing' };
/** Where protocol/console-api.ts says what an answer looks like. */
const CONSOLE_API = '/technician/api/';
const SIGN_IN_CODES = new Set(['portal.sign-in']);
const titles: Readonly<Record<ErrorKind, string>> = {
  malformed: 'That did not work',
  unauthenticated: 'You are signed out',
  refused: 'Not allowed',
  missing: 'Not found',
  conflict: 'That has changed',
  limited: 'Too many at once',
  unavailable: 'Not possible now',
  defect: 'Something went wrong',
};

export interface ErrorParts {
  readonly log: Log;
  readonly refusals: Counter;
  readonly pages: Pages;
  readonly realm: Realm;
  readonly routes: readonly DeclaredRoute[];
}

export function answerErrors(parts: ErrorParts): PortalMiddleware {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body == null) {
        throw new ApplianceError('missing', 'portal.not-found', 'there is no such page');
      }
    } catch (thrown) {
      const { error, status } = asApplianceError(thrown);
      parts.refusals.add({ code: error.code });
      if (status >= 500) {
        const why = describeError(thrown instanceof ApplianceError ? (thrown.cause ?? thrown) : thrown);
        parts.log.error('portal.failed', { request: ctx.state.requestId, code: error.code, why });
      }
      ctx.status = status;
      ctx.set('Cache-Control', 'no-store');
      if (ctx.path.startsWith(CONSOLE_API)) ctx.body = { error: presentError(ctx, error) };
      else if (wantsJson(ctx)) ctx.body = presentError(ctx, error);
      else if (SIGN_IN_CODES.has(error.code) && ctx.method === 'GET') sendToSignIn(ctx, parts.realm);
      else showError(ctx, parts, error);
    }
  };
}

/** Asked for by a script of ours, or by an address below `/api/`. */
export function wantsJson(ctx: PortalContext): boolean {
  return ctx.path.startsWith('/api/') || ctx.request.accepts('html', 'json') === 'json';
}

function presentError(ctx: PortalContext, error: ApplianceError) {
  // Of our own mistakes nothing is told but where to find them in the log.
  const isOurs = error.kind === 'defect';
  const message = isOurs ? 'something went wrong in the appliance' : error.message;
  const hint = isOurs ? 'The log of the process portal tells more, under this request id.' : error.hint;
  return { code: error.code, message, hint, requestId: ctx.state.requestId };
}

function showError(ctx: PortalContext, { pages, realm, routes }: ErrorParts, thrown: ApplianceError): void {
  const isEnded = SIGN_IN_CODES.has(thrown.code) && (ctx.state.session ?? ctx.state.settings) === undefined;
  const error = isEnded ? ended(thrown, keepUnsaved(ctx, realm, routes)) : thrown;
  const { message, ...told } = presentError(ctx, error);
  const back =
    error.kind === 'unauthenticated'
      ? { path: '/sign-in', label: 'Sign in' }
      : { path: '/', label: 'To the first page' };
  pages.show(ctx, 'error', { title: titles[error.kind], message: sentence(message), back, ...told });
}

/** @param isBack whether he comes back to where he typed; undefined where no login had ended */
function ended(error: ApplianceError, isBack: boolean | undefined): ApplianceError {
  if (isBack === undefined) return error;
  return new ApplianceError(error.kind, error.code, 'your login had ended, so what you sent was not saved', {
    hint: isBack ? 'Sign in again, and you come back to the page you sent it from.' : '',
  });
}

function sendToSignIn(ctx: PortalContext, realm: Realm): void {
  const { login } = ctx.state.session ?? ctx.state.settings ?? {};
  const stage = login?.stage;
  if (stage === undefined) keepWayBack(ctx, realm);
  ctx.redirect(stage === undefined ? '/sign-in' : stagePages[stage]);
}

function asApplianceError(thrown: unknown): { error: ApplianceError; status: number } {
  if (thrown instanceof ApplianceError) return { error: thrown, status: thrown.status };
  const status = thrown instanceof Error && 'status' in thrown ? Number(thrown.status) : 500;
  const kind = kindOf[status];
  if (kind === undefined) {
    const error = new ApplianceError('defect', 'appliance.defect', 'something went wrong', { cause: thrown });
    return { error, status: 500 };
  }
  return {
    error: new ApplianceError(kind, 'request.malformed', 'the request can not be read', { cause: thrown }),
    status,
  };
}

// The page of one session for whoever audits (H-04 D-08), and its films: whole, or in parts as a player asks for them.
import { join } from 'node:path';
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import { parseSessionId, type SessionId } from '../../guid.ts';
import { FILM_FORMS, type FilmForm, type SessionDesk } from '../session-desk.ts';
import type { Assets } from '../web/assets.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { answerFile, asksForAll } from '../web/file-answer.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import { contentSecurityPolicy, DECODER_POLICY } from '../web/headers.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text } from '../web/parse.ts';
import { presentErasure, TYPED_CHARACTERS } from './present-erasure.ts';
import { presentAvi, presentSession } from './present-session.ts';

const PLAYER_FOLDER = join(import.meta.dirname, '../player');
const WORKER = 'player-worker.js';
/** The player's script, style and Worker, to be bundled. */
export const playerSources = {
  'player.js': join(PLAYER_FOLDER, 'player.client.ts'),
  'player.css': join(PLAYER_FOLDER, 'player.css'),
  [WORKER]: join(PLAYER_FOLDER, 'player-worker.client.ts'),
} as const;

const EraseForm = z.strictObject({ number: text, reason: text });
const ERASE_FIELDS = { 'erasure.number': 'number', 'erasure.reason': 'reason' };
const OnPage = z.object({ number: z.coerce.number().int().min(1).max(9999) });
const OfSession = z.object({ id: z.string().transform(parseSessionId) });

export interface SessionPageParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly assets: Assets;
  readonly sessionDesk: Pick<SessionDesk, 'view' | 'film' | 'viewed' | 'downloaded' | 'erase' | 'avi' | 'wantAvi'>;
}

export function sessionPageRoutes({ guards, pages, assets, sessionDesk }: SessionPageParts): PortalRouter {
  const worker = assets.path(WORKER).replace('/assets/', '/auditor/');
  const scripts = { style: assets.path('player.css'), script: assets.path('player.js'), worker };
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, id: SessionId, form: Form) => {
    const { actor, member } = sessionOf(ctx);
    const seen = await sessionDesk.view(id, actor);
    const erasure = presentErasure(seen, member.roles.includes('master-admin'), form);
    ctx.set('Content-Security-Policy', contentSecurityPolicy({ policies: ['workers'] }));
    pages.show(ctx, 'auditor-session', { title: 'Session', ...scripts, ...presentSession(seen), ...erasure });
  };
  // As `decide` has it for 'read-log', and as the evidence bundle, which holds the same films.
  router.get('/auditor/sessions/:id', guards.requireRole('auditor', 'master-admin'), async ctx => {
    await show(ctx, parse(OfSession, ctx.params).id, emptyForm);
  });
  // Auditors change nothing (D-08).
  router.post('/auditor/sessions/:id/erase', guards.requireRole('master-admin'), async ctx => {
    const { id } = parse(OfSession, ctx.params);
    const typed = parse(EraseForm, ctx.request.body);
    const fault = await tryForm(typed, ERASE_FIELDS, async () => {
      checkTyped(id, typed.number);
      await sessionDesk.erase(sessionOf(ctx).actor, id, typed.reason);
      ctx.status = 303;
      ctx.redirect(`/auditor/sessions/${id}`);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, id, fault.form);
  });
  router.get(worker, guards.requireRole('anyone'), ctx => {
    // It takes foreign bytes apart: what it wants of the film, the page fetches for it.
    ctx.set('Content-Security-Policy', DECODER_POLICY);
    assets.answer(ctx, WORKER);
  });
  for (const form of FILM_FORMS) {
    const path = `/auditor/recordings/:id/film.${form}`;
    // A film that plays is an auditor at work: it keeps his login alive.
    router.get(path, guards.requireRole('auditor', 'master-admin'), ctx => answerFilm(ctx, sessionDesk, form));
  }
  // What the page asks for by itself while an AVI is made: it keeps no idle login alive.
  router.get('/auditor/recordings/:id/avi', guards.requireRoleQuietly('auditor', 'master-admin'), async ctx => {
    const { id: stream } = parse(ById, ctx.params);
    const { number } = parse(OnPage, ctx.query);
    pages.showWhole(ctx, 'avi-state', { title: 'AVI', ...presentAvi(stream, number, await sessionDesk.avi(stream)) });
  });
  router.post('/auditor/recordings/:id/avi', guards.requireRole('auditor', 'master-admin'), async ctx => {
    const { id: stream } = parse(ById, ctx.params);
    const sessionId = await sessionDesk.wantAvi(sessionOf(ctx).actor, stream);
    ctx.status = 303;
    ctx.redirect(`/auditor/sessions/${sessionId}`);
  });
  return router;
}

function checkTyped(id: SessionId, typed: string): void {
  if (typed.trim() === id.slice(0, TYPED_CHARACTERS)) return;
  const what = `type the first ${TYPED_CHARACTERS} characters of the session’s number, as they stand above`;
  throw new ApplianceError('malformed', 'erasure.number', what);
}

async function answerFilm(ctx: PortalContext, desk: SessionPageParts['sessionDesk'], form: FilmForm): Promise<void> {
  const { id: stream } = parse(ById, ctx.params);
  const film = await desk.film(stream, form);
  const signedIn = sessionOf(ctx);
  // No byte of it goes out before that stands in the log.
  if (asksForAll(ctx, film)) await desk.downloaded(signedIn.actor, film.sessionId, stream, form);
  else if (ctx.method === 'GET') await desk.viewed(signedIn, film.sessionId, stream, form);
  await answerFile(ctx, film);
}

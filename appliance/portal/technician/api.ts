// The console's questions (protocol/console-api.ts). What a console does by itself, without anyone at it, is asked quietly:
// it does not keep an idle login alive.
import Router from '@koa/router';
import { z } from 'zod';
import { parseSessionId, type SessionId } from '../../guid.ts';
import type { Identity } from '../../identity/identity.ts';
import { ATTACH_PURPOSES } from '../../protocol/applet-leg.ts';
import type { Support } from '../support.ts';
import type { PortalContext, PortalMiddleware, PortalRouter, PortalState, SignedIn } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import { ById, id, parse } from '../web/parse.ts';
import type { Desk } from './desk.ts';
import { presentReply } from './present.ts';
import type { Relays } from './relays.ts';

const ROOT = '/technician/api';
const Nothing = z.strictObject({});
const Queue = z.object({ queue: z.enum(['incoming', 'active', 'on-hold', 'closed']) });
const Wish = z.strictObject({
  customerName: z.string().max(120).nullable(),
  language: z
    .string()
    .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/)
    .nullable(),
});
const End = z.strictObject({ reason: z.string().min(1).max(200) });
const Offer = z.strictObject({ technicianId: id });
const Queueing = z.strictObject({ channelId: id });
const Certify = z.strictObject({ spk: z.string().regex(/^[A-Za-z0-9_-]{43}$/), nonce: id });
const Relay = z.strictObject({
  purpose: z.enum(ATTACH_PURPOSES),
  except: z.array(z.string().max(64)).max(16),
});
const Line = z.strictObject({
  lineId: id,
  author: z.enum(['technician', 'customer']),
  sealed: z.string().max(32_768),
});
const Action = z.strictObject({
  consentId: id,
  action: z.string().max(64),
  stage: z.enum(['asked', 'granted', 'refused', 'started', 'ended']),
});
const Codes = z.strictObject({ linkId: id, match: z.boolean() });
const Status = z.strictObject({ status: z.string().max(16) });
const Reply = z.strictObject({ title: z.string().max(400), text: z.string().max(16_384) });

export interface TechnicianApiParts {
  readonly guards: Guards;
  readonly identity: Identity;
  readonly desk: Desk;
  readonly relays: Relays;
  readonly support: Pick<Support, 'statuses' | 'replies'>;
}

export function technicianApi(parts: TechnicianApiParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ prefix: ROOT, sensitive: true, strict: true });
  const api = new Api(parts, router);
  api.addLists();
  api.addSteps();
  api.addLink();
  api.addReplies();
  return router;
}

class Api {
  readonly #parts: TechnicianApiParts;
  readonly #router: PortalRouter;
  readonly #technician: PortalMiddleware;
  readonly #quietly: PortalMiddleware;

  constructor(parts: TechnicianApiParts, router: PortalRouter) {
    this.#parts = parts;
    this.#router = router;
    this.#technician = parts.guards.requireRole('technician');
    this.#quietly = parts.guards.requireRoleQuietly('technician');
  }

  addLists(): void {
    const { desk, support } = this.#parts;
    this.#router.get('/start', this.#quietly, async ctx => {
      ctx.body = await desk.start(sessionOf(ctx));
    });
    this.#router.get('/sessions', this.#quietly, async ctx => {
      ctx.body = { sessions: await desk.list(sessionOf(ctx), parse(Queue, ctx.query).queue) };
    });
    this.#router.get('/sessions/:id', this.#quietly, async ctx => {
      ctx.body = await desk.detail(sessionOf(ctx), idOf(ctx));
    });
    this.#router.get('/technicians', this.#quietly, async ctx => {
      ctx.body = { technicians: await desk.technicians() };
    });
    this.#router.get('/channels', this.#quietly, async ctx => {
      ctx.body = { channels: await desk.channels() };
    });
    this.#router.post('/status', this.#technician, async ctx => {
      await support.statuses.set(sessionOf(ctx).actor, parse(Status, ctx.request.body).status);
      ctx.body = {};
    });
    // Someone is at work in a session: moving a mouse there is no request, and the login would run out.
    this.#router.post('/here', this.#technician, ctx => {
      parse(Nothing, ctx.request.body);
      ctx.body = {};
    });
  }

  addSteps(): void {
    const { desk } = this.#parts;
    const router = this.#router;
    router.post('/sessions', this.#technician, async ctx => {
      ctx.body = await desk.make(sessionOf(ctx), parse(Wish, ctx.request.body));
    });
    this.#step('pin', (as, session) => desk.newPin(as, session));
    this.#step('pick-up', (as, session) => desk.pickUp(as, session));
    this.#step('hold', (as, session) => desk.hold(as, session));
    this.#step('resume', (as, session) => desk.resume(as, session));
    this.#step('take-back', (as, session) => desk.takeBack(as, session));
    router.post('/sessions/:id/end', this.#technician, async ctx => {
      ctx.body = await desk.end(sessionOf(ctx), idOf(ctx), parse(End, ctx.request.body).reason);
    });
    router.post('/sessions/:id/offer', this.#technician, async ctx => {
      ctx.body = await desk.offer(sessionOf(ctx), idOf(ctx), parse(Offer, ctx.request.body).technicianId);
    });
    router.post('/sessions/:id/queue', this.#technician, async ctx => {
      ctx.body = await desk.queue(sessionOf(ctx), idOf(ctx), parse(Queueing, ctx.request.body).channelId);
    });
  }

  addLink(): void {
    const { desk, relays } = this.#parts;
    const router = this.#router;
    router.post('/sessions/:id/link', this.#quietly, async ctx => {
      parse(Nothing, ctx.request.body);
      ctx.body = await desk.link(sessionOf(ctx), idOf(ctx));
    });
    router.post('/sessions/:id/certify', this.#quietly, async ctx => {
      ctx.body = await desk.certify(sessionOf(ctx), idOf(ctx), parse(Certify, ctx.request.body));
    });
    router.post('/sessions/:id/relay', this.#quietly, async ctx => {
      const wish = parse(Relay, ctx.request.body);
      await desk.mayLink(sessionOf(ctx), idOf(ctx));
      ctx.body = { paths: await relays.open(idOf(ctx), sessionOf(ctx).login.id, wish, ctx.hostname) };
    });
    router.post('/sessions/:id/recording-token', this.#quietly, async ctx => {
      parse(Nothing, ctx.request.body);
      ctx.body = await desk.recordingToken(sessionOf(ctx), idOf(ctx));
    });
    router.post('/sessions/:id/chat', this.#quietly, async ctx => {
      const line = parse(Line, ctx.request.body);
      if (line.author === 'technician') await this.#touch(sessionOf(ctx));
      ctx.body = await desk.chat(sessionOf(ctx), idOf(ctx), line);
    });
    router.post('/sessions/:id/actions', this.#quietly, async ctx => {
      await desk.tellAction(sessionOf(ctx), idOf(ctx), parse(Action, ctx.request.body));
      ctx.body = {};
    });
    router.post('/sessions/:id/codes', this.#technician, async ctx => {
      await desk.codes(sessionOf(ctx), idOf(ctx), parse(Codes, ctx.request.body));
      ctx.body = {};
    });
  }

  // One's own; what all technicians share is the admins' business.
  addReplies(): void {
    const { replies } = this.#parts.support;
    const router = this.#router;
    router.get('/replies', this.#quietly, async ctx => {
      ctx.body = { replies: (await replies.list(sessionOf(ctx).member.id)).map(presentReply) };
    });
    router.post('/replies', this.#technician, async ctx => {
      ctx.body = presentReply(await replies.create(sessionOf(ctx).actor, 'own', parse(Reply, ctx.request.body)));
    });
    router.put('/replies/:id', this.#technician, async ctx => {
      const { id: replyId } = parse(ById, ctx.params);
      ctx.body = presentReply(
        await replies.change(sessionOf(ctx).actor, 'own', replyId, parse(Reply, ctx.request.body)),
      );
    });
    router.delete('/replies/:id', this.#technician, async ctx => {
      await replies.delete(sessionOf(ctx).actor, 'own', parse(ById, ctx.params).id);
      ctx.body = {};
    });
  }

  #step(name: string, act: (as: SignedIn, session: SessionId) => Promise<unknown>): void {
    this.#router.post(`/sessions/:id/${name}`, this.#technician, async ctx => {
      parse(Nothing, ctx.request.body);
      ctx.body = await act(sessionOf(ctx), idOf(ctx));
    });
  }

  async #touch({ token }: SignedIn): Promise<void> {
    await this.#parts.identity.logins.find(token, { touch: true });
  }
}

function idOf(ctx: PortalContext & { readonly params: Record<string, string> }): SessionId {
  return parseSessionId(ctx.params.id);
}

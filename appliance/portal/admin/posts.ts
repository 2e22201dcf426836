// Posting the details of ended sessions to a CRM (G-06): where and how, what waits, what was not taken.
import Router from '@koa/router';
import { z } from 'zod';
import { POST_FORMATS, type PostSettings } from '../../audit/post-settings.ts';
import type { PostRow, Posts } from '../../audit/posts.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text, tick } from '../web/parse.ts';

const long = z.string().max(65_536).default('');
const SettingsForm = z.strictObject({
  ...{ isOn: tick, withChat: tick, url: text, secret: text, allowed: long, authorities: long, seen: text },
  format: z.enum(POST_FORMATS).catch('json'),
});
type SettingsForm = z.infer<typeof SettingsForm>;
const FIELD_OF = {
  ...{ 'post.url': 'url', 'post.secret': 'secret', 'post.allowed': 'allowed', 'post.authorities': 'authorities' },
};
const formats = { json: 'JSON', xml: 'XML', form: 'Form fields' } as const;
const states = { waiting: ['', 'waits'], sent: ['good', 'sent'], 'given-up': ['bad', 'given up'] } as const;

export interface PostsParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly keeping: { readonly posts: Posts };
}

export function postRoutes({ guards, pages, keeping: { posts } }: PostsParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, refused: Form | null, told: string) => {
    await posts.viewed(sessionOf(ctx).actor); // before it is shown
    const seen = seenOf(await posts.revision()); // before what it is of: a change between the two is one that was not seen
    const settings = await posts.settings();
    const stored = formWith(typedOf(settings));
    const form = refused === null ? stored : afterFault(refused, stored);
    const queue = (await posts.list()).map(presentPost);
    const choices = POST_FORMATS.map(value => ({ value, label: formats[value], chosen: form.values.format === value }));
    const { isOn, withChat } = form.values;
    const view = { form, choices, queue, told, isOn: isOn === true, withChat: withChat === true };
    pages.show(ctx, 'posts', {
      title: 'CRM post',
      ...{ ...view, seen },
      hasSecret: settings.secret !== '',
      mayTry: settings.url !== '',
    });
  };
  router.get('/admin/posts', guards.requireRole('master-admin'), async ctx => {
    const told = { saved: 'Saved.', taken: 'The CRM took the test.', queued: 'It is tried again now.' };
    const done = Object.entries(told).find(([name]) => name === ctx.query.done)?.[1] ?? '';
    await show(ctx, null, done);
  });
  router.post('/admin/posts', guards.requireRole('master-admin'), async ctx => {
    const typed = parse(SettingsForm, ctx.request.body);
    const fault = await tryForm({ ...typed, secret: '' }, FIELD_OF, async () => {
      await posts.setSettings(sessionOf(ctx).actor, settingsOf(typed, await posts.settings()), typed.seen);
      back(ctx, 'saved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, '');
  });
  router.post('/admin/posts/try', guards.requireRole('master-admin'), async ctx => {
    const fault = await tryForm(typedOf(await posts.settings()), {}, async () => {
      await posts.tryOut(sessionOf(ctx).actor);
      back(ctx, 'taken');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, '');
  });
  router.post('/admin/posts/:id/again', guards.requireRole('master-admin'), async ctx => {
    await posts.again(sessionOf(ctx).actor, parse(ById, ctx.params).id);
    back(ctx, 'queued');
  });
  return router;
}

/** The secret is never shown; left empty, the one there is stays. */
function typedOf({ isOn, url, format, withChat, allowed, authorities }: PostSettings): Form['values'] {
  return { isOn, url, format, withChat, allowed: allowed.join('\n'), authorities };
}

function settingsOf(typed: SettingsForm, before: PostSettings): PostSettings {
  const { isOn, url, format, secret, withChat, allowed, authorities } = typed;
  const lines = allowed.split(/[\s,]+/).filter(line => line !== '');
  const kept = secret === '' ? before.secret : secret;
  return { isOn, url: url.trim(), format, secret: kept, withChat, allowed: lines.slice(0, 33), authorities };
}

function presentPost({ id, sessionId, state, madeAt, tries, nextAt, doneAt, lastError }: PostRow) {
  const [badge, label] = states[state];
  const isWaiting = state === 'waiting';
  const error = lastError ?? '';
  return {
    id,
    sessionId,
    badge,
    label,
    madeAt,
    tries,
    nextAt,
    doneAt,
    isWaiting,
    error,
    mayResend: state !== 'waiting' || tries > 0,
  };
}

function back(ctx: PortalContext, done: string): void {
  ctx.status = 303;
  ctx.redirect(`/admin/posts?done=${done}`);
}

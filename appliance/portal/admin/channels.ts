// Channels for admins (E-01 D-08): how customers come in by themselves, and whose queue they stand in. Whether an admin may
// change one is decided in `sessions/`, in the act's own transaction; pages leave out what would be refused.
import Router from '@koa/router';
import { z } from 'zod';
import { pathName } from '../../permissions/decision.ts';
import type { Groups } from '../../permissions/groups.ts';
import { type Channel, MAX_CHANNEL_NAME, MAX_CHANNEL_TEXT, MOST_WAITING } from '../../sessions/channel.ts';
import type { Channels } from '../../sessions/channels.ts';
import { buttonOf } from '../customer/channel.ts';
import type { GatewayAddress } from '../gateway-list.ts';
import { homeAddress } from '../technician/invitation.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse } from '../web/parse.ts';
import { ChannelForm, changedSince, FIELD_OF, freshForm, newForm, readChannel, valuesOf } from './channel-form.ts';
import { editorOf } from './groups.ts';
import { type Sight, sightOf } from './sight.ts';

const HOME = '/admin/channels';
const Seen = z.strictObject({ seen: z.coerce.number().int().min(1) });
const Move = z.strictObject({ direction: z.enum(['up', 'down']) });
const said: Readonly<Record<string, string>> = {
  created: 'The channel is there. Its button for your intranet stands below.',
  saved: 'Saved. It holds at once.',
  moved: 'Moved.',
  renewed: 'The channel has a new link. The one before leads nowhere now: put the new button in its place.',
  deleted: 'The channel is gone. The log keeps its name.',
};

export interface ChannelPartsOfAdmin {
  readonly channels: Channels;
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly gateways: () => readonly GatewayAddress[];
}

/** What was typed and refused, or nothing yet. */
interface Shown {
  readonly form: Form;
  readonly typed: ChannelForm;
}

export function channelRoutes(parts: ChannelPartsOfAdmin): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addList(router, parts);
  addCreation(router, parts);
  addSettings(router, parts);
  addActs(router, parts);
  return router;
}

function addList(router: PortalRouter, { channels, groups, guards, pages }: ChannelPartsOfAdmin): void {
  router.get(HOME, guards.requireRole('master-admin', 'admin'), async ctx => {
    const sight = await sightOf(groups, editorOf(ctx), []);
    const all = await channels.list();
    const waiting = await channels.countQueued();
    const shown = await Promise.all(
      all.map(async (one, at) => ({
        ...{ id: one.id, name: one.name, isEnabled: one.isEnabled, isAttended: await channels.isAttended(one) },
        ...{ waiting: waiting.get(one.id) ?? 0, maxWaiting: one.maxWaiting },
        groups: one.groupIds.map(id => groupName(sight, id)).toSorted(),
        ...{ isFirst: at === 0, isLast: at === all.length - 1 },
      })),
    );
    const isMaster = sessionOf(ctx).member.roles.includes('master-admin');
    const mayCreate = (await choicesFor(ctx, groups, [])).some(({ isMine }) => isMine);
    const view = { channels: shown, isMaster, mayCreate, note: said[String(ctx.query.done)] ?? '' };
    pages.show(ctx, 'channels', { title: 'Channels', ...view });
  });
}

function addCreation(router: PortalRouter, parts: ChannelPartsOfAdmin): void {
  const { channels, groups, guards, pages } = parts;
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  const show = async (ctx: PortalContext, { form, typed }: Shown) => {
    const choices = await choicesFor(ctx, groups, typed.groups);
    pages.show(ctx, 'new-channel', { title: 'New channel', form, ...fieldsOf(typed, choices, true) });
  };
  router.get(`${HOME}/new`, requireAdmin, ctx => show(ctx, { form: freshForm, typed: newForm }));
  router.post(`${HOME}/new`, requireAdmin, async ctx => {
    const typed = parse(ChannelForm, ctx.request.body);
    const fault = await tryForm(valuesOf(typed), FIELD_OF, async () => {
      const { id } = await channels.create(editorOf(ctx), readChannel(typed));
      done(ctx, `${HOME}/${id}`, 'created');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { form: fault.form, typed });
  });
}

function addSettings(router: PortalRouter, parts: ChannelPartsOfAdmin): void {
  const { channels, groups, guards } = parts;
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  router.get(`${HOME}/:id`, requireAdmin, async ctx => {
    await showChannel(ctx, parts, await channels.get(parse(ById, ctx.params).id), null);
  });
  router.post(`${HOME}/:id`, requireAdmin, async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parse(ChannelForm, ctx.request.body);
    const before = await channels.get(id);
    const choices = await choicesFor(ctx, groups, before.groupIds);
    // Groups of others are not in his form, and stay.
    const others = choices.filter(one => !one.isMine && one.isTicked).map(one => one.id);
    const isWhole = (await channels.reachOf(editorOf(ctx), before)) === 'settings';
    const wanted = readChannel(typed, isWhole ? undefined : before, others);
    const fault = await tryForm(valuesOf(typed), FIELD_OF, async () => {
      await channels.change(editorOf(ctx), id, wanted, typed.seen);
      done(ctx, `${HOME}/${id}`, 'saved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    const now = await channels.get(id);
    const isLate = fault.form.fault?.code === 'channel.changed-meanwhile';
    const errors = isLate ? changedSince(now, wanted, choices) : fault.form.errors;
    await showChannel(ctx, parts, now, { form: { ...fault.form, errors }, typed });
  });
}

function addActs(router: PortalRouter, parts: ChannelPartsOfAdmin): void {
  const { channels, guards } = parts;
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  const act = (name: string, does: (ctx: PortalContext, id: string, seen: number) => Promise<void>) =>
    router.post(`${HOME}/:id/${name}`, requireAdmin, async ctx => {
      const { id } = parse(ById, ctx.params);
      const { seen } = parse(Seen, ctx.request.body);
      const fault = await tryForm({}, {}, () => does(ctx, id, seen));
      if (fault === undefined) return;
      ctx.status = fault.status;
      const now = await channels.get(id);
      await showChannel(ctx, parts, now, { form: { ...fault.form, values: {} }, typed: typedOf(now) });
    });
  act('link', async (ctx, id, seen) => {
    await channels.renewLink(editorOf(ctx), id, seen);
    done(ctx, `${HOME}/${id}`, 'renewed');
  });
  act('delete', async (ctx, id, seen) => {
    await channels.delete(editorOf(ctx), id, seen);
    done(ctx, HOME, 'deleted');
  });
  router.post(`${HOME}/:id/move`, guards.requireRole('master-admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    await channels.move(editorOf(ctx), id, parse(Move, ctx.request.body).direction);
    done(ctx, HOME, 'moved');
  });
}

async function showChannel(ctx: PortalContext, parts: ChannelPartsOfAdmin, channel: Channel, refused: Shown | null) {
  const { channels, groups, pages, gateways } = parts;
  const typed = refused?.typed ?? typedOf(channel);
  const reach = await channels.reachOf(editorOf(ctx), channel);
  const choices = await choicesFor(ctx, groups, typed.groups, channel.groupIds);
  const [first] = gateways();
  const view = {
    channel: { id: channel.id, name: channel.name, version: channel.version, isEnabled: channel.isEnabled },
    ...{ waiting: (await channels.countQueued()).get(channel.id) ?? 0, isAttended: await channels.isAttended(channel) },
    ...{ mayChange: reach === 'settings', mayServe: choices.some(({ isMine }) => isMine) },
    hasNoGroup: channel.groupIds.length === 0,
    form:
      refused === null || Object.keys(refused.form.values).length === 0
        ? { ...(refused?.form ?? emptyForm), values: valuesOf(typed) }
        : refused.form,
    ...fieldsOf(typed, choices, reach === 'settings'),
    button: first === undefined ? null : buttonOf(channel, homeAddress(first.host, first.port)),
    note: said[String(ctx.query.done)] ?? '',
  };
  pages.show(ctx, 'channel-settings', { title: channel.name, ...view });
}

/** Channels are everybody's to know, as customers know them; whose groups the others are is not. */
function groupName({ paths, seesGroup }: Sight, id: string): string {
  return seesGroup(id) ? pathName(paths.get(id) ?? []) : 'another group';
}

interface Choice {
  readonly id: string;
  readonly name: string;
  readonly isMine: boolean;
  readonly isTicked: boolean;
}

/** Groups the editor can tick, and those of others that are ticked already. */
async function choicesFor(
  ctx: PortalContext,
  groups: Groups,
  ticked: readonly string[],
  others: readonly string[] = ticked,
): Promise<Choice[]> {
  const sight = await sightOf(groups, editorOf(ctx), []);
  return [...sight.paths.keys()]
    .map(id => {
      const isMine = sight.seesGroup(id);
      return { id, name: groupName(sight, id), isMine, isTicked: (isMine ? ticked : others).includes(id) };
    })
    .filter(({ isMine, isTicked }) => isMine || isTicked)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function fieldsOf(typed: ChannelForm, choices: readonly Choice[], isWhole: boolean) {
  return {
    ...{ choices, isWhole, isEnabledTicked: typed.isEnabled },
    limits: { name: MAX_CHANNEL_NAME, text: MAX_CHANNEL_TEXT, waiting: MOST_WAITING },
  };
}

function typedOf({ name, greeting, awayText, isEnabled, maxWaiting, groupIds, version }: Channel): ChannelForm {
  return { name, greeting, awayText, isEnabled, maxWaiting: String(maxWaiting), groups: [...groupIds], seen: version };
}

function done(ctx: PortalContext, path: string, what: string): void {
  ctx.status = 303;
  ctx.redirect(`${path}?done=${what}`);
}

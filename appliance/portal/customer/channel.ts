// A channel's page (E-01 D-05): the button of an intranet leads here. The customer says who he is and what it is about, and
// goes on as after an invitation. Reading takes no place; what is pressed does.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import { type Channel, MAX_CUSTOMER_NAME, MAX_QUESTION } from '../../sessions/channel.ts';
import type { ChannelEntries, ChannelState } from '../../sessions/channel-entries.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import type { Guards } from '../web/guards.ts';
import type { Organisation, Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';
import { languageOf } from './program.ts';

const Said = z.object({ name: z.string().max(1024).default(''), question: z.string().max(8192).default('') });
const FIELD_OF = { 'channel.customer-name': 'name', 'channel.question': 'question' };
/** Somebody may come, or a place be free: the page looks again by a header, which works without script. */
const LOOK_AGAIN_S = 20;

export interface ChannelPageParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly organisation: Organisation;
  readonly channelEntries: Pick<ChannelEntries, 'look' | 'enter'>;
}

export function channelPageRoutes(parts: ChannelPageParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const anyone = parts.guards.requireRole('anyone');
  const page = new ChannelPage(parts);
  router.get('/c/:link', anyone, ctx => page.show(ctx));
  router.post('/c/:link', anyone, ctx => page.enter(ctx));
  return router;
}

class ChannelPage {
  readonly #parts: ChannelPageParts;

  constructor(parts: ChannelPageParts) {
    this.#parts = parts;
  }

  async show(ctx: PortalContext): Promise<void> {
    const found = await this.#parts.channelEntries.look(String(ctx.params.link));
    if (found === undefined) return this.#showLost(ctx);
    if (found.state === 'nobody' || found.state === 'full') ctx.set('Refresh', String(LOOK_AGAIN_S));
    this.#show(ctx, found.channel, found.state, null);
  }

  async enter(ctx: PortalContext): Promise<void> {
    const said = parse(Said, ctx.request.body);
    const { channelEntries } = this.#parts;
    const found = await channelEntries.look(String(ctx.params.link));
    if (found === undefined) return this.#showLost(ctx);
    const fault = await tryForm(said, FIELD_OF, async () => {
      const from = { address: ctx.state.address, language: languageOf(ctx) };
      const entered = await channelEntries.enter(found.channel, said, from);
      if ('code' in entered) {
        ctx.status = 303;
        return ctx.redirect(`/s/${entered.code}`);
      }
      ctx.status = 409;
      this.#show(ctx, found.channel, entered.state, formWith(said)); // what was typed stays, to be sent again
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    const seconds = /in (\d+) s/i.exec(fault.form.fault?.message ?? '')?.[1];
    if (seconds !== undefined) ctx.set('Retry-After', seconds);
    this.#show(ctx, found.channel, 'open', fault.form);
  }

  /** @param typed null where nothing was typed yet: then the form is there only when it is any good */
  #show(ctx: PortalContext, { name, greeting, awayText }: Channel, state: ChannelState, typed: Form | null): void {
    const { pages, organisation } = this.#parts;
    pages.show(ctx, 'channel', {
      ...{ title: name, name, greeting, awayText, by: organisation.name || 'your helpdesk', action: ctx.path },
      ...{ isOff: state === 'off', isNobody: state === 'nobody', isFull: state === 'full', isAsked: typed !== null },
      hasForm: state === 'open' || (typed !== null && state !== 'off'),
      form: typed ?? emptyForm,
      ...{ maxName: MAX_CUSTOMER_NAME, maxQuestion: MAX_QUESTION },
    });
  }

  #showLost(ctx: PortalContext): void {
    ctx.status = 404;
    this.#parts.pages.show(ctx, 'channel-lost', { title: 'This button leads nowhere' });
  }
}

/** What a channel's button on an intranet page is made of: a plain link, with no script of ours and none needed. */
export function buttonOf({ name, link }: Pick<Channel, 'name' | 'link'>, home: string) {
  const url = `${home}/c/${link}`;
  if (!/^https:\/\/[a-z0-9.:[\]-]+\/c\/[A-Za-z0-9_-]{22}$/i.test(url))
    throw new ApplianceError('defect', 'appliance.defect', 'a channel’s address holds what HTML would need escaped');
  const style = [
    ...['display:inline-block', 'padding:.6em 1.2em', 'border-radius:.5em', 'background:#1f5fbf', 'color:#fff'],
    ...['font:600 1rem/1.4 system-ui,sans-serif', 'text-decoration:none'],
  ].join(';');
  const label = name.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return { url, html: `<a href="${url}" target="_blank" rel="noopener" style="${style}">Get help: ${label}</a>` };
}

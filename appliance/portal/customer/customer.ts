// The customer's pages (E-01): a PIN or a link leads to one page that says who invites and what will happen; from there one
// downloads the program or stays in the browser. Reading uses nothing up, so that a mail scanner that follows the link
// does no harm; only what is pressed counts (TRUST: PIN, link, claim).
import Router from '@koa/router';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import { type SessionGuid, toBase64Url } from '../../guid.ts';
import type { Channels } from '../../sessions/channels.ts';
import type { Entries } from '../../sessions/entries.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import type { Assets } from '../web/assets.ts';
import { isSupportedBrowser, platformOf } from '../web/browsers.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith } from '../web/forms.ts';
import type { Guards } from '../web/guards.ts';
import { homeOf, type Organisation, type Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';
import { BrowserEntry } from './browser-entry.ts';
import { type AppletOffer, type DownloadPlatform, languageOf, presentOffers, sendProgram } from './program.ts';

const CODE = /^[A-Za-z0-9_-]{22}$/;
const PinForm = z.object({ pin: z.string().max(100).default('') });
const DownloadForm = z.object({ platform: z.enum(['win-x64', 'linux-x64']) });
/** Each is 40 MB: enough for whoever loses the file, not for whoever wants to wear us out. */
const ENTERED = { points: 12, duration: 600 };
const DAY_MS = 86_400_000;

/** What is there to download, and how; handed in from `bin/`, which puts portal and applet together. */
export interface Programs {
  /** None while they are being prepared. */
  offers(): Promise<readonly AppletOffer[]>;
  /** @throws ApplianceError `applet.not-prepared`, `signer.unreachable` */
  open(wish: {
    readonly platform: DownloadPlatform;
    readonly guid: SessionGuid;
    readonly expiresAt: number;
    readonly language: string;
    readonly encoding: 'gzip' | 'identity';
  }): Promise<{ readonly bytes: number; readonly stream: NodeJS.ReadableStream }>;
}

export interface CustomerParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly organisation: Organisation;
  readonly entries: Pick<Entries, 'enterByPin' | 'look' | 'drawGuid'>;
  readonly channels: Pick<Channels, 'nameOf'>;
  readonly programs: Programs;
  readonly assets: Assets;
  /** The data folder's `public/`. */
  readonly publicFolder: string;
  /** All gateways and their ports, as they are now. */
  readonly gateways: () => readonly { readonly id: string; readonly port: number }[];
  readonly clock: Clock;
}

export function customerRoutes(parts: CustomerParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const anyone = parts.guards.requireRole('anyone');
  const entry = new BrowserEntry(parts);
  const customer = new Customer(parts, entry);
  router.get('/', anyone, ctx => customer.home(ctx));
  router.get('/pin', anyone, ctx => customer.showPin(ctx, emptyForm, 200));
  router.post('/pin', anyone, ctx => customer.enter(ctx));
  router.get('/s/:code', anyone, ctx => customer.invitation(ctx));
  router.post('/s/:code/download', anyone, ctx => customer.download(ctx));
  router.post('/s/:code/browser', anyone, ctx => customer.enterBrowser(ctx));
  router.get('/s/:code/browser', anyone, ctx => ctx.redirect(ctx.path.replace(/\/browser$/, ''))); // loaded anew
  router.get(entry.workerPath, anyone, ctx => entry.sendWorker(ctx));
  return router;
}

class Customer {
  readonly #parts: CustomerParts;
  readonly #browserEntry: BrowserEntry;
  readonly #entered = new RateLimiterMemory(ENTERED);

  constructor(parts: CustomerParts, browserEntry: BrowserEntry) {
    this.#parts = parts;
    this.#browserEntry = browserEntry;
  }

  /** Whoever is signed in has a page of his own. */
  async home(ctx: PortalContext): Promise<void> {
    const session = await this.#parts.guards.find(ctx, false);
    if (session?.login.stage === 'full') ctx.redirect(homeOf(session.member.roles));
    else this.showPin(ctx, emptyForm, 200);
  }

  showPin(ctx: PortalContext, form: Form, status: number): void {
    ctx.status = status;
    this.#parts.pages.show(ctx, 'home', { title: 'Get help', form, by: this.#by });
  }

  async enter(ctx: PortalContext): Promise<void> {
    const { pin } = parse(PinForm, ctx.request.body);
    try {
      const { code } = await this.#parts.entries.enterByPin(pin, ctx.state.address);
      ctx.status = 303;
      ctx.redirect(`/s/${code}`);
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      const seconds = /in (\d+) s/.exec(error.message)?.[1];
      if (error.code === 'pin.limited' && seconds !== undefined) ctx.set('Retry-After', seconds);
      this.showPin(ctx, { ...formWith({ pin }), errors: { pin: explain(error) } }, error.status);
    }
  }

  async invitation(ctx: PortalContext): Promise<void> {
    const session = await this.#find(ctx);
    if (session === undefined) return this.#showLost(ctx);
    const offers = await this.#parts.programs.offers();
    const platform = platformOf(ctx.headers);
    if (offers.length === 0) ctx.set('Refresh', '5'); // by a header: it works without script
    const isMissing = platform !== 'other' && offers.length > 0 && !offers.some(offer => offer.platform === platform);
    // Nobody's yet: he came by a channel and waits in its queue.
    const isQueued = session.ownerId === null;
    this.#parts.pages.show(ctx, 'invitation', {
      title: isQueued ? 'Your place in the line' : 'Your invitation',
      by: this.#by,
      channel: isQueued ? await this.#parts.channels.nameOf(session.channelId) : null,
      technician: session.ownerName,
      action: ctx.path,
      isReady: offers.length > 0,
      isSupported: isSupportedBrowser(ctx.headers),
      isBrowserFirst: platform === 'other' || isMissing,
      isMissing,
      programs: presentOffers(offers, platform),
    });
  }

  async download(ctx: PortalContext): Promise<void> {
    const { platform } = parse(DownloadForm, ctx.request.body);
    const session = await this.#find(ctx);
    if (session === undefined) return this.#showLost(ctx);
    const { programs, clock } = this.#parts;
    const offers = await programs.offers();
    if (!offers.some(offer => offer.platform === platform))
      return void ctx.redirect(ctx.path.replace(/\/download$/, ''));
    const guid = await this.#drawGuid(ctx, session);
    ctx.vary('Accept-Encoding');
    const encoding = ctx.acceptsEncodings('gzip', 'identity') === 'gzip' ? 'gzip' : 'identity';
    const expiresAt = session.deadline ?? clock.now() + DAY_MS;
    const wish = { platform, guid, expiresAt, language: languageOf(ctx), encoding } as const;
    sendProgram(ctx, platform, encoding, await programs.open(wish));
  }

  /** The window in this very browser: no download, and chat alone so far. */
  async enterBrowser(ctx: PortalContext): Promise<void> {
    const session = await this.#find(ctx);
    if (session === undefined) return this.#showLost(ctx);
    if (!isSupportedBrowser(ctx.headers)) {
      const back = ctx.path.replace(/\/browser$/, '');
      return this.#parts.pages.show(ctx, 'old-browser', { title: 'This browser is too old', back });
    }
    const guid = await this.#drawGuid(ctx, session);
    this.#browserEntry.show(ctx, toBase64Url(guid));
  }

  async #drawGuid(ctx: PortalContext, session: SessionRow): Promise<SessionGuid> {
    await this.#entered.consume(session.id).catch(() => {
      throw new ApplianceError('limited', 'customer.downloads', 'this was begun many times; wait ten minutes');
    });
    return (await this.#parts.entries.drawGuid(String(ctx.params.code), ctx.state.address)).guid;
  }

  /** The session a link leads to, if it is good for anything: unclaimed, and its code known. */
  async #find(ctx: PortalContext): Promise<SessionRow | undefined> {
    const code = String(ctx.params.code);
    if (!CODE.test(code)) return undefined;
    try {
      const session = await this.#parts.entries.look(code);
      return session.claimedAt === null && session.state === 'connecting' ? session : undefined;
    } catch (error) {
      if (error instanceof ApplianceError && error.code === 'entry.refused') return undefined;
      throw error;
    }
  }

  /** Unknown, used, run out: which of them nobody is told. */
  #showLost(ctx: PortalContext): void {
    ctx.status = 404;
    this.#parts.pages.show(ctx, 'lost', { title: 'Not valid any more', form: emptyForm });
  }

  get #by(): string {
    return this.#parts.organisation.name || 'your helpdesk';
  }
}

/** What a worried person can do about it. */
function explain({ code, message }: ApplianceError): string {
  switch (code) {
    case 'entry.refused':
      return 'This PIN is not valid. Compare it with what the technician said: it can be used once and runs out after a while. He can give you a new one at any time.';
    case 'pin.malformed':
      return 'A PIN has nine digits, sometimes more or fewer, and nothing but digits.';
    case 'pin.limited':
      return `Many wrong PINs were entered, so this one was not looked at yet: ${message}. Nothing is lost, and your PIN stays as it is.`;
    default:
      return `That did not work just now: ${message}. Try again in a moment.`;
  }
}

// First setup. It exists only while there is no member: then `bin/portal.ts` doesn't load this file at all. What it
// does is guarded by the one-time code of `keys/setup-code`; creating the first member is the one transaction that ends it.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import Router from '@koa/router';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { z } from 'zod';
import type { ApplianceConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { parseLoginId } from '../identity/member.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { refuseUpgrade } from './portal.ts';
import { homeRoutes } from './public/home.ts';
import { parseNames, parseOrganisation, parseTimeZone } from './setup/setup-form.ts';
import { type App, makeApp } from './web/app.ts';
import type { Assets } from './web/assets.ts';
import type { PortalContext, PortalMiddleware, PortalRouter, PortalState } from './web/context.ts';
import { clearCookie, findCookie, setCookie } from './web/cookies.ts';
import { type Form, formWith, tryForm } from './web/forms.ts';
import { Guards, markGuard } from './web/guards.ts';
import { memberFrame } from './web/member-frame.ts';
import { Pages } from './web/pages.ts';
import { parse, text, tick } from './web/parse.ts';
import { portalRealm } from './web/way-back.ts';

const SETUP_COOKIE = '__Host-setup';
const SETUP_MS = 60 * 60_000;
const TRIES = 10; // wrong or right, from anywhere: the code has 160 bits, so this only keeps the log calm
const TRY_SECONDS = 60;
const Code = z.strictObject({ code: z.string().max(128) });
const Assess = z.strictObject({ password: z.string().max(512), words: z.array(text).max(8).default([]) });
const SetupForm = z.strictObject({
  organisation: text,
  timeZone: text,
  names: text,
  loginId: text,
  name: text,
  next: text,
  again: text,
  sameForSettings: tick,
  settingsName: text.optional().transform(value => value ?? ''),
  settingsNext: text.optional().transform(value => value ?? ''),
  settingsAgain: text.optional().transform(value => value ?? ''),
});
type SetupRequest = z.infer<typeof SetupForm>;

const FIELD_OF = {
  'setup.organisation': 'organisation',
  'setup.time-zone': 'timeZone',
  'setup.names': 'names',
  'setup.again': 'again',
  'member.login-id-malformed': 'loginId',
  'member.name-malformed': 'name',
  'password.unacceptable': 'next',
  'setup.settings-name': 'settingsName',
  'setup.settings-password': 'settingsNext',
  'setup.settings-again': 'settingsAgain',
};

export interface SetupChoice {
  readonly organisation: string;
  readonly timeZone: string;
  /** The first is the canonical one. */
  readonly names: readonly string[];
}

export interface SetupParts {
  readonly identity: Identity;
  readonly assets: Assets;
  readonly config: ApplianceConfig;
  readonly publicFolder: string;
  /** Of the file; null when it is gone, and then nothing opens the setup. */
  readonly readCode: () => string | null;
  /** Writes configuration and certificate; called before the member is made, so it can be done again. */
  readonly applyChoice: (choice: SetupChoice) => Promise<void>;
  /** Called when the member is there. */
  readonly onDone: () => Promise<void>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Setup {
  readonly routes: App['routes'];
  readonly handle: App['handle'];
  readonly upgrade: (request: Parameters<typeof refuseUpgrade>[0], socket: Parameters<typeof refuseUpgrade>[1]) => void;
  readonly #parts: SetupParts;
  readonly #pages: Pages;
  readonly #limiter = new RateLimiterMemory({ points: TRIES, duration: TRY_SECONDS });
  /** SHA-256 of the cookies given out, with the end of each, ms UTC. */
  readonly #opened = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #isDone = false;

  constructor(parts: SetupParts) {
    this.#parts = parts;
    const { identity, assets, log, metrics, config } = parts;
    const root = import.meta.dirname;
    const folders = ['look', 'setup', 'public'].map(folder => join(root, folder));
    this.#pages = new Pages(assets, config.organisation, folders, memberFrame());
    const refusals = metrics.counter('portal_refusals_total', 'Refused requests, by code.');
    const guards = new Guards(identity);
    const routers = [this.#routes(guards), homeRoutes({ ...parts, guards })];
    const app = makeApp({ log, refusals, pages: this.#pages, assets, realm: portalRealm, routers });
    this.routes = app.routes;
    this.handle = app.handle;
    this.upgrade = (request, socket) => refuseUpgrade(request, socket, refusals);
  }

  #routes(guards: Guards): PortalRouter {
    const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
    router.get('/', guards.requireRole('anyone'), ctx => ctx.redirect('/setup'));
    router.get('/setup', guards.requireRole('anyone'), ctx => {
      if (this.#isOpenFor(ctx)) return this.#show(ctx, this.#firstForm());
      this.#showDoor(ctx, formWith({}));
    });
    router.post('/setup/open', guards.requireRole('anyone'), ctx => this.#open(ctx));
    router.post('/setup/assess', this.#requireOpen(), async ctx => {
      const { password, words } = parse(Assess, ctx.request.body);
      ctx.body = await this.#parts.identity.passwords.assess(password, words);
    });
    router.post('/setup', this.#requireOpen(), ctx => this.#finish(ctx));
    return router;
  }

  #requireOpen(): PortalMiddleware {
    return markGuard(
      (ctx, next) => {
        if (!this.#isOpenFor(ctx))
          throw new ApplianceError('unauthenticated', 'setup.closed', 'open setup with its code first');
        return next();
      },
      ['setup'],
    );
  }

  #isOpenFor(ctx: PortalContext): boolean {
    const cookie = findCookie(ctx.headers.cookie, SETUP_COOKIE);
    const until = cookie === undefined ? undefined : this.#opened.get(digest(cookie).toString('hex'));
    return !this.#isDone && until !== undefined && until > Date.now();
  }

  async #open(ctx: PortalContext): Promise<void> {
    const { code } = parse(Code, ctx.request.body);
    const fault = await tryForm({}, { 'setup.code-wrong': 'code' }, async () => {
      await this.#limiter.consume('anyone').catch(() => {
        throw new ApplianceError('limited', 'setup.limited', 'too many tries; wait a minute');
      });
      const right = this.#parts.readCode();
      // Digests have one length, so the comparison takes one time whatever was typed.
      const isRight = right !== null && timingSafeEqual(digest(plain(code)), digest(plain(right)));
      if (!isRight) throw new ApplianceError('refused', 'setup.code-wrong', 'that is not the setup code');
      const cookie = randomBytes(32).toString('base64url');
      this.#opened.set(digest(cookie).toString('hex'), Date.now() + SETUP_MS);
      setCookie(ctx, SETUP_COOKIE, cookie, { sameSite: 'Strict' });
      ctx.status = 303;
      ctx.redirect('/setup');
    });
    if (fault === undefined) return;
    this.#parts.log.warn('setup.code-refused', { source: ctx.state.address });
    ctx.status = fault.status;
    this.#showDoor(ctx, fault.form);
  }

  async #finish(ctx: PortalContext): Promise<void> {
    const request = parse(SetupForm, ctx.request.body);
    const { next: _, again: __, settingsNext: ___, settingsAgain: ____, ...typed } = request;
    // One after the other: of two browsers that finish at once the second finds a member, and is refused.
    const turn = this.#turn.then(() => tryForm(typed, FIELD_OF, () => this.#make(ctx, request)));
    this.#turn = turn.catch(() => undefined);
    const fault = await turn;
    if (fault === undefined) {
      clearCookie(ctx, SETUP_COOKIE);
      this.#pages.show(ctx, 'setup-done', { title: 'Ready', loginId: request.loginId.trim() });
      return;
    }
    ctx.status = fault.status;
    this.#show(ctx, fault.form);
  }

  async #make(ctx: PortalContext, request: SetupRequest): Promise<void> {
    const { identity, applyChoice, onDone, log } = this.#parts;
    if (this.#isDone || (await identity.members.count()) > 0) throw isDone();
    const organisation = parseOrganisation(request.organisation);
    const timeZone = parseTimeZone(request.timeZone);
    const names = parseNames(request.names);
    if (request.next !== request.again) {
      throw new ApplianceError('malformed', 'setup.again', 'the two passwords are not the same');
    }
    const { loginId, name, next: password } = request;
    await identity.passwords.requireAcceptable(password, [loginId, name, organisation]);
    const settings = await this.#settingsAccount(request);
    await applyChoice({ organisation, timeZone, names });
    const actor = { kind: 'anyone', id: null, name: null, address: ctx.state.address } as const;
    // First: it is the member whose being there ends setup, so after a kill between the two this is done again.
    await identity.settingsAccounts.createFirst(actor, settings);
    await identity.members.create(actor, { loginId, name, roles: ['master-admin'], password });
    this.#isDone = true;
    this.#opened.clear();
    log.info('setup.done', { names });
    await onDone();
  }

  /** What was typed for the other realm, checked; the master admin's where he ticked that. */
  async #settingsAccount(request: SetupRequest): Promise<{ name: string; password: string }> {
    if (request.sameForSettings) return { name: parseLoginId(request.loginId), password: request.next };
    try {
      const name = parseLoginId(request.settingsName);
      await this.#parts.identity.passwords.requireAcceptable(request.settingsNext, [name]);
      if (request.settingsNext === request.settingsAgain) return { name, password: request.settingsNext };
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      const code = error.code === 'password.unacceptable' ? 'setup.settings-password' : 'setup.settings-name';
      throw new ApplianceError('malformed', code, error.message, { hint: error.hint });
    }
    throw new ApplianceError('malformed', 'setup.settings-again', 'the two passwords are not the same');
  }

  #firstForm(): Form {
    const { organisation, names } = this.#parts.config;
    return formWith({
      organisation: organisation.name,
      timeZone: organisation.timeZone,
      names: names.join(', '),
      sameForSettings: true,
    });
  }

  #show(ctx: PortalContext, form: Form): void {
    const { timeZone } = form.values;
    const zones = ['Etc/UTC', ...Intl.supportedValuesOf('timeZone')].map(zone => ({
      zone,
      isChosen: zone === timeZone,
    }));
    this.#pages.show(ctx, 'setup', { title: 'First setup', form, zones });
  }

  #showDoor(ctx: PortalContext, form: Form): void {
    this.#pages.show(ctx, 'setup-door', { title: 'First setup', form, script: this.#parts.assets.path('setup.js') });
  }
}

function plain(code: string): string {
  return code.toUpperCase().replace(/[^A-Z0-9]/g, '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isDone(): ApplianceError {
  return new ApplianceError('conflict', 'setup.done', 'setup has been finished already, perhaps in another browser', {
    hint: 'Sign in, or ask whoever finished it.',
  });
}

// The appliance's settings: an overview, fields, the whole file for the rest, earlier versions to go back to.
import { Readable } from 'node:stream';
import Router from '@koa/router';
import { z } from 'zod';
import { type ConfigDifference, findConfigFaults } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import type { SettingsDesk, SettingsEditor } from '../settings-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import { allFields, fileOnly, presentValue, sections } from './fields.ts';
import { faultsByField } from './form-faults.ts';
import { overviewOf, withAnchors } from './overview.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const MAX_FILE = 48 * 1024; // the body of a request holds 64 KiB, in which a character may take three
const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const typed = z.string().max(4096).default('');
const FieldsForm = z.strictObject({
  digest,
  ...Object.fromEntries(allFields.map(({ name }) => [name, typed])),
});
const FileForm = z.strictObject({ digest, text: z.string().max(MAX_FILE).default(''), act: z.enum(['check', 'save']) });
const BackForm = z.strictObject({ digest, to: digest });
const ListQuery = z.object({ saved: text });

export interface SettingsParts {
  readonly settings: SettingsDesk;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
}

export function settingsRoutes({ settings, guards, pages }: SettingsParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const account = guards.requireAccount();
  const view = new SettingsView(settings, pages);
  router.get('/settings', account, async ctx => {
    view.show(ctx, view.formNow(), parse(ListQuery, { saved: ctx.query.saved }).saved === 'yes');
  });
  router.post('/settings', account, async ctx => {
    const given: Record<string, string> = parse(FieldsForm, ctx.request.body);
    const seen = settings.read();
    const fault = await tryForm(given, {}, async () => {
      await settings.save(editorOf(ctx), settings.textOf(seen, given), given.digest ?? '');
      goBack(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    view.show(
      ctx,
      { ...fault.form, ...faultsByField(fault.form, allFields, () => settings.textOf(seen, given)) },
      false,
    );
  });
  router.get('/settings/file', account, async ctx => {
    const { text: now, digest: seen } = settings.read();
    view.showFile(ctx, formWith({ text: now, digest: seen }), null);
  });
  router.post('/settings/file', account, async ctx => {
    const { act, ...given } = parse(FileForm, ctx.request.body);
    let changes: readonly ConfigDifference[] | null = null;
    const fault = await tryForm(given, {}, async () => {
      const unified = given.text.replaceAll('\r\n', '\n');
      if (act === 'check') changes = settings.preview(unified);
      else await settings.save(editorOf(ctx), unified, given.digest);
    });
    if (fault === undefined && act === 'save') return goBack(ctx);
    ctx.status = fault?.status ?? 200;
    view.showFile(ctx, fault?.form ?? formWith(given), changes);
  });
  router.get('/settings/diagnostics', account, async ctx => {
    const { bytes, stream } = await settings.diagnostics(settingsSessionOf(ctx).actor);
    ctx.set('Content-Disposition', 'attachment; filename="diagnostics.zip"');
    ctx.body = Readable.from(stream(), { objectMode: false });
    ctx.set('Content-Type', 'application/zip');
    ctx.length = bytes;
  });
  router.post('/settings/take-back', account, async ctx => {
    const given = parse(BackForm, ctx.request.body);
    const fault = await tryForm({}, {}, async () => {
      await settings.takeBack(editorOf(ctx), given.to, given.digest);
      goBack(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    view.show(ctx, { ...view.formNow(), fault: fault.form.fault }, false);
  });
  return router;
}

class SettingsView {
  readonly #settings: SettingsDesk;
  readonly #pages: Pages;

  constructor(settings: SettingsDesk, pages: Pages) {
    this.#settings = settings;
    this.#pages = pages;
  }

  /** With what stands in the file; with a fault and nothing else where the appliance would not start with it. */
  formNow(): Form {
    const { config, digest: seen, text: now } = this.#settings.read();
    if (config === null) {
      const [first] = findConfigFaults(now);
      const message = `The file has a fault: ${[first?.key, first?.message].filter(Boolean).join(': ')}.`;
      const hint = 'The appliance will not start with it. Mend it on the page of the whole file.';
      return { ...emptyForm, fault: { message, hint, code: 'settings.broken' } };
    }
    const values = allFields.map(field => [field.name, presentValue(config, field)]);
    return formWith({ ...Object.fromEntries(values), digest: seen });
  }

  show(ctx: PortalContext, form: Form, isSaved: boolean): void {
    const { digest: now, config } = this.#settings.read();
    const history = this.#settings
      .history()
      .map(({ changes, ...earlier }) => ({ ...earlier, changes: changes.map(presentDifference) }));
    const waiting = this.#settings.waiting().map(presentDifference);
    const view = {
      form,
      isSaved,
      sections: withAnchors(sections),
      overview: overviewOf(config, this.#settings.portalOrigin(hostName(ctx))),
      now,
      waiting,
      isBroken: config === null,
      network: this.#settings.network(),
      history,
      latest: history[0] ?? null,
    };
    this.#pages.show(ctx, 'settings', { title: 'Settings', ...view });
  }

  showFile(ctx: PortalContext, form: Form, changes: readonly ConfigDifference[] | null): void {
    const typedText = String(form.values.text ?? '').replaceAll('\r\n', '\n');
    const faults = form.fault?.code === 'config.malformed' ? findConfigFaults(typedText) : [];
    const shown = faults.length > 0 ? { ...form, fault: null } : form;
    const view = { form: shown, faults, isChecked: changes !== null, changes: (changes ?? []).map(presentDifference) };
    const alone = Object.entries(fileOnly).map(([key, why]) => ({ key, why }));
    this.#pages.show(ctx, 'settings-file', { title: 'The whole file', ...view, fileOnly: alone });
  }
}

export function presentDifference({ key, before, after }: ConfigDifference) {
  // Only what is switched off as a whole is null on one side and has other keys on the other.
  if (before === undefined && after === 'null') return { key, before: 'on', after: 'off' };
  if (before === 'null' && after === undefined) return { key, before: 'off', after: 'on' };
  return { key, before: before ?? 'not set', after: after ?? 'not set' };
}

export function editorOf(ctx: PortalContext): SettingsEditor {
  return { actor: settingsSessionOf(ctx).actor, address: ctx.state.address, host: hostName(ctx) };
}

/** The name in `Host`, without its port; the gateway has let it pass already. */
function hostName(ctx: PortalContext): string {
  try {
    return new URL(`https://${ctx.headers.host ?? ''}`).hostname;
  } catch (cause) {
    throw new ApplianceError('malformed', 'request.malformed', 'this request names no host', { cause });
  }
}

function goBack(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/settings?saved=yes');
}

// The pages of what can be switched off as a whole: mail, syslog, directory. What is typed is tried out first, where IT likes; then saved.
import Router from '@koa/router';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { findConfigFaults } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import type { DirectoryStep } from '../../identity/directory.ts';
import type { BlockDesk, GivenBlock } from '../block-desk.ts';
import type { SettingsDesk } from '../settings-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import {
  emptyRow,
  isRowAct,
  MAX_ROWS,
  type MappingRow,
  presentRows,
  splitCells,
  typedRows,
} from '../web/mapping-rows.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text, tick } from '../web/parse.ts';
import { blocks, fieldsOf, type SettingsBlock } from './blocks.ts';
import { faultsByField } from './form-faults.ts';
import { HeldSecrets } from './held-secrets.ts';
import { editorOf, presentDifference } from './settings.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';
import type { TrialStep } from './trial.ts';

const states: Record<DirectoryStep['state'], readonly [badge: string, label: string]> = {
  done: ['good', 'works'],
  failed: ['bad', 'fails'],
  skipped: ['', 'not tried'],
};
const PageQuery = z.object({ saved: text });
const typed = z.string().max(4096).default('');

export interface BlockPageParts {
  readonly settings: SettingsDesk;
  readonly blocks: BlockDesk;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
  readonly clock: Clock;
}

interface Shown {
  readonly form: Form;
  /** Of a password that was typed and is not saved. */
  readonly held?: string;
  readonly steps?: readonly TrialStep[];
  readonly isSaved?: boolean;
  readonly rows?: readonly MappingRow[];
  /** What was done with the rows. */
  readonly act?: string;
}

export function blockRoutes(parts: BlockPageParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const held = new HeldSecrets(parts.clock);
  for (const block of blocks) {
    const page = new BlockPage(parts, block, held);
    router.get(`/${block.page}`, parts.guards.requireAccount(), ctx => page.get(ctx));
    router.post(`/${block.page}`, parts.guards.requireAccount(), ctx => page.post(ctx));
  }
  return router;
}

class BlockPage {
  readonly #parts: BlockPageParts;
  readonly #block: SettingsBlock;
  readonly #held: HeldSecrets;

  constructor(parts: BlockPageParts, block: SettingsBlock, held: HeldSecrets) {
    this.#parts = parts;
    this.#block = block;
    this.#held = held;
  }

  get(ctx: PortalContext): void {
    const isSaved = parse(PageQuery, { saved: ctx.query.saved }).saved === 'yes';
    const { config, digest } = this.#parts.settings.read();
    if (config === null) {
      this.#show(ctx, { form: emptyForm });
      return;
    }
    const { isOn, values, rows } = this.#parts.blocks.shown(this.#block, config);
    this.#show(ctx, { form: formWith({ ...values, isOn, digest }), rows, isSaved });
  }

  async post(ctx: PortalContext): Promise<void> {
    const { settings, blocks: desk } = this.#parts;
    const { act, digest, held, isOn, password, values, rows } = parseForm(this.#block, ctx.request.body);
    const { id } = settingsSessionOf(ctx).account;
    const secret = password === '' ? this.#held.find(held, id, this.#block.page) : password;
    const given: GivenBlock = { isOn, values, rows, password: secret };
    const seen = settings.read();
    let steps: readonly TrialStep[] = [];
    const fault = await tryForm({ ...values, isOn, digest }, {}, async () => {
      if (isRowAct(act)) return;
      if ((isOn || act === 'test') && held !== '' && secret === undefined) throw forgotten(this.#block);
      if (act === 'test') steps = await desk.tryOut(editorOf(ctx), this.#block, given);
      else await desk.save(editorOf(ctx), this.#block, given, digest);
    });
    this.#held.forget(held);
    if (fault === undefined && act === 'save') return goBack(ctx, this.#block);
    const kept = secret === undefined ? '' : this.#held.hold(id, this.#block.page, secret);
    ctx.status = fault?.status ?? 200;
    const form = fault?.form ?? formWith({ ...values, isOn, digest });
    const tried = { ...given, isOn: isOn || act === 'test' };
    const beside = faultsByField(form, fieldsOf(this.#block), () => desk.draft(seen, this.#block, tried).text);
    this.#show(ctx, { form: { ...form, ...beside }, held: kept, steps, rows, act });
  }

  #show(ctx: PortalContext, { form, held = '', steps = [], isSaved = false, rows = [], act = '' }: Shown): void {
    const { settings, pages } = this.#parts;
    const { config, text: now, digest } = settings.read();
    const waiting = settings
      .waiting()
      .filter(({ key }) => key === this.#block.key || key.startsWith(`${this.#block.key}.`));
    pages.show(ctx, 'settings-block', {
      title: this.#block.title,
      block: this.#block,
      // The mapping is a table, below them.
      sections: this.#block.sections.filter(({ fields }) => fields.some(({ kind }) => kind !== 'mapping')),
      ...{ form, held, isSaved },
      isBroken: config === null,
      faults: config === null ? findConfigFaults(now) : [],
      now: digest,
      latest: isSaved ? (settings.history()[0] ?? null) : null,
      waiting: waiting.map(presentDifference),
      mapping: hasMapping(this.#block) ? presentMapping(form, rows, act) : null,
      steps: steps.map(step => ({ ...step, badge: states[step.state][0], label: states[step.state][1] })),
    });
  }
}

/** What the page sends besides its fields. */
const Head = z.object({
  digest: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  act: z.string().refine(act => act === 'save' || act === 'test' || isRowAct(act)),
  /** Of a password that was typed before. */
  held: z
    .string()
    .regex(/^(|[A-Za-z0-9_-]{22})$/)
    .default(''),
  isOn: tick,
  /** One line: it becomes the first of a file. */
  password: z
    .string()
    .regex(/^\P{Cc}{0,256}$/u)
    .default(''),
});

/** @throws ApplianceError `request.malformed` for what is neither of the page's nor of its fields */
function parseForm(block: SettingsBlock, body: unknown) {
  const names = fieldsOf(block)
    .filter(({ kind }) => kind !== 'secret' && kind !== 'mapping')
    .map(({ name }) => name);
  const others = z.object(Object.fromEntries(names.map(name => [name, typed])));
  const { cells, rest } = hasMapping(block) ? splitCells(body) : { cells: {}, rest: body };
  parse(z.strictObject({ ...Head.shape, ...others.shape }), rest);
  const head = parse(Head, rest);
  return { ...head, values: parse(others, rest), rows: typedRows(cells, head.act) };
}

function hasMapping(block: SettingsBlock): boolean {
  return fieldsOf(block).some(({ kind }) => kind === 'mapping');
}

function presentMapping({ errors }: Form, rows: readonly MappingRow[], act: string) {
  const faultsAt = (at: number) => ({
    ...{ group: errors[`g${at}`] ?? '', roles: errors[`r${at}`] ?? '', place: errors[`t${at}`] ?? '' },
  });
  return {
    rows: presentRows(rows.length === 0 ? [emptyRow] : rows, { faultsAt, places: null, act }),
    groupLabel: 'Group there, its distinguished name',
    rowsFault: errors['directory-mapping'] ?? '',
    ...{ mayAdd: rows.length < MAX_ROWS, isTakenOut: act.startsWith('remove-') },
  };
}

/** He was told that it is kept: without it he would save the one before, or none. */
function forgotten(block: SettingsBlock): ApplianceError {
  const { key = '' } = fieldsOf(block).find(({ kind }) => kind === 'secret') ?? {};
  const text = 'the password you typed is not kept any more';
  return new ApplianceError('conflict', 'settings.password-forgotten', text, {
    hint: `${key}: type it again. Empty, and sent once more: the one that is saved.`,
  });
}

function goBack(ctx: PortalContext, { page }: SettingsBlock): void {
  ctx.status = 303;
  ctx.redirect(`/${page}?saved=yes`);
}

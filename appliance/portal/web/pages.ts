// Pages: Handlebars templates, each beside its route, compiled once at the start. Strict: a template that asks for what it
// was not given is a mistake, not an empty place. Values are escaped; prototypes are out of reach.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Handlebars from 'handlebars';
import { defect } from '../../errors.ts';
import { mayManage, type Role } from '../../identity/member.ts';
import type { Assets } from './assets.ts';
import type { PortalContext } from './context.ts';
import { pageHelpers } from './helpers.ts';
import { Icons } from './icons.ts';

export interface Organisation {
  readonly name: string;
  readonly timeZone: string;
}

/** What stands around a page. */
export interface Frame {
  /** Name of its template. */
  readonly layout: string;
  /** What that template names beside title, body and the addresses of style and scripts. */
  view(ctx: PortalContext): object;
}

export class Pages {
  readonly #handlebars = Handlebars.create();
  readonly #templates = new Map<string, Handlebars.TemplateDelegate>();
  readonly #icons = new Icons();
  readonly #assets: Assets;
  readonly #organisation: Organisation;
  readonly #around: Frame;

  /**
   * @param folders with `page.hbs` files; names are unique over all of them
   */
  constructor(assets: Assets, organisation: Organisation, folders: readonly string[], around: Frame) {
    this.#around = around;
    this.#assets = assets;
    this.#organisation = organisation;
    const helpers = pageHelpers({ timeZone: organisation.timeZone });
    for (const [name, helper] of Object.entries(helpers)) this.#handlebars.registerHelper(name, helper);
    for (const folder of folders) this.#load(folder);
  }

  /** @param view all that the template names, `title` among it */
  show(ctx: PortalContext, page: string, view: { readonly title: string } & Readonly<Record<string, unknown>>): void {
    ctx.type = 'text/html; charset=utf-8';
    ctx.body = this.render(page, view, ctx);
  }

  /** A page that has the whole window, without the frame of the others. */
  showWhole(
    ctx: PortalContext,
    page: string,
    view: { readonly title: string } & Readonly<Record<string, unknown>>,
  ): void {
    const html = this.#run(page, { ...this.#frame(), ...view });
    ctx.type = 'text/html; charset=utf-8';
    ctx.body = html.replace('<!--icons-->', () => this.#icons.block(html));
  }

  render(page: string, view: { readonly title: string }, ctx: PortalContext): string {
    const body = this.#run(page, view);
    const html = this.#run(this.#around.layout, {
      title: view.title,
      body: new Handlebars.SafeString(body),
      ...this.#frame(),
      script: this.#assets.path('portal.js'),
      ...this.#around.view(ctx),
    });
    return html.replace('<!--icons-->', () => this.#icons.block(html));
  }

  #frame() {
    return {
      organisation: this.#organisation.name || 'Remote support',
      style: this.#assets.path('look.css'),
      theme: this.#assets.path('theme.js'),
      favicon: this.#assets.path('favicon.svg'),
    };
  }

  #run(name: string, view: object): string {
    const template = this.#templates.get(name);
    if (template === undefined) throw defect(`no template is named ${name}`);
    return template(view, { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false });
  }

  #load(folder: string): void {
    for (const file of readdirSync(folder).filter(one => one.endsWith('.hbs'))) {
      const name = basename(file, '.hbs');
      if (this.#templates.has(name)) throw defect(`two templates are named ${name}`);
      const template = readFileSync(join(folder, file), 'utf8');
      this.#templates.set(name, this.#handlebars.compile(template, { strict: true, knownHelpersOnly: false }));
      this.#handlebars.registerPartial(name, template);
    }
  }
}

/** Where someone begins after signing in. */
export function homeOf(roles: readonly Role[]): string {
  if (mayManage(roles, [])) return '/admin/members';
  if (roles.includes('technician')) return '/technician';
  return roles.includes('auditor') ? '/admin/audit' : '/account';
}

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

export interface Warnings {
  /** What needs a person. */
  readonly alerts: readonly { readonly text: string }[];
  /** Something waits to be deleted for the first time (G-05). */
  readonly isDeletionWaiting: boolean;
  /** Sessions with control that must be recorded and are not (H-03). */
  readonly unrecorded: number;
}

const noWarnings: Warnings = { alerts: [], isDeletionWaiting: false, unrecorded: 0 };

interface NavigationEntry {
  readonly path: string;
  readonly label: string;
  readonly icon: string;
  readonly roles: readonly Role[] | null;
}

const NAVIGATION: readonly NavigationEntry[] = [
  { path: '/technician', label: 'Console', icon: 'headset', roles: ['technician'] },
  { path: '/admin/members', label: 'Members', icon: 'users', roles: ['master-admin', 'admin'] },
  { path: '/admin/groups', label: 'Groups', icon: 'folder-tree', roles: ['master-admin', 'admin'] },
  { path: '/admin/channels', label: 'Channels', icon: 'signpost', roles: ['master-admin', 'admin'] },
  { path: '/admin/password-policy', label: 'Password policy', icon: 'key-round', roles: ['master-admin'] },
  { path: '/admin/directory', label: 'Directory', icon: 'book-user', roles: ['master-admin'] },
  { path: '/admin/single-sign-on', label: 'Single sign-on', icon: 'log-in', roles: ['master-admin'] },
  { path: '/admin/addresses', label: 'Allow lists', icon: 'network', roles: ['master-admin'] },
  { path: '/admin/settings', label: 'Settings', icon: 'settings', roles: ['master-admin'] },
  { path: '/admin/certificates', label: 'Certificates', icon: 'badge-check', roles: ['master-admin'] },
  { path: '/admin/backups', label: 'Backups', icon: 'archive', roles: ['master-admin'] },
  { path: '/admin/retention', label: 'Retention', icon: 'hourglass', roles: ['master-admin', 'auditor'] },
  { path: '/admin/posts', label: 'CRM post', icon: 'send', roles: ['master-admin'] },
  { path: '/admin/audit', label: 'Audit log', icon: 'scroll-text', roles: ['master-admin', 'auditor'] },
  { path: '/admin/status', label: 'Status', icon: 'activity', roles: ['master-admin', 'admin'] },
  { path: '/admin/about', label: 'About', icon: 'info', roles: ['master-admin', 'admin'] },
  { path: '/account', label: 'My account', icon: 'circle-user-round', roles: null },
  { path: '/help', label: 'Help', icon: 'circle-help', roles: null },
];

export class Pages {
  readonly #handlebars = Handlebars.create();
  readonly #templates = new Map<string, Handlebars.TemplateDelegate>();
  readonly #icons = new Icons();
  readonly #assets: Assets;
  readonly #organisation: Organisation;
  readonly #warningsFor: (roles: readonly Role[]) => Warnings;

  /**
   * @param folders with `page.hbs` files; names are unique over all of them
   * @param warningsFor what these are to be told, whatever page they look at
   */
  constructor(
    assets: Assets,
    organisation: Organisation,
    folders: readonly string[],
    warningsFor: (roles: readonly Role[]) => Warnings = () => noWarnings,
  ) {
    this.#warningsFor = warningsFor;
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
    const { session } = ctx.state;
    const isIn = session?.login.stage === 'full';
    const { alerts, isDeletionWaiting, unrecorded } = isIn ? this.#warningsFor(session.member.roles) : noWarnings;
    const html = this.#run('layout', {
      title: view.title,
      body: new Handlebars.SafeString(body),
      ...this.#frame(),
      script: this.#assets.path('portal.js'),
      member: isIn ? { name: session.member.name, roles: session.member.roles.join(', ') } : null,
      alerts: ctx.path.startsWith('/admin/status') ? [] : alerts,
      isWarned: isDeletionWaiting && ctx.path !== '/admin/retention',
      unrecorded,
      navigation: isIn ? this.#navigation(ctx.path, session.member.roles) : [],
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

  #navigation(path: string, roles: readonly Role[]) {
    const visible = NAVIGATION.filter(entry => entry.roles === null || entry.roles.some(role => roles.includes(role)));
    return visible.map(entry => ({ ...entry, here: path === entry.path || path.startsWith(`${entry.path}/`) }));
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

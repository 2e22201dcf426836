// The portal: all pages of whoever is helped or helps, over the socket the gateway alone reaches (DESIGN §6). The parts
// are handed in from `bin/portal.ts`.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { ApplianceError, defect } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import type { Role } from '../identity/member.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { PublicKeyInfo } from '../pki/signature.ts';
import { accountRoutes } from './account/account.ts';
import { confirmRoutes } from './account/confirm.ts';
import { passkeyRoutes } from './account/passkeys.ts';
import { shareRoutes } from './account/share.ts';
import { allowListRoutes } from './admin/allow-lists.ts';
import { auditRoutes } from './admin/audit.ts';
import { channelRoutes } from './admin/channels.ts';
import { directoryRoutes } from './admin/directory.ts';
import { groupListRoutes } from './admin/group-list.ts';
import { groupTechnicianRoutes } from './admin/group-technicians.ts';
import { groupRoutes } from './admin/groups.ts';
import { memberExchangeRoutes } from './admin/member-exchange.ts';
import { memberListRoutes } from './admin/member-list.ts';
import { memberRoutes } from './admin/members.ts';
import { movedRoutes } from './admin/moved.ts';
import { policyRoutes } from './admin/password-policy.ts';
import { postRoutes } from './admin/posts.ts';
import { retentionRoutes } from './admin/retention.ts';
import { singleSignOnAdminRoutes } from './admin/single-sign-on.ts';
import { ssoIdRoutes } from './admin/sso-id.ts';
import { statusRoutes } from './admin/status.ts';
import type { AppletLegs } from './applet-legs.ts';
import type { AuditDesk } from './audit-desk.ts';
import { type EvidenceParts, evidenceRoutes } from './auditor/evidence.ts';
import { playerSources, type SessionPageParts, sessionPageRoutes } from './auditor/session.ts';
import { browserEntrySources } from './customer/browser-entry.ts';
import { channelPageRoutes } from './customer/channel.ts';
import { type CustomerParts, customerRoutes } from './customer/customer.ts';
import { DEMO_STREAM_PATH, type DemoDesktop, DemoWindow, demoSources } from './demo/demo-window.ts';
import type { GatewayAddress } from './gateway-list.ts';
import type { Keeping } from './keeping.ts';
import { helpRoutes } from './public/help.ts';
import { homeRoutes } from './public/home.ts';
import { passkeySignInRoutes } from './sign-in/passkeys.ts';
import { signInRoutes } from './sign-in/sign-in.ts';
import { singleSignOnRoutes } from './sign-in/single-sign-on.ts';
import type { Status } from './status.ts';
import type { Support } from './support.ts';
import { technicianApi } from './technician/api.ts';
import { consolePageRoutes, consoleSources, viewerSources } from './technician/console-page.ts';
import { Desk } from './technician/desk.ts';
import { Events } from './technician/events.ts';
import { LogSeal } from './technician/log-seal.ts';
import { Relays } from './technician/relays.ts';
import { makeApp } from './web/app.ts';
import { Assets } from './web/assets.ts';
import type { SignedIn } from './web/context.ts';
import type { DeclaredRoute } from './web/declared-routes.ts';
import { Guards } from './web/guards.ts';
import { peerOf } from './web/headers.ts';
import { memberFrame, type Warnings } from './web/member-frame.ts';
import { foreignOrigin, requireOwnOrigin } from './web/origin.ts';
import { type Organisation, Pages } from './web/pages.ts';
import { notFound } from './web/paths.ts';
import { portalRealm } from './web/way-back.ts';

const EVENTS_PATH = '/technician/events';
/** In the checkout. */
export const ASSET_CACHE = '.cache/assets';
const FOLDERS = ['look', 'sign-in', 'account', 'admin', 'auditor', 'customer', 'demo', 'public', 'technician'];

interface Upgrade {
  readonly path: string;
  readonly rule: DeclaredRoute['rule'];
  /** @param signedIn null where anyone may have it */
  readonly take: (request: IncomingMessage, socket: Duplex, head: Buffer, signedIn: SignedIn | null) => void;
}

export interface PortalParts extends AuditDesk {
  readonly identity: Identity;
  readonly evidence: EvidenceParts['evidence'];
  readonly sessionDesk: SessionPageParts['sessionDesk'];
  readonly support: Support;
  readonly legs: AppletLegs;
  readonly keeping: Keeping;
  readonly status: Status;
  /** The key credentials are signed with, as consoles have to know it. */
  readonly sessionKey: () => Promise<PublicKeyInfo>;
  readonly gateways: () => readonly GatewayAddress[];
  /** Port of the settings; null while they are turned off. */
  readonly settingsPort: () => number | null;
  readonly programs: CustomerParts['programs'];
  /** Only with `packaging/run --demo`; the assets were then made with it too. */
  readonly demo: DemoDesktop | undefined;
  readonly organisation: Organisation;
  readonly publicFolder: string;
  readonly assets: Assets;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Portal {
  readonly routes: readonly DeclaredRoute[];
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly #refusals: Counter;
  readonly #guards: Guards;
  readonly #events: Events;
  readonly #demo: DemoWindow | undefined;
  readonly #upgrades: readonly Upgrade[];

  constructor(parts: PortalParts) {
    const { identity, assets, log, metrics, clock } = parts;
    this.#refusals = metrics.counter('portal_refusals_total', 'Refused requests, by code.');
    const pages = pagesOf(parts);
    const guards = new Guards(identity);
    this.#guards = guards;
    const { support, gateways } = parts;
    const desk = new Desk({ ...parts, seal: new LogSeal(), home: () => firstOf(gateways()), now: () => clock.now() });
    const relays = new Relays({ ...parts, legTokens: support.legTokens });
    this.#events = new Events({ ...parts, present: session => desk.present(session) });
    const shared = { ...parts, pages, guards, desk, relays, ...partsOf(support) };
    this.#demo = parts.demo && new DemoWindow({ ...shared, desktop: parts.demo });
    const routers = [
      homeRoutes(shared),
      customerRoutes(shared),
      channelPageRoutes(shared),
      consolePageRoutes(shared),
      helpRoutes(shared),
      signInRoutes(shared),
      passkeySignInRoutes(shared),
      singleSignOnRoutes(shared),
      accountRoutes(shared),
      confirmRoutes(shared),
      passkeyRoutes(shared),
      shareRoutes(shared),
      memberExchangeRoutes(shared),
      memberListRoutes({ ...shared, groups: support.groups }),
      memberRoutes({ ...shared, groups: support.groups }),
      groupListRoutes({ ...shared, groups: support.groups }),
      groupRoutes({ ...shared, groups: support.groups }),
      groupTechnicianRoutes({ ...shared, groups: support.groups }),
      channelRoutes({ ...shared, groups: support.groups }),
      policyRoutes(shared),
      directoryRoutes(shared),
      singleSignOnAdminRoutes({ ...shared, groups: support.groups }),
      ssoIdRoutes(shared),
      allowListRoutes({ ...shared, groups: support.groups }),
      auditRoutes({ ...shared, groups: support.groups }),
      ...[postRoutes, retentionRoutes, evidenceRoutes].map(routes => routes(shared)),
      ...[movedRoutes, sessionPageRoutes, statusRoutes].map(routes => routes(shared)),
      technicianApi(shared),
      ...(this.#demo === undefined ? [] : [this.#demo.router]),
    ];
    const app = makeApp({ log, refusals: this.#refusals, pages, assets, realm: portalRealm, routers });
    this.handle = app.handle;
    this.#upgrades = this.#makeUpgrades();
    this.routes = [...app.routes, ...this.#upgrades.map(({ path, rule }) => ({ method: 'UPGRADE', path, rule }))];
  }

  /** An upgrade: of our own pages, to a path that takes it, for whom its rule names. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#takeUpgrade(request, socket, head).catch(thrown => {
      const error = thrown instanceof ApplianceError ? thrown : defect('an upgrade failed', thrown);
      this.#refusals.add({ code: error.code });
      refuse(socket, error.status);
    });
  }

  /** Ends what consoles are told by; they come back to the next portal. */
  close(): Promise<void> {
    this.#demo?.close();
    return this.#events.close();
  }

  async #takeUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { headers, url } = request;
    requireOwnOrigin(headers);
    if (headers.origin === undefined) throw foreignOrigin(); // a browser always says it here
    const upgrade = this.#upgrades.find(({ path }) => path === url);
    if (upgrade === undefined) throw notFound();
    const { rule, take } = upgrade;
    const signedIn = rule.includes('anyone') ? null : await this.#guards.admitUpgrade(rule, headers, peerOf(headers));
    if (!socket.destroyed) take(request, socket, head, signedIn);
  }

  #makeUpgrades(): readonly Upgrade[] {
    const [events, demo] = [this.#events, this.#demo];
    const ofConsoles: Upgrade = {
      path: EVENTS_PATH,
      rule: ['technician'],
      take: (request, socket, head, signedIn) => signedIn && events.upgrade(request, socket, head, signedIn),
    };
    if (demo === undefined) return [ofConsoles];
    // It has a secret of its own instead of logins.
    const ofDemo: Upgrade = {
      path: DEMO_STREAM_PATH,
      rule: ['anyone'],
      take: (request, socket, head) => demo.upgrade(request, socket, head),
    };
    return [ofConsoles, ofDemo];
  }
}

/** Of support, under the names pages know. */
function partsOf({ entries, channels, channelEntries }: Support) {
  return { entries, channels, channelEntries };
}

function pagesOf(parts: PortalParts): Pages {
  const folders = FOLDERS.map(folder => join(import.meta.dirname, folder));
  return new Pages(
    parts.assets,
    parts.organisation,
    folders,
    memberFrame(roles => warningsFor(parts, roles)),
  );
}

/** Style and scripts; made once, for setup and portal alike. @param cache folder of what was compressed before */
export async function makeAssets({ demo = false, cache }: { demo?: boolean; cache?: string } = {}): Promise<Assets> {
  const look = join(import.meta.dirname, 'look');
  const sources = {
    'look.css': join(look, 'look.css'),
    'theme.js': join(look, 'theme.client.ts'),
    'portal.js': join(look, 'portal.client.ts'),
    'setup.js': join(import.meta.dirname, 'setup', 'setup.client.ts'),
    ...browserEntrySources,
    ...consoleSources,
    ...playerSources,
  };
  const assets = await Assets.make(sources, cache);
  await assets.bundle(demo ? { ...viewerSources, ...demoSources } : viewerSources, 'esm');
  await assets.add('favicon.svg', FAVICON);
  return assets;
}

const FAVICON = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f5fbf"/>' +
    '<path d="M9 21v-3a7 7 0 0 1 14 0v3" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/>' +
    '<circle cx="9" cy="22" r="3" fill="#fff"/><circle cx="23" cy="22" r="3" fill="#fff"/></svg>',
);

/** What stands above every page, for those who can do something about it. */
function warningsFor(
  { keeping, support, status }: Pick<PortalParts, 'keeping' | 'support' | 'status'>,
  roles: readonly Role[],
): Warnings {
  const isAdmin = roles.includes('master-admin') || roles.includes('admin');
  return {
    alerts: isAdmin ? status.alerts.open : [],
    isDeletionWaiting: keeping.retention.warns && roles.includes('master-admin'),
    unrecorded: roles.includes('master-admin') || roles.includes('auditor') ? support.unrecorded.count : 0,
  };
}

/** For first setup, which takes no upgrade at all. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, refusals: Counter): void {
  try {
    requireOwnOrigin(request.headers);
    refuse(socket, 404);
  } catch (error) {
    if (!(error instanceof ApplianceError)) throw error;
    refusals.add({ code: error.code });
    refuse(socket, error.status);
  }
}

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function firstOf(gateways: readonly GatewayAddress[]): GatewayAddress {
  const [first] = gateways;
  if (first === undefined) throw defect('there is no gateway');
  return first;
}

// The settings' realm (A-05): where IT sets this appliance up, on a socket and, at the gateway, a listener of its own. It shares the
// manner of the portal's pages and none of its routes, logins or cookies. The parts are handed in from `bin/portal.ts`.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { BlockDesk } from './block-desk.ts';
import type { CertificateDesk } from './certificate-desk.ts';
import { refuseUpgrade } from './portal.ts';
import { helpRoutes } from './public/help.ts';
import { homeRoutes } from './public/home.ts';
import { aboutRoutes } from './settings/about.ts';
import { settingsAccountRoutes } from './settings/accounts.ts';
import { type BackupFace, backupRoutes } from './settings/backups.ts';
import { blockRoutes } from './settings/block-pages.ts';
import { certificateRoutes } from './settings/certificates.ts';
import { type RestoreFace, restoreRoutes } from './settings/restore.ts';
import { settingsRoutes } from './settings/settings.ts';
import { settingsFrame } from './settings/settings-frame.ts';
import { SettingsGuards } from './settings/settings-guards.ts';
import { settingsSignInRoutes } from './settings/sign-in.ts';
import { updateRoutes } from './settings/updates.ts';
import type { SettingsDesk } from './settings-desk.ts';
import type { UpdatesDesk } from './updates-desk.ts';
import { makeApp } from './web/app.ts';
import type { Assets } from './web/assets.ts';
import type { DeclaredRoute } from './web/declared-routes.ts';
import { type Organisation, Pages } from './web/pages.ts';
import { settingsRealm } from './web/way-back.ts';

export interface SettingsPortalParts {
  readonly identity: Pick<Identity, 'settingsAccounts'>;
  readonly settings: SettingsDesk;
  readonly blocks: BlockDesk;
  readonly certificates: CertificateDesk;
  readonly backups: BackupFace;
  readonly restores: RestoreFace;
  readonly updates: UpdatesDesk;
  readonly organisation: Organisation;
  readonly publicFolder: string;
  readonly assets: Assets;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class SettingsPortal {
  readonly routes: readonly DeclaredRoute[];
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly #refusals: Counter;

  constructor(parts: SettingsPortalParts) {
    const { identity, settings, assets, organisation, log, metrics } = parts;
    this.#refusals = metrics.counter('settings_refusals_total', 'Refused requests to the settings, by code.');
    const folders = ['look', 'settings', 'public'].map(folder => join(import.meta.dirname, folder));
    const pages = new Pages(assets, organisation, folders, settingsFrame);
    const accounts = identity.settingsAccounts;
    const shared = { ...parts, accounts, pages, guards: new SettingsGuards(accounts, settings) };
    const routers = [
      ...[homeRoutes, helpRoutes, settingsSignInRoutes, settingsAccountRoutes].map(routes => routes(shared)),
      ...[settingsRoutes, blockRoutes, certificateRoutes, backupRoutes, restoreRoutes].map(routes => routes(shared)),
      ...[updateRoutes, aboutRoutes].map(routes => routes(shared)),
    ];
    const app = makeApp({ log, refusals: this.#refusals, pages, assets, realm: settingsRealm, routers });
    this.routes = app.routes;
    this.handle = app.handle;
  }

  /** There is none. */
  upgrade(request: IncomingMessage, socket: Duplex): void {
    refuseUpgrade(request, socket, this.#refusals);
  }
}

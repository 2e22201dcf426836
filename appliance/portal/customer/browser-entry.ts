// The entry without download (E-01): a page around the customer's window, and the Worker that runs the session. The page is
// given the session's secret once, in the answer to a press; it stands in no address, and the answer is kept nowhere.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicKeyInfo } from '../../pki/signature.ts';
import type { Assets } from '../web/assets.ts';
import type { PortalContext } from '../web/context.ts';
import { contentSecurityPolicy } from '../web/headers.ts';
import type { Organisation, Pages } from '../web/pages.ts';

const CUSTOMER_FOLDER = join(import.meta.dirname, '../../customer');
const WINDOW_STYLE = join(import.meta.dirname, '../../browser/customer-window/customer-window.css');
const WORKER = 'customer-worker.js';
const POLICY = 'customer-worker'; // the name its script gives it (customer.client.ts)

/** Script, style and Worker of the entry, to be bundled. */
export const browserEntrySources = {
  'customer.js': join(CUSTOMER_FOLDER, 'customer.client.ts'),
  'customer.css': WINDOW_STYLE,
  [WORKER]: join(CUSTOMER_FOLDER, 'customer-worker.client.ts'),
} as const;

export interface BrowserEntryParts {
  readonly pages: Pages;
  readonly assets: Assets;
  readonly organisation: Organisation;
  readonly publicFolder: string;
  readonly gateways: () => readonly { readonly id: string; readonly port: number }[];
}

export class BrowserEntry {
  readonly workerPath: string;
  readonly #parts: BrowserEntryParts;

  constructor(parts: BrowserEntryParts) {
    this.#parts = parts;
    this.workerPath = parts.assets.path(WORKER).replace('/assets/', '/customer/');
  }

  /** @param guid base64url */
  show(ctx: PortalContext, guid: string): void {
    const { pages, assets, organisation, publicFolder, gateways } = this.#parts;
    const key = (purpose: string) => publicKeyInfo(createPublicKey(readFileSync(join(publicFolder, `${purpose}.pub`))));
    const all = gateways().map(({ id, port }) => ({ id, port }));
    // The page itself connects to nothing: its Worker does, under the policy below.
    ctx.set('Content-Security-Policy', contentSecurityPolicy({ policies: [POLICY] }));
    pages.showWhole(ctx, 'browser-entry', {
      title: 'Remote support',
      windowStyle: assets.path('customer.css'),
      script: assets.path('customer.js'),
      worker: this.workerPath,
      entry: JSON.stringify({
        ...{ guid, organisation: organisation.name, gateways: all },
        ...{ keys: [key('session')], receiptKeys: [key('receipts')] },
      }),
    });
  }

  /** A Worker has the policy its own script came with: legs at the gateways under this page's name, and nothing else. */
  sendWorker(ctx: PortalContext): void {
    const connect = this.#parts.gateways().map(({ port }) => `wss://${ctx.hostname}:${port}`);
    ctx.set('Content-Security-Policy', contentSecurityPolicy({ connect }));
    this.#parts.assets.answer(ctx, WORKER);
  }
}

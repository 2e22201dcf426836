// Debian's own Chromium, driven by playwright-core, with a profile of its own. A page gets the engine without the windows around
// it, which starts with a quarter of the work; what needs the windows (several tabs, sharing one) says so. It accepts the appliance's certificate by the
// hash of its public key, after we have checked that the appliance CA signed it for this name; it trusts no other site.
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { TempFolder } from './temp-folder.ts';

const WHOLE = '/usr/bin/chromium';
const ENGINE = '/usr/bin/chromium-headless-shell';
const SCREENSHOTS = resolve(import.meta.dirname, '../../test-output/screenshots');
const FLAGS = [
  '--no-sandbox', // tests run as root in a container
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

export interface BrowserOptions {
  /** PEM of the appliance CA; `openBrowser(appliance)` takes both from a started one. */
  readonly ca: Buffer;
  /** PEM of the server certificate, signed by that CA for localhost. */
  readonly certificate: Buffer;
  readonly width?: number;
  readonly height?: number;
  readonly locale?: string;
  /** False for a browser in which no script runs. */
  readonly runsScripts?: boolean;
  /** Other sites it goes to, each with its own authority. */
  readonly others?: readonly { readonly ca: string; readonly certificate: string }[];
  /** With all that is around a page, as a person has it: tabs that are in front or not, the choice of what is shared. */
  readonly isWhole?: boolean;
  /** More of Chromium's flags. */
  readonly flags?: readonly string[];
}

export interface TestBrowser extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Everything a page has written to its console as an error, and every exception it didn't catch. */
  readonly complaints: readonly string[];
  /** Writes test-output/screenshots/NAME.png, where somebody wants to look at it: with `SCREENSHOTS` set. */
  screenshot(name: string, page?: Page): Promise<void>;
  close(): Promise<void>;
}

export async function openBrowser(options: BrowserOptions): Promise<TestBrowser> {
  const home = new TempFolder();
  const accepted = [options, ...(options.others ?? [])].map(one => spkiHash(checkedCertificate(one))).join(',');
  const context = await chromium.launchPersistentContext(join(home.path, 'profile'), {
    executablePath: options.isWhole === true ? WHOLE : ENGINE,
    headless: true,
    args: [...FLAGS, ...(options.flags ?? []), `--ignore-certificate-errors-spki-list=${accepted}`],
    env: { PATH: process.env.PATH ?? '', HOME: home.path, LANG: 'C.UTF-8' },
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    locale: options.locale ?? 'en-GB',
    javaScriptEnabled: options.runsScripts ?? true,
  });
  const complaints: string[] = [];
  const listen = (page: Page) => {
    page.on('console', message => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(error.message));
  };
  context.on('page', listen);
  for (const opened of context.pages()) listen(opened);
  const page = context.pages()[0] ?? (await context.newPage());
  const close = async () => {
    await context.close();
    home[Symbol.dispose]();
  };
  return {
    context,
    page,
    complaints,
    screenshot: async (name, of = page) => {
      if (process.env.SCREENSHOTS === undefined) return;
      mkdirSync(SCREENSHOTS, { recursive: true });
      await of.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkedCertificate({ ca, certificate }: { ca: Buffer | string; certificate: Buffer | string }) {
  const presented = new X509Certificate(certificate);
  if (!presented.verify(new X509Certificate(ca).publicKey)) throw new Error('the CA did not sign that certificate');
  if (presented.checkHost('localhost') === undefined) throw new Error('that certificate is not for localhost');
  return presented;
}

/** Base64 of SHA-256 over the public key, as Chromium takes it. */
function spkiHash(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openCustomerPages } from '../customer/open-pages.ts';
import { openBrowser } from '../support/chromium.ts';
import { TestFirefox } from '../support/firefox.ts';
import { look } from '../support/look.ts';
import { startEdge } from '../support/test-edge.ts';

/** The pages behind the real edge, and a browser before it; no gateway takes a leg. */
async function open(t: ExecutionContext) {
  const ports = { edge: 0 };
  const at = await openCustomerPages({ gateways: () => [{ id: 'gateway-1', host: 'localhost', port: ports.edge }] });
  const edge = await startEdge({ portal: at.portal.handle });
  ports.edge = edge.ports.edge;
  const certificate = readFileSync(join(edge.folder, 'public/server.crt'));
  const ca = Buffer.from(edge.authority.certificate);
  const browser = await openBrowser({ width: 1280, height: 720, ca, certificate });
  t.teardown(async () => {
    await browser.close();
    await edge.close();
    await at.close();
  });
  return { at, ca, browser, page: browser.page, url: `https://localhost:${ports.edge}` };
}

test.serial('E-01 attack: the secret of the browser entry is found nowhere once the page is open', async t => {
  t.timeout(120_000);
  const { at, browser, page, url } = await open(t);
  const { code } = await at.invite();
  await page.goto(`${url}/s/${code}`);
  const [answer] = await Promise.all([
    page.waitForResponse(response => response.url().endsWith('/browser')),
    page.getByRole('button', { name: 'Stay in the browser' }).click(),
  ]);
  const guid = /&quot;guid&quot;:&quot;([A-Za-z0-9_-]{22})&quot;/.exec(await answer.text())?.[1] ?? '';
  t.is(guid.length, 22);
  t.is(answer.headers()['cache-control'], 'no-store');
  await page.getByRole('heading', { name: 'Kestrel Works' }).waitFor();
  await page.getByRole('button', { name: 'End everything' }).waitFor();
  t.false(page.url().includes(guid));
  t.false((await page.content()).includes(guid));
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  t.false(stored.includes(guid));
  await look(t, browser, 'browser-entry-connecting');

  const policy = answer.headers()['content-security-policy'] ?? '';
  t.regex(policy, /connect-src 'self';/);
  t.regex(policy, /trusted-types customer-worker$/);
  const blocked = await page.evaluate(async () => {
    const tries = [
      () => new Worker('/assets/other.js'),
      () => document.body.insertAdjacentHTML('beforeend', '<b>x</b>'),
      () =>
        (
          globalThis as unknown as { trustedTypes: { createPolicy(...of: unknown[]): unknown } }
        ).trustedTypes.createPolicy('other', {}),
    ];
    return tries.map(attempt => {
      try {
        attempt();
        return 'done';
      } catch {
        return 'refused';
      }
    });
  });
  t.deepEqual(blocked, ['refused', 'refused', 'refused']);
});

test.serial('E-01 loading the page anew is asked about first, and leads back to the invitation', async t => {
  t.timeout(120_000);
  const { at, page, url } = await open(t);
  const { code } = await at.invite();
  await page.goto(`${url}/s/${code}`);
  await page.getByRole('button', { name: 'Stay in the browser' }).click();
  await page.getByRole('button', { name: 'End everything' }).waitFor();
  await page.getByRole('heading', { name: 'Kestrel Works' }).click(); // a browser asks only where somebody has acted
  const asked = page.waitForEvent('dialog');
  const leaving = page.goto(`${url}/s/${code}/browser`);
  const dialog = await asked;
  t.is(dialog.type(), 'beforeunload');
  await dialog.accept();
  await leaving;
  t.is(page.url(), `${url}/s/${code}`);
});

test.serial('E-11 a browser that is too old gets a clear page, and its invitation stays good', async t => {
  t.timeout(120_000);
  const { at, browser, page, url } = await open(t);
  const { code } = await at.invite();
  await page.goto(`${url}/s/${code}`);
  const old = 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0';
  await page.setExtraHTTPHeaders({ 'user-agent': old });
  await page.getByRole('button', { name: 'Stay in the browser' }).click();
  await page.getByRole('heading', { name: 'This browser is too old' }).waitFor();
  await look(t, browser, 'browser-entry-old');
  await page.getByRole('link', { name: 'Back to the invitation' }).click();
  await page.getByText('This browser is too old for it').waitFor();
  t.deepEqual(await at.events('session.download'), []); // nothing was drawn
});

test.serial('E-01 E-11 Firefox types the PIN and starts the same session', async t => {
  t.timeout(180_000);
  const { at, url, ca } = await open(t);
  const { pin } = await at.invite();
  await using firefox = await TestFirefox.open({ ca });
  await firefox.goto(url);
  await firefox.evaluate(`document.querySelector('input[name=pin]').value = '${pin}'`);
  await firefox.press('Go on');
  await firefox.shows('Tina Technician of Kestrel Works invites you');
  await firefox.screenshot('firefox-invitation');
  await firefox.press('Stay in the browser');
  await firefox.shows('Connecting');
  await firefox.screenshot('firefox-entry');
  t.is(await firefox.evaluate('location.pathname.endsWith("/browser")'), true);
});

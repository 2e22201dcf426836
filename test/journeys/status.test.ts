// An admin who wants to know how the appliance is: what runs, how it was over time, whether he would be told; the page renews
// itself under his hands.
import { join } from 'node:path';
import test from 'ava';
import type { Page } from 'playwright-core';
import { systemClock } from '../../appliance/clock.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { readStoreKeys } from '../../appliance/pki/store-keys.ts';
import { raiseAlert } from '../../appliance/portal/status/alert-store.ts';
import { addSample } from '../../appliance/portal/status/sample-store.ts';
import { Store } from '../../appliance/store/store.ts';
import { startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { faultsOf } from '../support/look.ts';
import { MIGRATIONS } from '../support/store.ts';
import { look, signIn } from './portal-steps.ts';

const MINUTE_MS = 60_000;
const SERIES = {
  sessions: 4,
  waiting: 2,
  technicians: 6,
  relayed: 3e6,
  processor: 30,
  memory: 4e8,
  disk: 40,
  logins: 3,
};

/** An hour that was, with an alert that is over as soon as anybody looks. */
async function anHour(dataFolder: string): Promise<void> {
  const shared = { clock: systemClock, log: silentLog, metrics: new Metrics() };
  const folder = join(dataFolder, 'store');
  const store = await Store.open({ folder, keys: readStoreKeys(dataFolder), migrations: MIGRATIONS, ...shared });
  const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  await store.core.transaction(async tx => {
    const text = 'Process gone. gateway-2: no answer for 1 minute';
    await raiseAlert(tx, { kind: 'process-gone', about: 'gateway-2', text, raisedAt: now - 5 * MINUTE_MS });
    for (let minute = 59; minute > 0; minute--) {
      if (minute > 20 && minute < 26) continue; // it was off
      for (const [series, usual] of Object.entries(SERIES)) {
        const mean = series === 'disk' ? usual : usual * (1 + Math.sin(minute / 6));
        const [least, most] = [mean * 0.8, mean * 1.2];
        await addSample(tx, 60, { series, at: now - minute * MINUTE_MS, count: 6, total: mean * 6, least, most });
      }
    }
  });
  await store.close();
}

/** What the page does every ten seconds, and when somebody looks at it again. */
async function renew(page: Page): Promise<void> {
  const renewed = page.waitForResponse(answer => answer.url().includes('/admin/status/now'));
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await (await renewed).finished();
}

test('A-06 an admin sees what runs and how it was; the page renews itself and leaves focus and what is unfolded alone', async t => {
  t.timeout(120_000);
  const alerts = { syslog: { protocol: 'udp', host: '127.0.0.1', port: 9 } };
  await using appliance = await startAppliance({ accounts: true, recorder: true, config: { alerts }, before: anHour });
  await using admin = await openBrowser(appliance);
  const { page } = admin;
  const account = appliance.accounts?.['master-admin'];
  await signIn(page, appliance.url, account?.loginId ?? '', account?.password ?? '');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Status' }).click();
  for (const name of ['signer', 'portal', 'gateway-1', 'recorder', 'jobs']) {
    await page.getByRole('row', { name: new RegExp(`^${name} Good .* of memory`) }).waitFor();
  }
  await page.getByRole('button', { name: 'Send a test alert' }).click();
  await page.getByText('Sent to port 9 by UDP').waitFor();
  await page.getByText('The last that ended').click();
  await page.getByRole('cell', { name: 'Process gone. gateway-2' }).waitFor();
  await look(t, admin, 'status');
  await page.setViewportSize({ width: 400, height: 800 });
  await admin.screenshot('portal-status-narrow');
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Status' }).click();
  const plot = page.getByRole('figure').filter({ hasText: 'Customers waiting' });
  t.regex(
    (await plot.getByRole('img').getAttribute('aria-label')) ?? '',
    /^Customers waiting, since an hour ago: .* at most/,
  );
  await plot.getByText('As a table').click();
  await plot.getByRole('cell').first().waitFor();
  const month = page.getByRole('link', { name: '30 days' });
  await month.focus();
  const name = page.getByRole('rowheader', { name: 'recorder' });
  await name.evaluate(cell => cell.replaceChildren('of yesterday')); // as if the look before had told something else
  await renew(page);
  await name.waitFor();
  t.true(await plot.locator('details').evaluate(details => details instanceof HTMLDetailsElement && details.open));
  t.is(await page.evaluate(() => document.activeElement?.textContent), '30 days');
  await month.press('Enter');
  await page.getByRole('link', { name: '30 days' }).and(page.locator('[aria-current]')).waitFor();
  await page.goto(`${appliance.url}/help/status`);
  await admin.screenshot('portal-help-status');
  t.deepEqual(await faultsOf(page), []);
  t.deepEqual(admin.complaints, []);
});

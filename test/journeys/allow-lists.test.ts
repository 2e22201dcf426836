// Allow lists on the pages, and what becomes of a console that is open when its technician's list changes.
import test from 'ava';
import { post, signInAs } from '../portal/ask-as.ts';
import { startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { faultsOf } from '../support/look.ts';
import { runBin } from '../support/run-bin.ts';
import { look, signIn } from './portal-steps.ts';

const LIVE_MS = 5000;

test.serial(
  'C-06 an open console ends within 5 s when its list changes; who would lock himself out is told',
  async t => {
    t.timeout(120_000);
    await using at = await startAppliance({ accounts: true });
    await using browser = await openBrowser(at);
    const { page } = browser;
    const { technician, 'master-admin': master } = at.accounts ?? {};
    await signIn(page, at.url, technician?.loginId ?? '', technician?.password ?? '');
    await page.getByTestId('queue-incoming').waitFor();

    const cookie = await signInAs(at, master);
    const own = { cookie, origin: at.url, 'sec-fetch-site': 'same-origin' };
    const root = '/admin/addresses/AAAAAAAAAAAAAAAAAAAAAA';
    const startedAt = performance.now();
    t.is((await post(at, root, { ranges: '203.0.113.0/24', seen: '[]' }, own)).status, 303);
    await page.getByText('You are signed out').waitFor();
    const tookMs = performance.now() - startedAt;
    t.true(tookMs < LIVE_MS, `${tookMs} ms`);
    t.log(`an open console ended after ${Math.round(tookMs)} ms`);
    await signIn(page, at.url, technician?.loginId ?? '', technician?.password ?? '');
    await page.getByRole('alert').getByText('Login id, password or code are not right').waitFor();

    t.regex(
      await runBin('from-anywhere', at.dataFolder, '--member', technician?.loginId ?? ''),
      /^1 allow lists emptied/,
    );
    t.regex(await signInAs(at, technician), /^__Host-login=/);

    await signIn(page, at.url, master?.loginId ?? '', master?.password ?? '');
    await page.getByRole('link', { name: 'Allow lists' }).click();
    await page.getByRole('link', { name: 'Everyone' }).waitFor();
    t.deepEqual(await faultsOf(page), [], 'allow-lists');
    await page.getByRole('link', { name: 'Members' }).click();
    await page.getByRole('link', { name: 'Demo master admin' }).click();
    await page.locator('main').getByRole('link', { name: 'Allow list' }).click();
    await page.getByLabel('Addresses and ranges').fill('203.0.113.0/24');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('You would lock yourself out').waitFor();
    t.is(await page.getByLabel('Addresses and ranges').inputValue(), '203.0.113.0/24');
    await look(t, browser, 'allow-list-refused');
    await page.getByLabel('Addresses and ranges').fill('127.0.0.0/8\n::1');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    await page.locator('main').getByRole('link', { name: 'Demo master admin' }).click();
    await page.getByText('Only from 127.0.0.0/8 ::1').waitFor();
    t.deepEqual(await faultsOf(page), [], 'member-allow-list');
    t.deepEqual(
      browser.complaints.filter(text => !/status of 4(01|03|09)/.test(text)),
      [],
    );
  },
);

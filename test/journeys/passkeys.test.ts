// Passkeys in Chromium with its virtual authenticator: added, used as the second step and alone, cancelled, removed.
import test, { type ExecutionContext } from 'ava';
import type { CDPSession } from 'playwright-core';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { faultsOf } from '../support/look.ts';
import { look, signIn } from './portal-steps.ts';

type Who = 'technician' | 'master-admin';

interface Authenticator {
  readonly session: CDPSession;
  readonly authenticatorId: string;
}

interface Scene {
  readonly t: ExecutionContext;
  readonly at: Appliance;
  readonly browser: TestBrowser;
  readonly authenticator: Authenticator;
}

async function plugIn(browser: TestBrowser): Promise<Authenticator> {
  const session = await browser.context.newCDPSession(browser.page);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { session, authenticatorId };
}

async function enter({ at, browser }: Scene, who: Who): Promise<void> {
  const { loginId = '', password = '' } = at.accounts?.[who] ?? {};
  await browser.context.clearCookies();
  await signIn(browser.page, at.url, loginId, password);
}

async function confirmByPassword({ t, at, browser }: Scene): Promise<void> {
  const { page } = browser;
  await page.goto(`${at.url}/account/passkeys`);
  await page.getByText('You have no passkey yet').waitFor();
  t.deepEqual(await faultsOf(page), [], 'passkeys-none');
  await page.getByRole('link', { name: 'Confirm' }).click();
  await page.getByLabel('Present password').waitFor();
  await page.getByLabel('Present password').fill('not the password');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('That was not right.').waitFor();
  await page.getByLabel('Present password').fill(at.accounts?.technician.password ?? '');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
}

async function add(scene: Scene): Promise<void> {
  const { t, browser } = scene;
  const { page } = browser;
  await confirmByPassword(scene);
  await page.getByLabel('Name', { exact: true }).fill('office laptop');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('heading', { name: 'Recovery codes' }).waitFor();
  t.is(await page.locator('#codes code').count(), 10);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByLabel('Name of office laptop', { exact: true }).fill('blue laptop');
  await page.getByRole('button', { name: 'Save the name of office laptop' }).click();
  await page.getByLabel('Name of blue laptop', { exact: true }).waitFor();
  await look(t, browser, 'passkeys');
  await page.getByLabel('Name', { exact: true }).fill('the same again');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByText('This device has a passkey of yours already.').waitFor();
}

async function takeSecondStep(scene: Scene): Promise<void> {
  const { t, browser } = scene;
  const { page } = browser;
  await enter(scene, 'technician');
  await page.getByRole('heading', { name: 'Second step' }).waitFor();
  await page.getByLabel('Recovery code').waitFor();
  await look(t, browser, 'two-step-passkey');
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByTestId('queue-incoming').waitFor();
}

async function allowAlone(scene: Scene): Promise<void> {
  const { t, at, browser } = scene;
  const { page } = browser;
  await enter(scene, 'master-admin');
  await page.getByRole('heading', { name: 'Members' }).waitFor();
  await page.goto(`${at.url}/admin/password-policy`);
  await page.getByLabel('A passkey alone is enough').check();
  await page.getByRole('button', { name: 'Save' }).last().click();
  await page.getByText('Saved.').waitFor();
  t.true(await page.getByLabel('A passkey alone is enough').isChecked());
  t.deepEqual(await faultsOf(page), [], 'passkey-policy');
}

async function askAlone({ at, browser }: Scene): Promise<void> {
  await browser.context.clearCookies();
  await browser.page.goto(`${at.url}/sign-in`);
  await browser.page.getByRole('button', { name: 'Sign in with a passkey' }).click();
}

async function signInAlone(scene: Scene): Promise<void> {
  const { t, at, browser, authenticator } = scene;
  const { page } = browser;
  await browser.context.clearCookies();
  await page.goto(`${at.url}/sign-in`);
  await look(t, browser, 'sign-in-passkey');
  const { session, authenticatorId } = authenticator;
  await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await askAlone(scene);
  await page.getByText('Cancelled, or time ran out.').waitFor();
  await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  await askAlone(scene);
  await page.getByTestId('queue-incoming').waitFor();
}

async function remove(scene: Scene): Promise<void> {
  const { t, at, browser } = scene;
  const { page } = browser;
  await page.goto(`${at.url}/account/passkeys`);
  await page.getByRole('link', { name: 'Confirm' }).click();
  await page.getByRole('button', { name: 'Use a passkey' }).waitFor();
  t.deepEqual(await faultsOf(page), [], 'confirm-passkey');
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByRole('button', { name: 'Remove blue laptop' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
  await page.getByText('You have no passkey yet').waitFor();
  await askAlone(scene);
  await page.getByRole('alert').getByText('Login id, password or code are not right').waitFor();
  t.true(page.url().endsWith('/sign-in/passkey'));
}

async function forceSetUp(scene: Scene): Promise<void> {
  const { t, browser } = scene;
  const { page } = browser;
  await enter(scene, 'master-admin');
  await page.getByRole('link', { name: 'Demo technician' }).click();
  await page.getByRole('button', { name: 'Require' }).click();
  await page.getByRole('button', { name: "Don't require" }).waitFor();
  await enter(scene, 'technician');
  await page.getByRole('heading', { name: 'Or use a passkey' }).waitFor();
  await look(t, browser, 'enrol-passkey');
  await page.getByLabel('Name', { exact: true }).fill('office laptop');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByTestId('queue-incoming').waitFor();
}

async function withoutPasskeys({ t, at, browser }: Scene): Promise<void> {
  const { page } = browser;
  await page.addInitScript(() => Reflect.deleteProperty(window, 'PublicKeyCredential'));
  await browser.context.clearCookies();
  await page.goto(`${at.url}/sign-in`);
  await page.getByText('This browser has no passkeys.').waitFor();
  t.true(await page.getByRole('button', { name: 'Sign in with a passkey' }).isDisabled());
}

test.serial('C-03 a passkey in a browser: added, a second step, alone where allowed, cancelled, removed', async t => {
  t.timeout(120_000);
  await using at = await startAppliance({ accounts: true });
  await using browser = await openBrowser(at);
  const scene: Scene = { t, at, browser, authenticator: await plugIn(browser) };
  await enter(scene, 'technician');
  await browser.page.getByTestId('queue-incoming').waitFor();
  await add(scene);
  await takeSecondStep(scene);
  await allowAlone(scene);
  await signInAlone(scene);
  await remove(scene);
  await forceSetUp(scene);
  await withoutPasskeys(scene);
  t.deepEqual(
    browser.complaints.filter(text => !/status of 40[13]/.test(text)),
    [],
  );
});

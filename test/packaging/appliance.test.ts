import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { type Appliance, ask, startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ recorder: true });
});
test.after.always(() => appliance?.close());

test.serial('B-01 attack: a client that does not know the appliance CA gets no connection', async t => {
  const stranger = spawn('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    '/dev/null',
    '-subj',
    '/CN=x',
  ]);
  const [pem] = await once(stranger.stdout, 'data');
  const error = await t.throwsAsync(ask({ port: appliance.port, ca: pem }, '/readyz'));
  t.regex((error as NodeJS.ErrnoException).code ?? '', /UNABLE_TO_VERIFY|SELF_SIGNED|ISSUER/);
});

test.serial('A-02, A-04 the setup page opens in a browser without a complaint', async t => {
  await using browser = await openBrowser(appliance);
  const answer = await browser.page.goto(`${appliance.url}/setup#${appliance.setupCode}`);
  t.is(answer?.status(), 200);
  t.true((await browser.page.locator('form').count()) > 0);
  t.true((await browser.page.title()).length > 0);
  await browser.screenshot('packaging-setup');
  t.deepEqual(browser.complaints, []);
});

test.serial('A-06 each process may be killed and comes back without the others', async t => {
  const status = async (path: string) => (await appliance.fetch(path)).status;
  t.is(await status('/readyz'), 200);
  t.regex(appliance.setupCode ?? '', /\S{8,}/);
  for (const name of ['signer', 'portal', 'gateway', 'recorder', 'jobs'] as const) {
    await appliance.processes[name].restart('SIGKILL');
    t.is(await status('/healthz'), 200, name);
  }
  const stoppedAt = performance.now();
  await appliance.processes.portal.kill('SIGTERM');
  t.true(performance.now() - stoppedAt < 3000);
});

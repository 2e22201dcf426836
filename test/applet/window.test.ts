// The real applet, built and signed, on a customer's desktop: his own user, his real browser with its sandbox on.
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../appliance/clock.ts';
import { loadPrivateKey } from '../../appliance/pki/key-files.ts';
import { TestAppliance } from '../customer-core/test-appliance.ts';
import { TestIssuer } from '../link/support.ts';
import { faultsOf } from '../support/look.ts';
import { shownCode } from '../support/shown-code.ts';
import { BuiltApplets, ORGANISATION } from './built-applet.ts';
import { Desktop } from './desktop.ts';
import { serveLegs } from './leg-gateway.ts';
import { listKeyFrom, signedList, TestGateway } from './test-gateway.ts';

const SCREENSHOTS = resolve(import.meta.dirname, '../../test-output/screenshots');
let built: BuiltApplets;
let gateway: TestGateway;

test.before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  built = await BuiltApplets.build(['linux-x64'], async dataFolder => {
    const read = (path: string) => readFileSync(join(dataFolder, path), 'utf8');
    const key = listKeyFrom(loadPrivateKey(dataFolder, 'gateway-list.key'));
    const certificate = { certificate: read('public/server.crt'), key: read('keys/server.key') };
    gateway = await TestGateway.start(certificate, port =>
      signedList(key, [{ id: 'gateway-1', host: 'localhost', port }], Date.now()),
    );
    return gateway.port;
  });
});
test.after.always(async () => {
  await gateway?.[Symbol.asyncDispose]();
  built?.[Symbol.dispose]();
});

/** An appliance behind the gateway, with a session of its own. */
function openAppliance(t: ExecutionContext) {
  const privateKey = createPrivateKey(readFileSync(join(built.dataFolder, 'keys/session.key')));
  const kid = built.configuration.keys.session[0]?.kid ?? '';
  const issuer = new TestIssuer({ privateKey, kid });
  const appliance = new TestAppliance({ clock: systemClock, issuer });
  t.teardown(() => appliance.close());
  return { appliance, seen: serveLegs(gateway, appliance) };
}

test.serial(
  'B-03 D-02 E-03 K-04 the real applet and a console: the same code, chat, a yes, a stop, and the report',
  async t => {
    await using desktop = await Desktop.open();
    const { appliance } = openAppliance(t);
    desktop.installBrowser();
    const program = join(desktop.home, 'support');
    await built.download('linux-x64', program, built.tag({ guid: appliance.guid }));
    const applet = desktop.run(program);
    const { browser, page } = await desktop.window();
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('Waiting for a technician').waitFor();
    const console = await appliance.connect();
    await page.getByText('A technician is here').waitFor();
    t.is(await shownCode(page.locator('#shortString')), console.link.shortString);
    console.say('Good morning, how can I help?');
    await page.getByText('Good morning, how can I help?').waitFor();
    await page.getByLabel('Your message').fill('It says error 5');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('It says error 5').waitFor();
    await page.getByText('sending…').waitFor({ state: 'detached' }); // the console has confirmed it
    const request = await console.request('launch-desktop-viewing');
    await page.getByText('Show your screen?').waitFor();
    await page.getByRole('button', { name: 'Yes, allow' }).click();
    await page.getByText('Your screen is being watched').waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, 'applet-session.png') });
    await page.getByRole('button', { name: 'Stop this' }).click();
    await page.getByText('Your screen is being watched').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'End everything' }).click();
    await page.getByText('Viewing the screen: allowed once').waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, 'applet-report.png') });
    t.deepEqual(console.about(request), ['asked', 'answer:yes', 'started', 'end:customer:customer']);
    t.is(console.link.state.state, 'closed');
    const stages = appliance.reports.map(({ stage }) => stage);
    t.deepEqual(stages, ['chat', 'chat', 'asked', 'granted', 'started', 'ended']);
    const ended = once(applet, 'exit');
    await page.close();
    t.deepEqual(await ended, [0, null]);
    await browser.close();
  },
);

test.serial(
  'D-07 F-02 the window: who it is, Start, waiting, a lost gateway, the end, and nothing left behind',
  async t => {
    await using desktop = await Desktop.open();
    const { appliance, seen } = openAppliance(t);
    const asked = gateway.requests;
    desktop.installBrowser();
    const program = join(desktop.home, 'support');
    await built.download('linux-x64', program, built.tag({ guid: appliance.guid }));
    const applet = desktop.run(program);
    const { browser, page } = await desktop.window();
    await page.getByRole('heading', { name: ORGANISATION }).waitFor();
    await page.getByRole('button', { name: 'End everything' }).waitFor();
    t.regex(page.url(), /^http:\/\/127\.0\.0\.1:\d+\/$/); // the code is gone from the address
    t.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0]);
    t.is(gateway.requests, asked); // nothing is claimed, nobody asked, before Start
    t.false((await desktop.processes()).some(line => line.includes('--no-sandbox')));
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(SCREENSHOTS, `applet-window-${colorScheme}.png`) });
    }
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('Waiting for a technician').waitFor();
    t.is(gateway.requests, asked + 1);
    t.deepEqual(new Set(seen.map(({ host, origin }) => `${host} ${origin}`)).size, 1);
    t.is(seen[0]?.origin, `https://applet.localhost:${gateway.port}`);
    appliance.isAway = true;
    for (const socket of gateway.connections) socket.destroy();
    await page.getByText(/connection to the support servers was lost.*Trying again in \d s/).waitFor();
    appliance.isAway = false;
    await page.getByText('was lost').waitFor({ state: 'detached' });
    t.is(appliance.all('claim').length, 1);
    t.is(appliance.all('return').length, 1);
    await page.getByRole('button', { name: 'End everything' }).click();
    await page.getByText('It has ended').waitFor();
    await page.getByText('No technician was connected.').waitFor();
    t.is(appliance.open.length, 0);
    const state = join(desktop.home, '.local/state');
    const [folder] = readdirSync(state);
    t.regex(readdirSync(join(state, folder ?? '')).join(' '), /^session-\S+-report\.json session-\S+\.log$/);
    const ended = once(applet, 'exit');
    await page.close();
    t.deepEqual(await ended, [0, null]);
    await browser.close();
    t.deepEqual(readdirSync(join(desktop.home, 'tmp')), []);
    await desktop.isEmpty();
  },
);

test.serial('F-01 D-05 an applet without a tag, or with a bad one, asks for the PIN', async t => {
  await using desktop = await Desktop.open();
  openAppliance(t);
  desktop.installBrowser();
  const program = join(desktop.home, 'support');
  await copyFile(built.of('linux-x64').path, program);
  const applet = desktop.run(program);
  const { browser, page } = await desktop.window();
  await page.getByLabel('Code from the technician').fill('123 456 789');
  t.true(await page.locator('#start').isHidden());
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Waiting for a technician').waitFor();
  const ended = once(applet, 'exit');
  applet.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
  await browser.close();
  await desktop.isEmpty();
});

test.serial('D-07 attack: another user of the computer, and a second use of the address', async t => {
  await using desktop = await Desktop.open();
  desktop.installBrowser();
  const program = join(desktop.home, 'support');
  await built.download('linux-x64', program);
  const applet = desktop.run(program);
  const { browser, page } = await desktop.window();
  await page.getByText('Ready when you are').waitFor();
  const address = new URL(desktop.address());
  const code = address.hash.slice(1);
  // root is another user than the customer: not a byte, though it asks for nothing but the page.
  const stranger = connect(Number(address.port), '127.0.0.1');
  const closed = new Promise(resolve => stranger.on('close', resolve));
  stranger.on('error', () => stranger.destroy()); // reset or closed: cut off either way
  stranger.write(`GET / HTTP/1.1\r\nHost: ${address.host}\r\n\r\n`);
  let heard = 0;
  stranger.on('data', chunk => {
    heard += chunk.length;
  });
  await closed;
  t.is(heard, 0);
  t.is(applet.exitCode, null);
  // Another program of the customer's own has read the address and uses it again: the session ends.
  const ended = once(applet, 'exit');
  const script = `fetch('${address.origin}/open', { method: 'POST', body: '${code}', headers: { origin: '${address.origin}' } })
    .then(answer => process.exit(answer.status === 403 ? 0 : 1), () => process.exit(2))`;
  const thief = desktop.run('/usr/bin/node', ['-e', script]);
  const [[status]] = await Promise.all([once(thief, 'exit'), ended]);
  t.is(status, 0);
  await browser.close();
  await desktop.isEmpty();
});

test.serial('D-07 the window has no faults a screen reader or a keyboard would stumble over', async t => {
  await using desktop = await Desktop.open();
  desktop.installBrowser();
  const program = join(desktop.home, 'support');
  await built.download('linux-x64', program);
  const applet = desktop.run(program);
  const { browser, page } = await desktop.window();
  await page.getByText('Ready when you are').waitFor();
  t.deepEqual(await faultsOf(page), []);
  applet.kill('SIGTERM');
  await once(applet, 'exit');
  await browser.close();
});

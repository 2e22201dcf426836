// The way to a customer's X display and its end, against real servers.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';

const open = (environment: NodeJS.ProcessEnv, clock = systemClock) => XConnection.open({ clock, environment });
const refused = (connection: Promise<XConnection>) =>
  connection.then(
    opened => {
      opened.close();
      throw new Error('it was opened');
    },
    (error: ApplianceError) => `${error.code}: ${error.message} / ${error.hint}`,
  );

for (const [what, environment, words] of [
  ['no display', { HOME: '/' }, /screen\.unavailable.*"" is no X11 display.*from the desktop itself/],
  ['a display that is no name of one', { DISPLAY: 'C:' }, /screen\.unavailable.*"C:" is no X11 display/],
  ['a display that is not there', { DISPLAY: ':59999' }, /screen\.unavailable.*can't be reached/],
  ['a Wayland desktop without X11', { WAYLAND_DISPLAY: 'wayland-0' }, /Wayland session.*"Xorg"/],
  ['a Wayland session', { DISPLAY: ':0', XDG_SESSION_TYPE: 'wayland' }, /Wayland session.*"Xorg"/],
] as const) {
  test(`E-04 ${what} is said plainly, with what to do about it`, async t => {
    t.regex(await refused(open(environment)), words);
  });
}

test('E-04 a display opens, answers, has extensions or not, and refuses what is wrong', async t => {
  await using desktop = await Desktop.open({ flags: () => ['-extension', 'RANDR'] });
  const connection = await open(desktop.environment);
  const { root } = connection.screen;
  const { width, height } = await connection.ask<{ width: number; height: number }>(answer =>
    connection.client.GetGeometry(root, answer),
  );
  t.deepEqual([width, height], [1280, 900]);
  t.truthy((await connection.extension('damage'))?.majorOpcode);
  t.is(await connection.extension('randr'), null);
  const getInputFocus = Uint8Array.of(43, 0, 1, 0);
  t.is((await connection.askBytes(Buffer.from(getInputFocus))).length, 24);
  const wrong = connection.ask(answer => connection.client.GetGeometry(1, answer));
  t.is((await t.throwsAsync<ApplianceError>(wrong)).code, 'display.refused');
  connection.close();
  t.is(await connection.closed, null);
  const elsewhere = { ...desktop.environment, DISPLAY: `${desktop.environment.DISPLAY}.3` };
  t.regex(await refused(open(elsewhere)), /screen\.unavailable.*no screen 3/);
  const late = connection.ask(answer => connection.client.GetInputFocus(answer));
  t.is((await t.throwsAsync<ApplianceError>(late)).code, 'screen.lost');
});

test("E-04 the user's cookie opens a display that lets nobody else in", async t => {
  const cookie = randomBytes(16);
  const entry = (family: number, address: string, number: string, data: Buffer) =>
    Buffer.concat([
      Uint8Array.of(family >> 8, family & 255),
      ...[Buffer.from(address), Buffer.from(number), Buffer.from('MIT-MAGIC-COOKIE-1'), data].map(field =>
        Buffer.concat([Uint8Array.of(0, field.length), field]),
      ),
    ]);
  await using desktop = await Desktop.open({
    flags: folder => {
      writeFileSync(join(folder, 'server'), entry(256, hostname(), '', cookie));
      return ['-auth', join(folder, 'server')];
    },
  });
  const display = desktop.environment.DISPLAY ?? '';
  const path = join(desktop.home, '.Xauthority');
  const others = [entry(256, hostname(), '77', randomBytes(16)), entry(256, 'elsewhere', '', randomBytes(16))];
  for (const [own, inside] of [
    [entry(256, hostname(), display.slice(1), cookie), true],
    [entry(65_535, '', '', cookie), true],
    [entry(256, hostname(), display.slice(1), cookie).subarray(0, -1), false], // it is being written just now
    [entry(256, hostname(), display.slice(1), randomBytes(16)), false],
  ] as const) {
    writeFileSync(path, Buffer.concat([...others, own]));
    if (inside) (await open({ ...desktop.environment, XAUTHORITY: path })).close();
    else t.regex(await refused(open(desktop.environment)), /screen\.unavailable.*does not let this program in/);
  }
  t.regex(await refused(open({ DISPLAY: display, HOME: desktop.folder })), /does not let this program in/);
});

test('E-04 a display that is closed ends the connection and what was asked', async t => {
  await using desktop = await Desktop.open();
  const connection = await open(desktop.environment);
  desktop.signal('SIGSTOP'); // so that what is asked now stays open
  const asked = connection.ask(answer => connection.client.GetInputFocus(answer));
  desktop.signal('SIGKILL');
  t.is((await t.throwsAsync<ApplianceError>(asked)).code, 'screen.lost');
  t.is(await connection.closed, 'display-lost');
});

for (const busy of [true, false]) {
  test(`E-04 a display that stops answering ${busy ? 'while it is asked' : 'in a quiet moment'} is stuck`, async t => {
    await using desktop = await Desktop.open();
    const clock = new ManualClock();
    const connection = await open(desktop.environment, clock);
    desktop.signal('SIGSTOP');
    const asked = busy ? connection.ask(answer => connection.client.GetInputFocus(answer)) : null;
    clock.advance(6000);
    t.is(await connection.closed, 'display-stuck');
    if (asked !== null) t.is((await t.throwsAsync<ApplianceError>(asked)).code, 'screen.lost');
  });
}

test('E-04 a display that does not answer from the start is not waited for', async t => {
  await using desktop = await Desktop.open();
  const clock = new ManualClock();
  desktop.signal('SIGSTOP');
  let settled = false;
  const opening = refused(open(desktop.environment, clock)).finally(() => {
    settled = true;
  });
  // The way in reads files, so how many turns it takes is the machine's affair: time passes until the attempt is given up.
  while (!settled) {
    clock.advance(500);
    await nextTurn();
  }
  t.regex(await opening, /screen\.unavailable/);
});

test('E-04 a program that was itself stopped for a while does not blame the display', async t => {
  await using desktop = await Desktop.open();
  const clock = new ManualClock();
  const connection = await open(desktop.environment, clock);
  const asked = connection.ask(answer => connection.client.GetInputFocus(answer));
  clock.skip(60_000);
  await asked;
  clock.advance(1500);
  t.truthy(await connection.ask(answer => connection.client.GetInputFocus(answer)));
  connection.close();
  t.is(await connection.closed, null);
});

// A technician sees and moves a customer's screen in Chromium. The picture comes from Debian's TigerVNC server.
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { parseInputEvent, type RfbKey } from '../../appliance/protocol/rfb-client-messages.ts';
import { fileIn } from '../applet/desktop.ts';
import { startAppliance } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { HostileCustomer } from './hostile-customer.ts';
import { Technician } from './people.ts';
import { savedPicture } from './saved-picture.ts';
import { ScreenPeer } from './screen-peer.ts';
import { VncDesktop } from './vnc-desktop.ts';
import { differing, pictureOf } from './xwd.ts';

const EVIL = '<img src=x onerror="alert(1)"><b>left</b>';
const MONITORS = [
  { id: 1, name: EVIL, x: 0, y: 0, width: 640, height: 800, primary: true },
  { id: 2, name: 'HDMI-1', x: 640, y: 0, width: 640, height: 800, primary: false },
];

const SIGNS = 'ABC !"$%/()';

function keyEvents({ inputs }: ScreenPeer): readonly RfbKey[] {
  const events = inputs.flatMap(input => (input.type === 'event' ? [parseInputEvent(input.rfb)] : []));
  return events.filter(event => event.type === 'key');
}

/** Signs of the keys that were pressed, by their keysyms. */
function keysOf(peer: ScreenPeer): string {
  const pressed = keyEvents(peer).filter(({ down, keysym }) => down && keysym < 0x100);
  return pressed.map(({ keysym }) => String.fromCharCode(keysym)).join('');
}

/** Keysyms of keys that were pressed and not let go. */
function heldKeys(peer: ScreenPeer): readonly number[] {
  const held = new Set<number>();
  for (const { down, keysym } of keyEvents(peer)) {
    if (down) held.add(keysym);
    else held.delete(keysym);
  }
  return [...held];
}

async function sees(t: ExecutionContext, technician: Technician, peer: ScreenPeer): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'See the screen', exact: true }).click();
  await page.locator('.screen[data-phase="live"]').waitFor();
  t.like(peer.controls[0], { type: 'open', grant: 1, quality: 'auto' });
  await page.getByTestId('keys-go').getByText('View only').waitFor();
  peer.news({ type: 'monitors', monitors: MONITORS, monitor: 0 });
  await page.getByLabel('Monitor').selectOption('2');
  await page.getByLabel('Quality').selectOption('sharp');
  await peer.until(() => peer.controls.find(control => control.type === 'quality'));
  t.like(peer.controls[1], { type: 'monitor', monitor: 2 });
  t.is(await page.locator('.screen img, .screen option b').count(), 0, 'a monitor’s name is text');
  await page.locator('canvas').click({ position: { x: 50, y: 50 } });
  await page.keyboard.press('a');
  t.deepEqual(peer.inputs, [], 'without control nothing leaves');
}

/** Resolves when the technician's picture is that of the X server, in every pixel. */
async function isExact(page: Page, desktop: VncDesktop): Promise<void> {
  // What was sent last may be on its way still.
  while (differing(await savedPicture(page), pictureOf(desktop.display)) > 0) await page.locator('.screen').waitFor();
}

async function types(
  t: ExecutionContext,
  technician: Technician,
  peer: ScreenPeer,
  typed: () => Promise<string>,
): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Ask for control' }).click();
  await page.getByTestId('screen-mode').getByText('You control').waitFor();
  await page.getByTestId('keys-go').getByText('Click the picture').waitFor();
  await page.locator('canvas').click({ position: { x: 200, y: 150 } });
  await page.getByTestId('keys-go').getByText('Keys go to the customer').waitFor();
  await page.keyboard.type('abc');
  await page.keyboard.press('Enter');
  t.is(await typed(), 'abc\n');
  await page.keyboard.type(SIGNS);
  await peer.until(() => (keysOf(peer).endsWith(SIGNS) ? true : undefined));
  await page.keyboard.insertText('é€中');
  await peer.until(() => (keyEvents(peer).some(({ keysym }) => keysym === 0x0100_4e2d) ? true : undefined));
  await page.keyboard.press('Alt+N');
  t.is(await page.getByRole('dialog').count(), 0, 'the console’s own shortcuts are quiet meanwhile');
  await page.keyboard.press('Control+Alt+Shift+Escape');
  await page.getByTestId('keys-go').getByText('Click the picture').waitFor();
  await page.keyboard.press('Alt+M');
  await page.keyboard.type('not for the customer’s editor');
  t.is(await page.getByLabel('Message').inputValue(), 'not for the customer’s editor');
  await page.getByLabel('Message').fill('');
  t.is(await typed(), 'abc\n');
  t.is(keysOf(peer).slice(-SIGNS.length - 2), `${SIGNS}éN`);
  t.deepEqual(heldKeys(peer), [], 'whoever leaves the picture leaves no key pressed');
}

async function pressesAndPoints(t: ExecutionContext, technician: Technician, peer: ScreenPeer): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Keys', exact: true }).click();
  await technician.look(t, 'screen-keys');
  const before = keyEvents(peer).length;
  await page.getByRole('button', { name: 'Ctrl Alt Delete' }).click();
  await peer.until(() => (keyEvents(peer).length >= before + 6 ? true : undefined));
  const sent = keyEvents(peer).slice(before, before + 6);
  t.deepEqual(
    sent.map(({ down, keysym }) => [down, keysym]),
    [
      ...[0xffe3, 0xffe9, 0xffff].map(keysym => [true, keysym]),
      ...[0xffff, 0xffe9, 0xffe3].map(keysym => [false, keysym]),
    ],
  );
  await page.keyboard.press('Control+Alt+Shift+Escape');
  await page.keyboard.press('Alt+L');
  await page.locator('.glass').hover({ position: { x: 100, y: 100 } });
  await page.locator('.glass').click({ position: { x: 200, y: 120 } });
  await page.keyboard.press('Alt+L');
  const spots = await peer.until(() => {
    const lasers = peer.inputs.filter(input => input.type === 'laser');
    return lasers.at(-1)?.shown === false ? lasers : undefined;
  });
  t.true(spots.length >= 3 && spots.every(({ grant, x, y }) => grant === 1 && x < 1280 && y < 800));
  // Inputs come in the order they were sent; the keys that left the picture may arrive only now, but before any spot.
  const pointing = peer.inputs.slice(peer.inputs.findIndex(({ type }) => type === 'laser'));
  t.true(
    pointing.every(({ type }) => type === 'laser'),
    'whoever points clicks nothing',
  );
}

/** All the room there is: sides away, then full screen, then a very large window. */
async function makesRoom(t: ExecutionContext, technician: Technician): Promise<void> {
  const { page } = technician;
  const width = () => page.locator('.stage').evaluate(stage => stage.clientWidth);
  const before = await width();
  await page.getByRole('button', { name: 'Chat', exact: true }).click();
  await page.getByRole('button', { name: 'Details', exact: true }).click();
  t.true((await width()) > before);
  await technician.browser.screenshot('console-screen-alone');
  await page.keyboard.press('Alt+M');
  t.true(await page.getByLabel('Message').evaluate(message => message === document.activeElement), 'the chat is back');
  await page.getByRole('button', { name: 'Details', exact: true }).click();
  await page.getByRole('button', { name: 'Full screen' }).click();
  await page.getByRole('button', { name: 'Full screen', pressed: true }).waitFor();
  await technician.browser.screenshot('console-screen-full');
  await page.getByRole('button', { name: 'Full screen' }).click();
  await page.getByRole('button', { name: 'Full screen', pressed: false }).waitFor();
  await page.getByRole('button', { name: 'Fit', exact: true }).click();
  t.is(await page.locator('.screen canvas').evaluate(canvas => canvas.clientWidth), 1280, 'pixel by pixel');
  await technician.browser.screenshot('console-screen-pixel-by-pixel');
  await page.getByRole('button', { name: 'Fit', exact: true }).click();
  await page.setViewportSize({ width: 3840, height: 2160 });
  await technician.browser.screenshot('console-screen-4k');
  await page.setViewportSize({ width: 1280, height: 720 });
}

async function sharesTheClipboard(t: ExecutionContext, technician: Technician, peer: ScreenPeer): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
  await page.getByRole('button', { name: 'Ask to share the clipboard' }).click();
  await page.getByLabel('To the customer').fill('https://example.com/driver');
  await page.getByRole('button', { name: 'Put on his clipboard' }).click();
  const given = await peer.until(() => peer.inputs.find(input => input.type === 'clipboard'));
  t.is(given.grant, 3);
  await page
    .locator('.clip-out')
    .getByText(/Offered|It is there/)
    .waitFor();
  await technician.look(t, 'screen-clipboard');
  await page.getByRole('button', { name: 'Stop sharing' }).click();
  await page.getByRole('button', { name: 'Ask to share the clipboard' }).waitFor();
  await page.keyboard.press('Escape');
}

async function isTold(t: ExecutionContext, technician: Technician, peer: ScreenPeer): Promise<void> {
  const { page } = technician;
  const says = (text: string) => page.locator('.stage').getByText(text).waitFor();
  for (const [state, words] of [
    ['question', 'A question is on the customer’s screen'],
    ['customer-input', 'using mouse or keyboard himself'],
    ['paused', 'has paused your control'],
  ] as const) {
    peer.inputState(state);
    await says(words);
  }
  peer.inputState('on');
  peer.news({ type: 'state', state: 'paused' });
  await says('The customer has paused the picture');
  await technician.look(t, 'screen-paused');
  peer.news({ type: 'state', state: 'live' });
  await page.locator('.screen-host.old').waitFor({ state: 'detached' });
  peer.stop('launch-remote-control');
  await page.getByTestId('screen-mode').getByText('View only').waitFor();
  peer.news({ type: 'ended', why: 'display-lost' });
  await says('display is gone');
  await page.getByRole('button', { name: 'Open again' }).click();
  await page.locator('.screen[data-phase="live"]').waitFor();
  peer.stop('launch-desktop-viewing');
  await says('Stopped by the customer');
  await technician.look(t, 'screen-stopped');
  await page.getByRole('button', { name: 'Ask again' }).click();
  await page.locator('.screen[data-phase="live"]').waitFor();
  await page.getByRole('button', { name: 'Stop viewing' }).click();
  await page.getByRole('button', { name: 'Put the picture away' }).click();
  await page.locator('.screen').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'See the screen', exact: true }).click();
  await page.locator('.screen[data-phase="live"]').waitFor();
}

test.serial('E-04 D-02 a technician sees the screen, controls it, and is told what becomes of it', async t => {
  t.timeout(300_000);
  using folder = new TempFolder();
  const typed = join(folder.path, 'typed');
  await using appliance = await startAppliance({ accounts: true });
  await using desktop = await VncDesktop.open();
  // A font of bits: letters with soft edges TigerVNC sends as JPEG, and never exactly.
  desktop.run('xterm', '-geometry', '90x28+60+40', '-e', 'sh', '-c', `cat > ${typed}`);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const pin = await technician.makeSession('Ada Lovelace');
  await using customer = await HostileCustomer.enter(appliance, pin, 'en', 'linux-x64');
  const peer = new ScreenPeer(customer, () => desktop.connect());
  await technician.pickUp('Ada Lovelace');

  await sees(t, technician, peer);
  await technician.look(t, 'screen-viewing');
  await types(t, technician, peer, () => fileIn(folder.path, 'typed'));
  await isExact(technician.page, desktop);
  await technician.look(t, 'screen-control');
  await pressesAndPoints(t, technician, peer);
  await makesRoom(t, technician);
  await sharesTheClipboard(t, technician, peer);
  await isTold(t, technician, peer);
  await appliance.processes.gateway.kill('SIGKILL');
  await technician.page.locator('.stage').getByText('This is the last picture').waitFor();
  await technician.look(t, 'screen-interrupted');
  t.deepEqual(technician.complaints, []);
});

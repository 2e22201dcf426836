// The window's guards one by one, and what the page shows of each state, in a real browser.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import WebSocket from 'ws';
import { isOwnConnection } from '../../appliance/applet/connection-owner.ts';
import { findOwners } from '../../appliance/applet/connection-owner-linux.ts';
import { findProcess, findUser } from '../../appliance/applet/connection-owner-windows.ts';
import type { WindowFile } from '../../appliance/applet/window-answers.ts';
import { CODE_LIFETIME_MS, WINDOW_GONE_MS, WindowServer } from '../../appliance/applet/window-server.ts';
import { ANSWER_DELAY_MS } from '../../appliance/browser/customer-window/answer-delay.ts';
import { WindowModel } from '../../appliance/customer-core/window-model.ts';
import type { WindowCommand } from '../../appliance/protocol/customer-window.ts';
import { faultsOf } from '../support/look.ts';
import { ManualClock } from '../support/manual-clock.ts';

const STRANGER = 65_533; // another user than ours

const STYLE = resolve(import.meta.dirname, '../../appliance/browser/customer-window/customer-window.css');
const PAGE = resolve(import.meta.dirname, '../../appliance/applet/window');
const SCREENSHOTS = resolve(import.meta.dirname, '../../test-output/screenshots');

async function windowFiles(): Promise<Map<string, WindowFile>> {
  const entryPoints = [join(PAGE, 'window.client.ts')];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
  const [html, css] = [join(PAGE, 'window.html'), STYLE].map(path => readFileSync(path, 'utf8'));
  return new Map<string, WindowFile>([
    ['/', { type: 'text/html; charset=utf-8', body: html ?? '' }],
    ['/window.css', { type: 'text/css; charset=utf-8', body: css ?? '' }],
    ['/window.js', { type: 'text/javascript; charset=utf-8', body: outputFiles[0]?.text ?? '' }],
  ]);
}
const files = windowFiles();

async function startWindow(t: ExecutionContext) {
  const clock = new ManualClock(Date.now());
  const model = new WindowModel('Example & Sons');
  const commands: WindowCommand[] = [];
  const ended: string[] = [];
  const visible: boolean[] = [];
  const server = new WindowServer({
    ...{ clock, model, isOwn: isOwnConnection, files: await files },
    command: command => commands.push(command),
    ended: why => ended.push(why),
    visible: isVisible => visible.push(isVisible),
  });
  await server.listen();
  t.teardown(async () => {
    const closed = server.close();
    clock.advance(1000);
    await closed;
  });
  const address = new URL(server.newAddress());
  return { clock, model, commands, ended, visible, server, address, code: address.hash.slice(1) };
}

interface Asking {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function ask(address: URL, { method = 'GET', path = '/', headers = {}, body = '' }: Asking) {
  const sent = request({ host: '127.0.0.1', port: address.port, method, path, agent: false, headers });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

function open(address: URL, body: string, headers: Record<string, string> = {}) {
  return ask(address, { method: 'POST', path: '/open', body, headers: { origin: address.origin, ...headers } });
}

function dial(address: URL, origin: string, path = '/window'): WebSocket {
  return new WebSocket(`ws://${address.host}${path}`, { origin });
}

/** However it ends. */
function closing(socket: WebSocket): Promise<void> {
  socket.on('error', () => socket.terminate());
  return new Promise(resolve => socket.on('close', () => resolve()));
}

test('D-07 every answer forbids framing, storing, telling and foreign code', async t => {
  const { address } = await startWindow(t);
  for (const path of ['/', '/window.js', '/window.css', '/other']) {
    const { status, headers } = await ask(address, { path });
    t.is(status, path === '/other' ? 404 : 200);
    t.is(headers['cache-control'], 'no-store');
    t.is(headers['referrer-policy'], 'no-referrer');
    t.is(headers['set-cookie'], undefined);
    t.regex(
      headers['content-security-policy'],
      /default-src 'none'.*frame-ancestors 'none'.*require-trusted-types-for/,
    );
  }
});

test('D-07 attack: another name for this computer, or another site’s page, gets nothing', async t => {
  const { address, code, server } = await startWindow(t);
  const { port } = address;
  for (const host of ['localhost', 'evil.example', `localhost:${port}`, '127.0.0.1', `127.0.0.1:${Number(port) - 1}`]) {
    t.is((await ask(address, { headers: { host } })).status, 403, host);
  }
  for (const origin of ['http://evil.example', 'null', `http://localhost:${port}`, `https://127.0.0.1:${port}`, '']) {
    t.is((await open(address, code, { origin })).status, 403, origin);
  }
  t.is((await ask(address, { method: 'POST', path: '/open', body: code })).status, 403); // no origin at all
  t.is((await open(address, code, { 'sec-fetch-site': 'cross-site' })).status, 403);
  t.is((await ask(address, { headers: { 'sec-fetch-site': 'same-site' } })).status, 403);
  t.is(server.refused.host, 5);
  t.is(server.refused.origin, 8);
  t.is((await open(address, code)).status, 200); // none of them has used the code up
});

test('D-07 attack: the code of the address is good once, for 15 s, and a second use ends the session', async t => {
  const { address, code, ended, clock, server } = await startWindow(t);
  for (const wrong of ['', 'x', code.slice(1), `${code}A`, 'A'.repeat(1000)]) {
    t.is((await open(address, wrong)).status, 403);
  }
  t.deepEqual(ended, []);
  t.is((await open(address, code)).status, 200);
  t.is((await open(address, code)).status, 403);
  t.deepEqual(ended, ['code-used-twice']);
  t.throws(() => server.newAddress(), { code: 'window.open' });
  const late = await startWindow(t);
  late.clock.advance(CODE_LIFETIME_MS + 1);
  t.is((await open(late.address, late.code)).status, 403);
  const next = new URL(late.server.newAddress());
  t.is((await open(next, late.code)).status, 403); // the one before is void
  t.is((await open(next, next.hash.slice(1))).status, 200);
  clock.advance(WINDOW_GONE_MS); // and a window that never came is one that is gone
  t.deepEqual(ended, ['code-used-twice', 'window-closed']);
});

test('D-07 attack: a socket without the page’s secret hears nothing and says nothing', async t => {
  const { address, code, commands, server } = await startWindow(t);
  const secret = (await open(address, code)).body;
  const foreign = dial(address, 'http://evil.example');
  await closing(foreign);
  for (const first of [code, `${secret}A`, '', 'x'.repeat(10_000), JSON.stringify({ type: 'end' })]) {
    const socket = dial(address, address.origin);
    const heard: unknown[] = [];
    socket.on('message', data => heard.push(data));
    const closed = closing(socket);
    await once(socket, 'open');
    socket.send(first);
    socket.send(JSON.stringify({ type: 'end' }));
    await closed;
    t.deepEqual(heard, []);
  }
  t.deepEqual(commands, []);
  t.is(server.refused.origin, 1);
  t.is(server.refused.secret, 5);
});

test('D-07 attack: what the page would never send is dropped and counted', async t => {
  const { address, code, commands, server, visible } = await startWindow(t);
  const socket = dial(address, address.origin);
  await once(socket, 'open');
  socket.send((await open(address, code)).body);
  await once(socket, 'message');
  t.deepEqual(visible, [true]);
  const wrong = ['', '{', '{}', '[]', '{"type":"grant"}', '{"type":"end","more":1}', '{"type":"pin","pin":"1"}'];
  for (const message of [...wrong, JSON.stringify({ type: 'chat', text: 'x'.repeat(2001) })]) socket.send(message);
  socket.send('{"type":"start"}');
  while (commands.length === 0) await new Promise(resolve => setImmediate(resolve));
  t.deepEqual(commands, [{ type: 'start' }]);
  t.is(server.refused.command, wrong.length + 1);
  socket.close();
  await once(socket, 'close');
});

test('D-07 attack: a process of another user is cut off before it is answered', async t => {
  if (process.getuid?.() !== 0) return t.fail('a second user needs root: run the tests as root');
  const { address, server } = await startWindow(t);
  const script = `const s=require('net').connect(${address.port},'127.0.0.1');let n=0;s.on('data',d=>n+=d.length);
    s.on('error',()=>0);s.on('close',()=>process.exit(n===0?0:1));
    s.write('GET / HTTP/1.1\\r\\nHost: ${address.host}\\r\\n\\r\\n')`;
  const stranger = spawn('/usr/bin/node', ['-e', script], { uid: STRANGER, gid: STRANGER, stdio: 'ignore', cwd: '/' });
  const [status] = await once(stranger, 'exit');
  t.is(status, 0);
  t.is(server.refused.owner, 1);
});

test('D-07 the owner of a connection, as Linux and Windows tell it', t => {
  const connection = { serverPort: 0x1f90, clientPort: 0xc001 };
  const line = (local: string, remote: string, state: string, uid: number) =>
    `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 1 1 0 20 4 30 10 -1`;
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    line('0100007F:1F90', '0100007F:C001', '01', 5), // our own end
    line('0100007F:C001', '0100007F:1F90', '01', 1000),
    line('0100007F:C001', '0100007F:1F90', '06', 0), // TIME_WAIT has no owner
    line('0200007F:C001', '0100007F:1F90', '01', 7),
  ].join('\n');
  t.deepEqual(findOwners(table, '0100007F', connection), [1000]);
  const netstat =
    '\r\n  Proto  Local Address  Foreign Address  State  PID\r\n' +
    '  TCP    127.0.0.1:8080   127.0.0.1:49153   ESTABLISHED   11\r\n' +
    '  TCP    127.0.0.1:49153   127.0.0.1:8080   HERGESTELLT   4242\r\n';
  t.is(findProcess(netstat, connection), 4242);
  t.is(findProcess(netstat, { serverPort: 8080, clientPort: 1 }), undefined);
  const csv = '"chrome.exe","4242","Console","1","90,120 K","Running","OFFICE\\ann","0:00:01","N/A"\r\n';
  t.deepEqual(findUser(csv, 4242), { user: 'OFFICE\\ann', session: '1' });
  t.is(findUser('INFO: No tasks are running', 4242), undefined);
});

async function openPage(t: ExecutionContext, address: URL) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const args = ['--no-sandbox', '--disable-gpu']; // tests run as root in a container
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 520, height: 820 } });
  const complaints: string[] = [];
  page.on('console', message => complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(error.message));
  await page.clock.install();
  await page.goto(address.href);
  return { page, complaints };
}

/** Stops the page's own time, so that what a person does in a moment is done in it however busy the machine is. */
async function stopTime(page: Page): Promise<number> {
  await page.clock.pauseAt(Date.now() + 60_000);
  return page.evaluate(() => Date.now());
}

async function askToView(page: Page, model: WindowModel, now: number) {
  const question = { action: 'launch-desktop-viewing', scope: '', technician: 'Ann', ttlMs: 3_600_000 };
  model.update({ question: { ...question, consentId: 'c1', silenceAt: now + 30_000 } });
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Show your screen?').waitFor();
  return dialog;
}

/** @returns the name of one who would like to be more than a name */
function showTechnician(model: WindowModel, since: number): string {
  const name = 'Ann <img src=x onerror=alert(1)>';
  model.update({
    phase: 'active',
    technician: { name, since },
    mayWrite: true,
    running: [
      { id: 'g1', action: 'launch-remote-control', scope: '', technician: name, since, until: since + 3_600_000 },
    ],
    shortString: { text: '482913', state: 'open' },
  });
  model.chat({ id: 'l1', from: 'technician', name, text: 'Hello <b>you</b>', at: since, isPending: false });
  return name;
}

test('D-06 Escape pressed again and again in the first moment leaves the question on the screen', async t => {
  const { address, model, commands } = await startWindow(t);
  const { page } = await openPage(t, address);
  const now = await stopTime(page);
  showTechnician(model, now);
  const dialog = await askToView(page, model, now);
  for (let pressed = 0; pressed < 4; pressed++) await page.keyboard.press('Escape');
  await dialog.getByText('Show your screen?').waitFor();
  await page.clock.runFor(ANSWER_DELAY_MS);
  await page.keyboard.press('Escape'); // now it is meant: a no, said to the program
  while (commands.length === 0) await new Promise(resolve => setImmediate(resolve));
  t.deepEqual(commands, [{ type: 'answer', consentId: 'c1', answer: 'no' }]);
});

test('D-02 D-06 D-07 the page shows who, what and how long, asks in plain words, and Return by habit is a no', async t => {
  const { address, model, commands } = await startWindow(t);
  const { page, complaints } = await openPage(t, address);
  const now = await stopTime(page);
  const name = showTechnician(model, now - 83_000);
  await page.getByText('Hello <b>you</b>').waitFor(); // as text, never as markup
  t.is(await page.locator('#technician').textContent(), name);
  t.is(await page.locator('#timer').textContent(), '01:23');
  await page.getByText('Your computer is being controlled').waitFor();
  await shots(page, 'active');
  await page.getByRole('button', { name: 'Stop this' }).click();
  await page.getByRole('button', { name: 'It is the same' }).click();
  await page.getByLabel('Your message').fill('Good morning');
  await page.getByRole('button', { name: 'Send' }).click();
  const dialog = await askToView(page, model, now);
  const yes = dialog.getByRole('button', { name: 'Yes, allow' });
  t.is(await yes.getAttribute('aria-disabled'), 'true');
  await dialog.getByRole('button', { name: 'End everything' }).click(); // one click, whatever is being asked
  await page.locator('#no').focus();
  await page.keyboard.press('Enter'); // meant for what was there before: nothing
  t.is(await page.locator('#countdown').textContent(), '30 s');
  t.true(await page.locator('#no').evaluate(button => button === document.activeElement));
  await page.clock.runFor(ANSWER_DELAY_MS);
  t.is(await yes.getAttribute('aria-disabled'), 'false');
  await page.clock.resume();
  t.deepEqual(await faultsOf(page), []);
  await shots(page, 'question');
  await page.keyboard.press('Enter');
  model.update({ question: null });
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'End everything' }).click();
  const expected: WindowCommand[] = [
    { type: 'stop', id: 'g1' },
    { type: 'codes', match: true },
    { type: 'typing', typing: true },
    { type: 'chat', text: 'Good morning' },
    { type: 'typing', typing: false },
    { type: 'end' },
    { type: 'answer', consentId: 'c1', answer: 'no' },
    { type: 'end' },
  ];
  while (commands.length < expected.length) await new Promise(resolve => setImmediate(resolve));
  t.deepEqual(commands, expected);
  t.deepEqual(complaints, []);
});

test('D-02 E-03 K-04 the page: typing, notices, codes, an unconfirmed line, and the report with a way to save it', async t => {
  const { address, model } = await startWindow(t);
  const { page, complaints } = await openPage(t, address);
  const at = Date.now() - 600_000;
  const line = { from: 'customer', name: '', text: 'It says error 5', at, isPending: true } as const;
  model.update({ phase: 'active', technician: { name: 'Ann', since: at }, isTyping: true, mayWrite: true });
  model.update({ shortString: { text: '482913', state: 'differ' } });
  model.notice('technician-lost');
  model.notice('failed-attempts', { count: 2 });
  model.chat({ ...line, id: 'l1' });
  await page.getByText('sending…').waitFor();
  await page.getByText('Ann is writing…').waitFor();
  await page.getByText('2 attempts failed.').waitFor();
  await page.getByText('Reconnecting').waitFor();
  await page.getByText('not the same. Nothing but chat is possible').waitFor();
  t.is(await page.locator('#shortString').textContent(), '482 913');
  await shots(page, 'troubles');
  model.chat({ ...line, id: 'l1', isPending: false });
  await page.getByText('sending…').waitFor({ state: 'detached' });
  t.is(await page.locator('#chatLines li').count(), 1); // told again, it is the same line
  model.clearNotice('technician-lost', 'failed-attempts');
  await page.getByText('2 attempts failed.').waitFor({ state: 'detached' });
  const right = { action: 'launch-remote-control', allowed: 1, refused: 2, seconds: 300 };
  const file = { name: 'report.json', text: '{"session":"s"}' };
  const facts = { isComplete: true, startedAt: at, endedAt: at + 600_000, technicians: ['Ann'], rights: [right] };
  const rest = { files: [], reboots: 0, warnings: ['claimed-twice'], logPath: '/home/ann/session.log', file };
  model.update({ phase: 'ended', technician: null, isTyping: false, mayWrite: false, report: { ...facts, ...rest } });
  await page.getByText('Control of this computer: allowed once, refused 2 times; it ran for 5 min.').waitFor();
  t.deepEqual(await faultsOf(page), []);
  await shots(page, 'report');
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save this report' }).click();
  t.is((await saved).suggestedFilename(), 'report.json');
  t.deepEqual(complaints, []);
});

async function shots(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [size, viewport] of [
      ['app', { width: 520, height: 820 }],
      ['wide', { width: 1280, height: 720 }],
    ] as const) {
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(SCREENSHOTS, `customer-window-${name}-${colorScheme}-${size}.png`) });
    }
  }
}

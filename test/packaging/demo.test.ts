// `packaging/run --demo`: one person with two browser tabs plays both roles. As root, with a customer of his own.
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { markedProcesses } from '../../packaging/marked-processes.ts';
import { ask, freePort, startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { type Ready, Run } from '../support/run.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { textIn } from '../support/watched-file.ts';

/** Where the program's window has its Start, in pixels of the 1440 × 900 desktop, once it is at the top left and in front. */
const START = { x: 280, y: 268, width: 1440, height: 900 };

interface At {
  readonly port: number;
  readonly ca: Buffer;
}

/** The customer's home, by what the portal is told of his desktop. */
function homeOf(data: string): string {
  return dirname(dirname(JSON.parse(readFileSync(join(data, 'run', 'demo.json'), 'utf8')).socketPath));
}

/** His processes. One that is ending, or waits for this machine's init, has no command line any more and shows as `[name]`. */
function processesOf(uid: number): string[] {
  const lines = execFileSync('ps', ['-e', '-o', 'uid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter(line => new RegExp(`^ *${uid} +[^[ ]`).test(line));
}

/** Title of the program's window, as it begins. */
const TITLE = 'Remote support';

/**
 * Puts the program's window to the top left and in front of the others, if it is there: where it opens depends on which of them
 * opened before it.
 */
async function bringForward(uid: number): Promise<void> {
  const [pid] = execFileSync('pgrep', ['-u', String(uid), '-x', 'openbox'], { encoding: 'utf8' }).split('\n');
  const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  const env = Object.fromEntries(environ.map(line => line.split(/=(.*)/s).slice(0, 2)));
  const wmctrl = (...args: string[]) =>
    promisify(execFile)('wmctrl', args, { env }).then(
      ({ stdout }) => stdout,
      () => '', // the window manager is not up yet, or the window has just gone
    );
  if (!(await wmctrl('-l')).includes(TITLE)) return;
  await wmctrl('-r', TITLE, '-e', '0,10,20,-1,-1');
  await wmctrl('-a', TITLE);
}

/** @returns status of an upgrade to the desktop's stream */
async function knock(at: At, protocols: string): Promise<number | undefined> {
  const own = `localhost:${at.port}`;
  const sent = request({
    ...{
      host: '127.0.0.1',
      servername: 'localhost',
      port: at.port,
      ca: at.ca,
      agent: false,
      path: '/demo/desktop/stream',
    },
    headers: {
      ...{ host: own, origin: `https://${own}`, connection: 'Upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' },
      'sec-websocket-protocol': protocols,
    },
  });
  sent.end();
  const [answer] = await Promise.race([once(sent, 'response'), once(sent, 'upgrade')]);
  sent.destroy();
  return answer.statusCode;
}

/** Signs in and looks into the technician's queue. */
async function queueOf(at: At, account: { loginId: string; password: string }) {
  const origin = `https://localhost:${at.port}`;
  const form = { origin, 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ ...account }).toString();
  const signedIn = await ask(at, '/sign-in', { method: 'POST', headers: form, body });
  const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  return async (): Promise<string[]> => {
    const answer = await ask(at, '/technician/api/sessions?queue=incoming', { headers: { cookie } });
    const { sessions } = answer.json() as { sessions: { state: string }[] };
    return sessions.map(({ state }) => state);
  };
}

const folder = new TempFolder();
const data = join(folder.path, 'data');
let run: Run;
let at: At;
let ready: Ready;
test.before(async () => {
  const port = await freePort();
  run = new Run('--data', data, '--port', String(port), '--demo');
  ready = await run.ready();
  at = { port, ca: readFileSync(ready.ca) };
});
test.after.always(async () => {
  await run?.stop('SIGTERM');
  folder[Symbol.dispose]();
});

test.serial('A-01 attack: the demo’s desktop without its secret, and where there is no demo', async t => {
  const secret = ready.customer?.window.split('#')[1] ?? '';
  t.is(await knock(at, `binary, secret.${secret}`), 101);
  const wrong = `${secret.startsWith('A') ? 'B' : 'A'}${secret.slice(1)}`;
  for (const protocols of ['binary', 'binary, secret.', `binary, secret.${wrong}`, `secret.${secret}x`]) {
    t.is(await knock(at, protocols), 403, protocols);
  }
  await using plain = await startAppliance();
  t.is((await ask(plain, '/demo/desktop')).status, 404);
  t.is(await knock(plain, `binary, secret.${secret}`), 404);
});

test.serial('A-01 F-01 the demo: the customer’s program on a desktop of his own, seen and used in a page', async t => {
  t.timeout(280_000);
  const { accounts, customer } = ready;
  t.regex(customer?.pin ?? '', /^\d{3} \d{3} \d{3}$/);
  const queue = await queueOf(at, accounts?.technician ?? { loginId: '', password: '' });
  t.deepEqual(await queue(), ['connecting']);

  const certificate = readFileSync(join(data, 'public', 'server.crt'));
  await using browser = await openBrowser({ ca: at.ca, certificate, width: 1440, height: 980 });
  const { page } = browser;
  await page.goto(customer?.window ?? '');
  await page.locator('[data-state]').waitFor({ state: 'hidden' });
  const desktop = page.locator('canvas').first();
  const box = await desktop.boundingBox();
  if (box === null) throw new Error('the desktop has no size');
  const position = { x: (START.x / START.width) * box.width, y: (START.y / START.height) * box.height };
  await textIn(join(data, 'log'), 'demo.log', log => log.includes('demo.program-started')); // it is built after READY
  // Until its window is there, the click meets the bare desktop.
  const home = homeOf(data);
  const { uid } = statSync(home);
  while (!(await queue()).includes('waiting')) {
    await bringForward(uid);
    await desktop.click({ position });
  }
  await page.screenshot({ path: 'test-output/screenshots/demo-window.png' });
  t.deepEqual(browser.complaints, []);
  t.not(uid, 0);
  const his = processesOf(uid);
  t.true(his.some(line => line.includes('chromium')));
  t.deepEqual(
    his.filter(line => line.includes('--no-sandbox')),
    [],
  );

  t.is(await run.stop('SIGINT'), 0);
  t.deepEqual(markedProcesses(data), []);
  t.deepEqual(processesOf(uid), []);
  t.false(existsSync(home));
});

import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { readOwnTag } from '../../appliance/applet/own-tag.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import { TestApplet } from '../sessions/open-sessions.ts';
import { CUSTOMER, servePages } from './ask-pages.ts';
import { keep, TINA } from './open-pages.ts';

const HOUR_MS = 3_600_000;
const LINUX = { fields: { platform: 'linux-x64' } };

test('E-01 a PIN leads to the invitation, once, however it is typed', async t => {
  const { at, ask } = await servePages(t);
  const arabic = (pin: string) => [...pin].map(digit => String.fromCodePoint(0x0660 + Number(digit))).join('');
  const ways = [
    (pin: string) => pin,
    (pin: string) => pin.replace(/\d{3}(?=\d)/g, '$& '),
    (pin: string) => ` ${pin.slice(0, 3)}-${pin.slice(3, 6)}–${pin.slice(6)}\t`,
    arabic,
  ];
  for (const way of ways) {
    const { pin } = await at.invite();
    const entered = await ask('POST', '/pin', { fields: { pin: way(pin) } });
    t.is(entered.status, 303);
    t.regex(String(entered.headers.location), /^\/s\/[A-Za-z0-9_-]{22}$/);
    const page = await ask('GET', String(entered.headers.location));
    t.is(page.status, 200);
    t.regex(page.text, /Tina Technician of Kestrel Works invites you/);
    t.is((await ask('POST', '/pin', { fields: { pin } })).status, 403);
  }
});

test('E-01 D-05 a wrong PIN is refused in plain words, and what was typed stays', async t => {
  const { ask } = await servePages(t);
  const wrong = await ask('POST', '/pin', { fields: { pin: '123 456 789' } });
  t.is(wrong.status, 403);
  t.regex(wrong.text, /value="123 456 789"/);
  t.regex(wrong.text, /This PIN is not valid/);
  const letters = await ask('POST', '/pin', { fields: { pin: '<b>hello' } });
  t.is(letters.status, 400);
  t.regex(letters.text, /value="&lt;b&gt;hello"/);
  t.regex(letters.text, /nothing but digits/);
  t.is((await ask('POST', '/pin', { fields: {} })).status, 400);
  t.is((await ask('POST', '/pin', { fields: { pin: '1'.repeat(101) } })).status, 400);
});

test('E-01 the pages are small: all of the first one is 20 KB on the wire at most', async t => {
  const { at, ask } = await servePages(t);
  const { code } = await at.invite();
  const headers = { 'accept-encoding': 'br, gzip' };
  for (const path of ['/', `/s/${code}`]) {
    const page = await ask('GET', path, { headers });
    t.is(page.headers['content-encoding'], 'br');
    const plain = await ask('GET', path);
    const parts = [...plain.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(match => match[1] ?? '');
    t.true(parts.length >= 4);
    const sizes = await Promise.all([...new Set(parts)].map(async part => (await ask('GET', part, { headers })).body));
    const bytes = sizes.reduce((sum, { length }) => sum + length, page.body.length);
    t.true(bytes <= 20_480, `${path}: ${bytes} bytes`);
    t.log(`${path}: ${bytes} bytes`);
  }
});

test('D-08 whoever is signed in is led to his own page, and reaches the PIN page all the same', async t => {
  const { at, ask } = await servePages(t);
  await at.member('tess@example.com', ['auditor']);
  const { token } = await at.signIn('tess@example.com');
  const headers = { cookie: `__Host-login=${token}` };
  const first = await ask('GET', '/', { headers });
  t.is(first.headers.location, '/admin/audit');
  t.regex((await ask('GET', '/pin', { headers })).text, /Type the PIN/);
  t.regex((await ask('GET', '/')).text, /Type the PIN/);
});

test('F-01 D-05 attack: a mail scanner that follows the link a hundred times uses nothing up', async t => {
  const { at, ask } = await servePages(t);
  const { id, code } = await at.invite();
  const before = await at.events('session.');
  for (let n = 0; n < 50; n++) {
    t.is((await ask('GET', `/s/${code}`, { headers: { 'x-appliance-peer': `203.0.113.${n}` } })).status, 200);
    t.is((await ask('HEAD', `/s/${code}`)).status, 200);
    t.is((await ask('GET', `/s/${code}/download`)).status, 404);
  }
  t.deepEqual(await at.events('session.'), before);
  t.is((await at.sessions.get(id)).state, 'connecting');
  t.is((await ask('POST', `/s/${code}/download`, LINUX)).status, 200);
});

test('D-05 unknown, run out, claimed and malformed links are answered with one page', async t => {
  const { at, ask } = await servePages(t);
  const claimed = await at.invite();
  const { guid } = await at.entries.drawGuid(claimed.code, CUSTOMER);
  await at.entries.claim(sha256(gatewayToken(guid)), new TestApplet().spki, CUSTOMER);
  const old = await at.invite();
  at.clock.advance(25 * HOUR_MS);
  const codes = ['A'.repeat(22), old.code, claimed.code, 'x', '_'.repeat(21)];
  const pages = await Promise.all(codes.map(code => ask('GET', `/s/${code}`)));
  const [first] = pages;
  t.is(first?.status, 404);
  t.regex(first?.text ?? '', /not valid \(any more\)/);
  t.regex(first?.text ?? '', /name="pin"/);
  for (const page of pages) t.deepEqual([page.status, page.text], [first?.status, first?.text]);
  for (const code of codes) {
    const pressed = await ask('POST', `/s/${code}/download`, LINUX);
    t.deepEqual([pressed.status, pressed.text], [first?.status, first?.text]);
  }
});

test('F-01 each download is tagged anew, and the one before is void', async t => {
  const { at, ask, folder } = await servePages(t);
  const { code } = await at.invite();
  const language = { 'accept-language': 'fr-CH, en;q=0.8' };
  const read = (name: string, body: Uint8Array) =>
    readOwnTag(keep(folder, name, body), { platform: 'linux-x64', keys: [at.tagKey], now: at.clock.now() });

  const plain = await ask('POST', `/s/${code}/download`, { ...LINUX, headers: language });
  t.is(plain.status, 200);
  t.is(plain.headers['content-encoding'], undefined);
  t.is(plain.headers['content-disposition'], 'attachment; filename="remote-support"');
  t.is(plain.headers['cache-control'], 'no-store');
  t.is(Number(plain.headers['content-length']), plain.body.length);
  const first = read('first', plain.body);
  t.is(first.tag?.language, 'fr');
  t.is(first.tag?.expiresAt, at.clock.now() + 24 * HOUR_MS);

  const headers = { 'accept-encoding': 'gzip, br' };
  const packed = await ask('POST', `/s/${code}/download`, { ...LINUX, headers });
  t.is(packed.headers['content-encoding'], 'gzip');
  t.is(Number(packed.headers['content-length']), packed.body.length);
  const whole = gunzipSync(packed.body);
  t.true(whole.subarray(0, -94).equals(plain.body.subarray(0, -94)));
  const second = read('second', whole);
  if (first.tag === null || second.tag === null) return t.fail('a download without a tag');
  t.is(second.tag.language, 'en');
  t.notDeepEqual(first.tag.guid, second.tag.guid);

  const applet = new TestApplet();
  await t.throwsAsync(at.entries.claim(sha256(gatewayToken(first.tag.guid)), applet.spki, CUSTOMER), {
    code: 'entry.refused',
  });
  const session = await at.entries.claim(sha256(gatewayToken(second.tag.guid)), applet.spki, CUSTOMER);
  t.is(session.state, 'waiting');
  t.is((await at.events('session.download')).length, 2);
});

test('F-01 until the program is built the page says so, looks again by itself, and draws nothing', async t => {
  const { at, ask } = await servePages(t, { isPrepared: false });
  const { code } = await at.invite();
  const page = await ask('GET', `/s/${code}`);
  t.regex(page.text, /being prepared/);
  t.is(page.headers.refresh, '5');
  const pressed = await ask('POST', `/s/${code}/download`, LINUX);
  t.is(pressed.headers.location, `/s/${code}`);
  t.deepEqual(await at.events('session.download'), []);
  await at.prepareProgram();
  const ready = await ask('GET', `/s/${code}`);
  t.is(ready.headers.refresh, undefined);
  t.notRegex(ready.text, /being prepared/);
  t.is((await ask('POST', `/s/${code}/download`, { fields: { platform: 'win-x64' } })).headers.location, `/s/${code}`);
  t.is((await ask('POST', `/s/${code}/download`, { fields: { platform: '../x' } })).status, 400);
});

test('F-01 attack: a foreign page can’t make a browser download, and nobody wears the appliance out by it', async t => {
  const { at, ask } = await servePages(t);
  const { code } = await at.invite();
  const foreign = await ask('POST', `/s/${code}/download`, { ...LINUX, headers: { origin: 'https://evil.example' } });
  t.is(foreign.status, 403);
  t.deepEqual(await at.events('session.download'), []);
  for (let n = 0; n < 12; n++) t.is((await ask('POST', `/s/${code}/download`, LINUX)).status, 200);
  t.is((await ask('POST', `/s/${code}/download`, LINUX)).status, 429);
  const other = await at.invite();
  t.is((await ask('POST', `/s/${other.code}/download`, LINUX)).status, 200);
});

test('E-11 F-07 the program for this computer comes first; others are sent to the browser', async t => {
  const { at, ask } = await servePages(t);
  const { code } = await at.invite();
  const page = async (headers: Record<string, string>) => (await ask('GET', `/s/${code}`, { headers })).text;
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
  t.regex(await page({ 'user-agent': firefox }), /class="primary wide" name="platform" value="linux-x64"/);
  const phone = 'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile';
  t.regex(await page({ 'user-agent': phone }), /stay in the browser/i);
  t.notRegex(await page({ 'user-agent': phone }), /class="primary wide" name="platform"/);
  // Only the program for Linux is there: the appliance had no Windows runtime.
  const windows = await page({ 'user-agent': 'x', 'sec-ch-ua-platform': '"Windows"' });
  t.regex(windows, /no program for this kind of computer/);
  t.regex(windows, /class="primary wide">Stay in the browser/);
  t.regex(await page({ 'user-agent': 'x', 'sec-ch-ua-platform': '"Linux"' }), /class="primary wide" name="platform"/);
});

test('D-07 attack: a technician’s name that is markup stays text', async t => {
  const { at, ask } = await servePages(t);
  const { code } = await at.invite({ ...TINA, name: '<script>alert(1)</script>' });
  const { text } = await ask('GET', `/s/${code}`);
  t.notRegex(text, /<script>alert/);
  t.regex(text, /&lt;script&gt;alert\(1\)/);
});

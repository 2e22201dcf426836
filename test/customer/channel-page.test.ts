import test, { type ExecutionContext } from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import type { ChannelSettings } from '../../appliance/sessions/channel.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import { installer, TestApplet } from '../sessions/open-sessions.ts';
import { servePages } from './ask-pages.ts';
import { TINA } from './open-pages.ts';

const fields = { name: 'Carl <b>', question: 'It eats\nmy paper' };

async function serveChannel(t: ExecutionContext, over: Partial<ChannelSettings> = {}) {
  const { at, ask } = await servePages(t);
  const { channels, statuses, sessions } = at.support;
  const texts = { name: 'Printers & paper', greeting: 'Toner, jams.', awayText: 'We are back at 8.' };
  const rules = { isEnabled: true, maxWaiting: 2, groupIds: [ROOT_GROUP_ID] };
  const channel = await channels.create(installer, { ...texts, ...rules, ...over });
  await statuses.set(TINA, 'available');
  return { at, ask, channel, statuses, sessions, channels, path: `/c/${channel.link}` };
}

test('E-01 a button’s link asks for name and question, and leads to program or browser as an invitation does', async t => {
  const { ask, at, path, sessions, channel } = await serveChannel(t);
  for (const _ of [1, 2, 3]) {
    const page = await ask('GET', path);
    t.is(page.status, 200);
    t.regex(page.text, /Printers &amp; paper: get help from Kestrel Works/);
    t.regex(page.text, /Toner, jams/);
  }
  t.is((await sessions.listQueued()).length, 0, 'reading takes no place');
  const entered = await ask('POST', path, { fields });
  t.is(entered.status, 303);
  const place = String(entered.headers.location);
  const page = await ask('GET', place);
  t.regex(page.text, /Printers &amp; paper: a place in the line is yours/);
  t.notRegex(page.text, /invites you/);
  const [session] = await sessions.listQueued();
  if (session === undefined) return t.fail();
  t.like(session, { state: 'connecting', channelId: channel.id, ownerId: null });
  t.deepEqual(await sessions.customerOf(session), fields);
  t.is((await ask('POST', `${place}/download`, { fields: { platform: 'linux-x64' } })).status, 200);
  const { guid } = await at.entries.drawGuid(place.slice(3), '198.51.100.7');
  await at.entries.claim(sha256(gatewayToken(guid)), new TestApplet().spki, '198.51.100.7');
  t.is((await ask('GET', place)).status, 404, 'a place is taken once');
});

test('E-01 what is wrong stands beside its field, and what was typed stays', async t => {
  const { ask, path } = await serveChannel(t);
  const nameless = await ask('POST', path, { fields: { name: ' ', question: 'Hello <i>' } });
  t.is(nameless.status, 400);
  t.regex(nameless.text, /Your name has 1 to 120 characters/);
  t.regex(nameless.text, /Hello &lt;i&gt;/);
  const long = await ask('POST', path, { fields: { name: 'Carl', question: 'x'.repeat(501) } });
  t.regex(long.text, /At most 500 characters/);
});

test('E-01 nobody there, full, off, unknown: each says so, keeps what was typed, and looks again by itself', async t => {
  const { ask, path, statuses, channels, channel } = await serveChannel(t, { maxWaiting: 1 });
  await statuses.set(TINA, 'away');
  const nobody = await ask('GET', path);
  t.regex(nobody.text, /Nobody is here just now[\s\S]*We are back at 8/);
  t.is(nobody.headers.refresh, '20');
  t.notRegex(nobody.text, /<form class="card steady says"/);
  const gone = await ask('POST', path, { fields });
  t.is(gone.status, 409);
  t.regex(gone.text, /Nobody is here[\s\S]*Carl &lt;b&gt;[\s\S]*my paper[\s\S]*Try again/);
  t.is(gone.headers.refresh, undefined, 'nothing typed is lost by a reload');
  await statuses.set(TINA, 'busy');
  t.is((await ask('POST', path, { fields })).status, 303);
  const full = await ask('GET', path);
  t.regex(full.text, /All places in the line are taken/);
  t.is(full.headers.refresh, '20');
  t.regex((await ask('POST', path, { fields })).text, /All places[\s\S]*Carl/);
  await channels.change(installer, channel.id, { ...channel, isEnabled: false }, channel.version);
  t.regex((await ask('GET', path)).text, /This way in is closed/);
  t.is((await ask('POST', path, { fields })).status, 409);
  for (const link of [`/c/${'A'.repeat(22)}`, '/c/short']) t.regex((await ask('GET', link)).text, /leads nowhere/);
  t.is((await ask('POST', `/c/${'A'.repeat(22)}`, { fields })).status, 404);
});

test('D-05 attack: whoever presses a button again and again is told to wait; nothing of it is stored', async t => {
  const { ask, path, sessions } = await serveChannel(t, { maxWaiting: 4 });
  const statuses: number[] = [];
  for (let n = 0; n < 4; n++) statuses.push((await ask('POST', path, { fields })).status);
  t.deepEqual(statuses, [303, 303, 429, 429]);
  t.is((await sessions.listQueued()).length, 2);
  t.regex((await ask('POST', path, { fields })).text, /Many from your network wait here already[\s\S]*Carl/);
});

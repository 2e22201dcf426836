import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import test from 'ava';
import { sessionGuidFrom, sessionIdFrom } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { showPin } from '../../appliance/sessions/pin.ts';
import { gatewayToken, linkPsk } from '../../appliance/sessions/session-secrets.ts';
import { CUSTOMER_ADDRESS, newId, openSessions, TestApplet, technician } from './open-sessions.ts';

const MINUTE = 60_000;
const open = async () => {
  const at = await openSessions();
  const owner = technician();
  const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID });
  return { ...at, owner, id };
};
const refused = { code: 'entry.refused' };

test('D-05 a PIN has nine digits, leads to its session, once', async t => {
  const at = await open();
  const { pin } = await at.entries.makePin(at.id, at.owner);
  t.regex(pin, /^\d{9}$/);
  const { sessionId, code } = await at.entries.enterByPin(showPin(pin), CUSTOMER_ADDRESS);
  t.is(sessionId, at.id);
  t.is((await at.entries.look(code)).id, at.id);
  await t.throwsAsync(at.entries.enterByPin(pin, CUSTOMER_ADDRESS), refused);
  await at.close();
});

test('D-05 a PIN entered twice at once lets one in', async t => {
  const at = await open();
  const { pin } = await at.entries.makePin(at.id, at.owner);
  const results = await Promise.allSettled([1, 2].map(n => at.entries.enterByPin(pin, `198.51.100.${n}`)));
  t.deepEqual(results.map(result => result.status).sort(), ['fulfilled', 'rejected']);
  await at.close();
});

test('D-05 a PIN ends after twenty minutes, and when a new one is made', async t => {
  const at = await open();
  const first = await at.entries.makePin(at.id, at.owner);
  const second = await at.entries.makePin(at.id, at.owner);
  await t.throwsAsync(at.entries.enterByPin(first.pin, CUSTOMER_ADDRESS), refused);
  at.clock.advance(20 * MINUTE);
  await t.throwsAsync(at.entries.enterByPin(second.pin, CUSTOMER_ADDRESS), refused);
  await at.close();
});

test('D-05 the store holds no PIN, link code or GUID, in any form that gives it away without the keys', async t => {
  const at = await open();
  const { pin } = await at.entries.makePin(at.id, at.owner);
  const { code } = await at.entries.makeLink(at.id, at.owner);
  const { guid } = await at.entries.drawGuid(code, CUSTOMER_ADDRESS);
  const secrets = [Buffer.from(pin), Buffer.from(code), Buffer.from(code, 'base64url'), Buffer.from(guid)];
  secrets.push(Buffer.from(gatewayToken(guid)), Buffer.from(linkPsk(guid, at.id)));
  for (const table of ['support_session', 'pin', 'entry_code', 'audit_pending']) {
    for (const row of await at.store.core.read.all(`SELECT * FROM ${table}`)) {
      for (const value of Object.values(row)) {
        const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
        for (const secret of secrets) t.false(bytes.includes(secret), `${table} gives a secret away`);
      }
    }
  }
  await at.close();
});

test('D-05 looking at a link uses nothing up (mail scanners)', async t => {
  const at = await open();
  const { code } = await at.entries.makeLink(at.id, at.owner);
  for (let n = 0; n < 5; n++) t.is((await at.entries.look(code)).state, 'connecting');
  await at.entries.drawGuid(code, CUSTOMER_ADDRESS);
  await t.throwsAsync(at.entries.look(newId()), refused);
  await t.throwsAsync(at.entries.look('../../etc'), refused);
  await at.close();
});

test('F-01 each download has a GUID of its own and voids the one before', async t => {
  const at = await open();
  const { code } = await at.entries.makeLink(at.id, at.owner);
  const first = await at.entries.drawGuid(code, CUSTOMER_ADDRESS);
  const second = await at.entries.drawGuid(code, CUSTOMER_ADDRESS);
  t.notDeepEqual(first.guid, second.guid);
  const applet = new TestApplet();
  await t.throwsAsync(at.entries.claim(sha256(gatewayToken(first.guid)), applet.spki, CUSTOMER_ADDRESS), refused);
  const claimed = await at.entries.claim(sha256(gatewayToken(second.guid)), applet.spki, CUSTOMER_ADDRESS);
  t.deepEqual([claimed.id, claimed.state, claimed.isPresent], [at.id, 'waiting', true]);
  t.deepEqual(Buffer.from(await at.entries.openPsk(claimed)), Buffer.from(linkPsk(second.guid, at.id)));
  await at.close();
});

test('F-03 the token and the key of the link are what the specification says', t => {
  const guid = sessionGuidFrom(new Uint8Array(16).fill(7));
  const id = sessionIdFrom(new Uint8Array(16).fill(9));
  const none = new Uint8Array(0);
  const info = (text: string) => new TextEncoder().encode(text);
  t.deepEqual(gatewayToken(guid), hkdf(sha256, guid, none, info('link-v1 gateway'), 32));
  const ofSession = new Uint8Array([...info('link-v1 psk'), ...new Uint8Array(16).fill(9)]);
  t.deepEqual(linkPsk(guid, id), hkdf(sha256, guid, none, ofSession, 32));
});

test('F-03 the same applet comes back by its key, and no other does', async t => {
  const at = await openSessions();
  const { id, token, applet } = await at.active();
  await at.sessions.appletLost(id);
  const nonce = newId();
  const proof = (by: TestApplet, over = nonce) =>
    Buffer.from(
      by.sign(
        'appliance/applet-return/v1',
        canonicalBytes({ nonce: over, token: Buffer.from(sha256(token)).toString('base64url') }),
      ),
    ).toString('base64url');
  const wrong = { code: 'applet-signature.wrong' };
  await t.throwsAsync(
    at.entries.comeBack(sha256(token), { nonce, signature: proof(new TestApplet()) }, CUSTOMER_ADDRESS),
    wrong,
  );
  await t.throwsAsync(
    at.entries.comeBack(sha256(token), { nonce, signature: proof(applet, newId()) }, CUSTOMER_ADDRESS),
    wrong,
  );
  const back = await at.entries.comeBack(sha256(token), { nonce, signature: proof(applet) }, CUSTOMER_ADDRESS);
  t.is(back.state, 'active');
  t.false(back.isClaimedTwice);
  await at.close();
});

test('E-07 after a granted reboot the applet returns by its ticket, once, within 15 minutes', async t => {
  const at = await openSessions();
  const { id, owner, token } = await at.active();
  await t.throwsAsync(at.entries.makeTicket(id), { code: 'session.state' });
  await at.sessions.reboot(id, owner);
  await at.sessions.appletLost(id);
  const ticket = await at.entries.makeTicket(id);
  const fresh = new TestApplet();
  const attempt = (given: string) =>
    at.entries.returnByTicket(sha256(token), { ticket: given, appletKey: fresh.spki }, CUSTOMER_ADDRESS);
  await t.throwsAsync(attempt(Buffer.alloc(32).toString('base64url')), refused);
  const back = await attempt(ticket);
  t.deepEqual([back.state, back.appletKey, back.linkId], ['active', fresh.spki, null]);
  t.true((await at.events(id)).includes('session.returned-by-ticket'));
  await t.throwsAsync(attempt(ticket), refused);
  await at.sessions.reboot(id, owner);
  const late = await at.entries.makeTicket(id);
  at.clock.advance(15 * MINUTE);
  await t.throwsAsync(attempt(late), refused);
  await at.close();
});

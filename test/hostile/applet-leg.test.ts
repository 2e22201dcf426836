// TRUST: the applet's own leg. What a stranger, an altered applet or another session's applet may try on it.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { LOST_AFTER_MS } from '../../appliance/portal/applet-legs.ts';
import { LEG_CLOSE, MAX_LEG_MESSAGE_BYTES, writeLegMessage } from '../../appliance/protocol/applet-leg.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import { bytes, linked, openTestSupport } from '../portal/open-support.ts';
import { TestApplet } from '../sessions/open-sessions.ts';

const refused = { types: [], code: LEG_CLOSE.refused };
const text = (value: string) => new TextEncoder().encode(value);
const MARKUP = '"><img src=x onerror=alert(1)>{{constructor}}';

const beforeClaim = {
  'a report': () => writeLegMessage({ type: 'report', payload: bytes(10), signature: bytes(64) }),
  'a lease': () => writeLegMessage({ type: 'ask-lease', linkId: bytes(16), nonce: bytes(16) }),
  'the time': () => writeLegMessage({ type: 'ask-time', nonce: bytes(16) }),
  'a credential': () => writeLegMessage({ type: 'certify', spk: bytes(32), nonce: bytes(16) }),
  'the end': () => writeLegMessage({ type: 'end', reason: 'bye' }),
};
for (const [what, message] of Object.entries(beforeClaim)) {
  test(`F-03 a stranger who asks for ${what} before any claim is sent away`, async t => {
    const at = await openTestSupport();
    t.teardown(() => at.close());
    const leg = await at.dial();
    await leg.next('challenge');
    leg.sayBytes(message());
    t.deepEqual(await leg.rest(), { types: ['refused'], code: LEG_CLOSE.refused });
  });
}

const malformed: Record<string, () => Uint8Array | string> = {
  'nothing at all': () => new Uint8Array(0),
  'text instead of bytes': () => '{"type":"alive"}',
  'broken JSON': () => text('{"type":"alive"'),
  'JSON that is not canonical': () => text('{"type": "alive"}'),
  'a list': () => text('["alive"]'),
  null: () => text('null'),
  'a type nobody knows': () => text('{"type":"become-admin"}'),
  'a prototype for a type': () => text('{"type":"__proto__"}'),
  'a method for a type': () => text('{"type":"constructor"}'),
  'a message of the appliance': () => writeLegMessage({ type: 'claimed-twice' }),
  'a field nobody asked for': () => text('{"isAdmin":true,"type":"alive"}'),
  'a number for a key': () => text('{"nonce":7,"type":"ask-time"}'),
  'a key that is too short': () => text('{"nonce":"AAAA","type":"ask-time"}'),
  'bytes that are no UTF-8': () => new Uint8Array([0xff, 0xfe, 0x00]),
  'one byte more than a message may have': () => new Uint8Array(MAX_LEG_MESSAGE_BYTES + 1).fill(0x20),
  'ten megabytes': () => new Uint8Array(10 * 1024 * 1024),
  'a hundred thousand levels': () => text('['.repeat(8000)),
  'a second claim on the same leg': () =>
    writeLegMessage({ type: 'claim', token: bytes(32), apk: bytes(91), platform: 'browser', language: 'en' }),
  'a PIN from within': () => writeLegMessage({ type: 'pin', pin: '123456789' }),
};
test('F-03 what is no message ends the leg that said it, and no other', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { token, applet, leg } = await at.waiting();
  for (const [what, message] of Object.entries(malformed)) {
    const attacker = await at.dial();
    await attacker.comeBack(token, applet);
    await attacker.next('claimed');
    await attacker.next('state');
    attacker.sayBytes(message());
    const end = await attacker.rest();
    t.deepEqual(end.types, [], what);
    t.true([LEG_CLOSE.refused, 1009, 1006].includes(end.code ?? 0), `${what}: ${end.code}`);
    await leg.settled();
  }
});

test('F-03 random bytes, whole or cut, never reach beyond their leg', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { token, applet, leg } = await at.waiting();
  const good = writeLegMessage({ type: 'ask-lease', linkId: bytes(16), nonce: bytes(16) });
  const cut = fc.integer({ min: 0, max: good.length - 1 }).map(length => good.subarray(0, length));
  const flipped = fc.integer({ min: 0, max: good.length - 1 }).map(place => {
    const changed = Uint8Array.from(good);
    changed[place] = (changed[place] ?? 0) ^ 0x20;
    return changed;
  });
  const attempt = async (message: Uint8Array) => {
    const attacker = await at.dial();
    await attacker.comeBack(token, applet);
    await attacker.next('claimed');
    await attacker.next('state');
    attacker.sayBytes(message);
    attacker.cut();
  };
  const any = fc.oneof(fc.uint8Array({ maxLength: 300 }), cut, flipped);
  await fc.assert(fc.asyncProperty(any, attempt), { numRuns: 60 });
  await leg.settled();
  t.is(leg.closedWith, null);
});

test('F-03 another applet with the stolen token does not come back as this one', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { token, applet } = await at.waiting();
  const forged = await at.dial();
  await forged.comeBack(token, new TestApplet());
  t.is((await forged.next('refused')).reason, 'applet-signature-wrong');
  t.deepEqual(await forged.rest(), refused);
  const replayed = await at.dial();
  await replayed.comeBack(token, applet, { nonce: bytes(16) }); // a signature seen on an earlier connection
  t.is((await replayed.next('refused')).reason, 'applet-signature-wrong');
  const other = await at.waiting();
  const crossed = await at.dial();
  await crossed.comeBack(token, applet, { token: other.token });
  t.is((await crossed.next('refused')).reason, 'applet-signature-wrong');
});

test('D-05 a second claim is refused, told to the first applet, and never takes its place', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, token, leg, applet } = await at.waiting();
  const second = await at.dial({ address: '203.0.113.66' });
  await second.next('challenge');
  const apk = Uint8Array.from(Buffer.from(new TestApplet().spki, 'base64url'));
  second.say({
    type: 'claim',
    token: Uint8Array.from(sha256(token)),
    apk,
    platform: 'linux-x64',
    language: 'en',
  });
  t.is((await second.next('refused')).reason, 'entry-refused');
  t.deepEqual(await second.rest(), refused);
  await leg.next('claimed-twice');
  t.is((await at.parts.support.sessions.get(id)).appletKey, applet.spki);
});

test('F-03 a claim with a key that is none, or a language that is markup', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const claim = (token: Uint8Array, apk: Uint8Array, language: string) =>
    ({
      type: 'claim',
      token: Uint8Array.from(token),
      apk: Uint8Array.from(apk),
      platform: 'browser',
      language,
    }) as const;
  const wrong = await at.dial();
  await wrong.next('challenge');
  wrong.say(claim(bytes(32), bytes(91), 'en'));
  t.is((await wrong.next('refused')).reason, 'applet-key-malformed');
  const { owner, id } = await at.made();
  const { code } = await at.parts.support.entries.makeLink(id, owner);
  const { guid } = await at.parts.support.entries.drawGuid(code, '::1');
  const leg = await at.dial();
  await leg.next('challenge');
  leg.say(claim(sha256(gatewayToken(guid)), Buffer.from(new TestApplet().spki, 'base64url'), '<b>en</b>'));
  await leg.next('claimed');
  t.is((await at.parts.support.sessions.get(id)).language, null);
});

test('D-02 a receipt, a report and a lease of another session, or signed by another applet, get nothing', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const [mine, theirs] = [await linked(at), await linked(at)];
  const attempts = {
    'the receipt of another session': () => ({ type: 'receipt', ...theirs.receipt() }) as const,
    'a receipt by another applet': () =>
      ({
        type: 'receipt',
        ...new TestApplet().receipt({
          sid: mine.id,
          sub: mine.owner.id,
          linkId: mine.linkId,
          handshake: mine.handshake,
        }),
      }) as const,
    'the report of another session': () => ({ type: 'report', ...theirs.applet.report(theirs.id) }) as const,
    'a report about another session': () => ({ type: 'report', ...mine.applet.report(theirs.id) }) as const,
  };
  for (const [what, attempt] of Object.entries(attempts)) {
    const leg = await at.dial();
    await leg.comeBack(mine.token, mine.applet);
    await leg.next('claimed');
    leg.say(attempt());
    const end = await leg.rest();
    t.deepEqual([end.types.filter(type => type !== 'state'), end.code], [[], LEG_CLOSE.refused], what);
  }
  mine.leg.say({ type: 'ask-lease', linkId: theirs.linkId, nonce: bytes(16) });
  t.is((await mine.leg.until('lease-refused')).reason, 'rights-refused');
  t.is((await at.parts.support.sessions.get(theirs.id)).reportCount, 0);
});

test('D-02 a yes for someone else, for another handshake, an old one and a long one make no more than was meant', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { leg, receipt, owner } = await linked(at);
  const bad = [
    { sub: 'AAAAAAAAAAAAAAAAAAAAAA' },
    { linkId: bytes(16) },
    { handshake: bytes(32) },
    { answeredAt: at.clock.now() - 61_000 },
    { answeredAt: at.clock.now() + 61_000 },
    { action: 'become-admin' },
    { action: 'constructor' },
    { ttlMs: 0 },
  ];
  for (const over of bad) {
    leg.say({ type: 'receipt', ...receipt(over) });
    t.regex((await leg.until('grant-refused')).reason, /^(rights-refused|permission-denied)$/);
  }
  await at.parts.support.sessions.hold(
    (await at.parts.support.sessions.listOpen(owner.id))[0]?.id ?? ('' as never),
    owner,
  );
  leg.say({ type: 'receipt', ...receipt() });
  t.is((await leg.until('grant-refused')).reason, 'permission-denied');
});

test('G-07 markup in every text an applet can send stays text, and does not reach the reason it is told', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, leg, applet, receipt } = await linked(at);
  leg.say({ type: 'report', ...applet.report(id, { stage: 'asked', detail: MARKUP }) });
  await leg.next('acknowledged');
  leg.say({
    type: 'receipt',
    ...receipt({ technician: MARKUP, organisation: MARKUP, scope: MARKUP, wording: MARKUP }),
  });
  await leg.next('grant');
  const entries = (await at.entries()).filter(entry => entry.sessionId === id);
  t.true(entries.some(({ detail }) => detail.note === MARKUP));
  await at.parts.support.sessions.end(id, at.asRoot, MARKUP);
  t.is((await leg.until('ended')).reason, 'ended');
});

test('A-06 a hundred thousand messages at once: what waits stays small, others are served meanwhile', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const [busy, calm] = [await at.waiting(), await at.waiting()];
  const message = writeLegMessage({ type: 'alive' });
  const before = process.memoryUsage().rss;
  for (let sent = 0; sent < 100_000; sent++) busy.leg.sayBytes(message);
  for (let rounds = 0; rounds < 20; rounds++) await calm.leg.settled();
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  t.log(`${grown.toFixed(0)} MiB more, both ends together`);
  t.true(grown < 200);
  t.is(busy.leg.closedWith, null, 'it is slowed down, not lost');
});

test('A-06 a leg without its gateway’s word on who is there is not taken', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  for (const [address, gateway] of [
    ['', 'gateway-1'],
    ['localhost', 'gateway-1'],
    ['192.0.2.1, 192.0.2.2', 'gateway-1'],
    ['192.0.2.1', ''],
    ['192.0.2.1', '../gateway'],
    ['192.0.2.1', 'x'.repeat(33)],
  ]) {
    const leg = await at.dial({ address: address ?? '', gateway: gateway ?? '' });
    t.is((await leg.rest()).types.length, 0);
    t.is(leg.closedWith, 1006);
  }
});

test('A-06 a connection that breaks while its claim is under way leaves no ghost in the session', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { owner, id } = await at.made();
  const { code } = await at.parts.support.entries.makeLink(id, owner);
  const { guid } = await at.parts.support.entries.drawGuid(code, '::1');
  const { sessions } = at.parts.support;
  const claimed = new Promise<void>(resolve => {
    sessions.onChange(({ event }) => event === 'session.claimed' && resolve());
  });
  const leg = await at.dial();
  await leg.next('challenge');
  const apk = Uint8Array.from(Buffer.from(new TestApplet().spki, 'base64url'));
  const token = Uint8Array.from(sha256(gatewayToken(guid)));
  leg.say({ type: 'claim', token, apk, platform: 'browser', language: 'en' });
  leg.cut();
  await claimed;
  let isLost = false;
  sessions.onChange(({ event }) => {
    isLost ||= event === 'session.customer-lost';
  });
  while (!isLost) {
    await new Promise(resolve => setImmediate(resolve)); // the claim is answered to nobody first
    at.clock.advance(LOST_AFTER_MS);
  }
  t.like(await sessions.get(id), { state: 'connecting', isPresent: false });
});

test('F-03 a flood of claims with guessed tokens finds nothing', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id } = await at.waiting();
  const apk = Uint8Array.from(Buffer.from(new TestApplet().spki, 'base64url'));
  const flood = Array.from({ length: 50 }, async () => {
    const leg = await at.dial();
    await leg.next('challenge');
    leg.say({ type: 'claim', token: Uint8Array.from(randomBytes(32)), apk, platform: 'browser', language: 'en' });
    return (await leg.rest()).types;
  });
  for (const types of await Promise.all(flood)) t.deepEqual(types, ['refused']);
  t.false((await at.parts.support.sessions.get(id)).isClaimedTwice);
});

test('F-03 JSON of every depth is refused by its shape', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const leg = await at.dial();
  await leg.next('challenge');
  leg.sayBytes(canonicalBytes({ type: 'alive', deep: [[[[[[[[[[1]]]]]]]]]] }));
  t.is((await leg.next('refused')).reason, 'protocol-malformed');
});

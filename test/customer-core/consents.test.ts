import { verify } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { PAUSE_AFTER_NO_MS } from '../../appliance/customer-core/consents.ts';
import { narrow } from '../../appliance/customer-core/narrowing.ts';
import { CONSENT_DOMAIN, parseReceipt } from '../../appliance/customer-core/objects.ts';
import { newLink, openCustomer, random } from './open-customer.ts';

const request = (action: string) => ({ action, scope: '', wording: `consent.${action}.1`, language: 'en' });

test('D-02 each action asks by its name, and a yes is a receipt the applet signed', async t => {
  const at = openCustomer();
  const { answer, receipt, consentId, ttlMs } = await at.ask('send-files', 'yes', 'notes.txt');
  t.is(answer, 'yes');
  t.is(ttlMs, 600_000);
  const key = { key: at.appletKey, dsaEncoding: 'ieee-p1363' as const };
  const signed = Buffer.concat([Buffer.from(`${CONSENT_DOMAIN}\0`), receipt.payload]);
  t.true(verify('sha256', signed, key, receipt.signature));
  const said = parseReceipt(receipt.payload);
  t.deepEqual(
    [said.action, said.scope, said.wording, said.language],
    ['send-files', 'notes.txt', 'consent.send-files.1', 'en'],
  );
  t.deepEqual([said.organisation, said.technician], ['Example Ltd', 'Tina']);
  t.deepEqual(said.consentId, consentId);
  t.is(at.questions[0]?.technician, 'Tina');
});

test('D-06 silence is a no, after the time the customer sees running', async t => {
  const at = openCustomer();
  const asked = at.consents.request(at.link, request('send-files'));
  at.clock.advance(59_999);
  t.is(at.done.at(-1), 'drawn');
  at.clock.advance(1);
  const { answer, ttlMs, consentId } = await asked;
  t.deepEqual([answer, ttlMs], ['silence', 0]);
  t.is(at.consents.find(consentId), undefined);
  t.false(at.consents.answer(consentId, 'yes'), 'a yes that comes too late is none');
});

test('D-06 a yes ends with its time, and the grants of it with it', async t => {
  const at = openCustomer({ maxConsentMs: 120_000 });
  const { consentId } = await at.ask('send-files', 'yes');
  at.clock.advance(119_999);
  t.truthy(at.consents.find(consentId));
  at.clock.advance(1);
  t.is(at.consents.find(consentId), undefined);
  t.deepEqual(
    at.ended.map(({ by }) => by),
    ['time'],
  );
});

test('D-02 the customer takes back one yes, or everything, at any moment', async t => {
  const at = openCustomer();
  const one = await at.ask('send-files', 'yes');
  const two = await at.ask('launch-desktop-viewing', 'yes');
  at.consents.revoke(one.consentId);
  t.is(at.consents.find(one.consentId), undefined);
  t.truthy(at.consents.find(two.consentId));
  const open = at.consents.request(at.link, request('launch-remote-control'));
  at.consents.revoke(null);
  t.is((await open).answer, 'no');
  t.deepEqual(at.consents.list(), []);
});

test('D-03 a single prompt covers what the policy allows, each with a receipt that says so', async t => {
  const at = openCustomer({ singlePrompt: true });
  const prompt = await at.ask('single-prompt', 'yes');
  const before = at.questions.length;
  const follows = await at.consents.request(at.link, request('send-files'));
  t.is(at.questions.length, before, 'nobody was asked again');
  t.is(follows.answer, 'yes');
  t.deepEqual(parseReceipt(follows.receipt.payload).under, prompt.consentId);
  t.is((await at.consents.request(at.link, request('deploy-scripts'))).refusedBy, 'policy');
  t.is((await at.ask('send-files', 'yes')).answer, 'yes');
  const stranger = at.consents.request(newLink(), request('send-files'));
  t.is(at.questions.length, before + 1, 'another technician has to ask');
  at.consents.revoke(prompt.consentId);
  at.consents.revoke(null);
  t.is((await stranger).answer, 'no');
  t.deepEqual(at.consents.list(), []);
});

test('D-03 without the permission there is no single prompt', async t => {
  const at = openCustomer();
  t.is((await at.consents.request(at.link, request('single-prompt'))).refusedBy, 'policy');
  t.deepEqual(at.questions, []);
});

test('D-02 one question at a time, always an answer, and no nagging after a no', async t => {
  const at = openCustomer();
  const first = at.consents.request(at.link, request('send-files'));
  t.is((await at.consents.request(at.link, request('launch-remote-control'))).refusedBy, 'busy');
  t.false(at.consents.answer(random(16), 'yes'), 'an answer to no question of ours');
  at.consents.answer(at.questions[0]?.consentId ?? random(16), 'no');
  t.is((await first).refusedBy, 'customer');
  t.is((await at.consents.request(at.link, request('send-files'))).refusedBy, 'too-soon');
  at.clock.advance(PAUSE_AFTER_NO_MS);
  t.is((await at.ask('send-files', 'yes')).answer, 'yes');
});

test('D-06 another link voids what was asked and allowed on the one before', async t => {
  const at = openCustomer();
  const { consentId } = await at.ask('send-files', 'yes');
  const open = at.consents.request(at.link, request('launch-remote-control'));
  at.relink(newLink());
  t.is((await open).answer, 'silence');
  t.is(at.consents.find(consentId), undefined);
});

test('D-06 what the appliance sends can only narrow', t => {
  const action = fc.constantFrom('send-files', 'reboot', 'launch-remote-control', 'deploy-scripts');
  const limits = fc.record({
    actions: fc.array(action).map(actions => new Set<string>(actions)),
    maxConsentMs: fc.nat(1000),
    singlePrompt: fc.boolean(),
    codesMatch: fc.boolean(),
    forcedRecording: fc.boolean(),
    pauseRecording: fc.boolean(),
    customerAway: fc.constantFrom('continue' as const, 'view-only' as const, 'end' as const),
  });
  fc.assert(
    fc.property(limits, limits, (held, sent) => {
      const left = narrow(held, sent);
      for (const one of left.actions) t.true(held.actions.has(one) && sent.actions.has(one));
      t.true(left.maxConsentMs <= held.maxConsentMs);
      t.true(held.singlePrompt || !left.singlePrompt);
      t.true(left.codesMatch || !held.codesMatch);
      t.true(left.forcedRecording || !held.forcedRecording);
      t.true(held.pauseRecording || !left.pauseRecording);
      t.deepEqual(narrow(left, sent), left);
      t.deepEqual(narrow(left, held), left);
    }),
  );
});

test('D-06 a receipt is read as it was written, and nothing else is read', async t => {
  const at = openCustomer();
  const { receipt } = await at.ask('send-files', 'yes');
  const bytes = receipt.payload;
  for (let end = 0; end < bytes.length; end++) t.throws(() => parseReceipt(bytes.slice(0, end)));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, bits) => {
      const bent = new Uint8Array(bytes);
      bent[place] = (bent[place] ?? 0) ^ bits;
      try {
        parseReceipt(bent); // may read as something else: the signature is what holds
      } catch (error) {
        t.is((error as { code?: string }).code, 'protocol.malformed');
      }
    }),
  );
});

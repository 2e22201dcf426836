// TRUST: `self-consent`. A technician who controls the mouse would press "yes" on the customer's behalf.
import test from 'ava';
import { openCustomer } from '../customer-core/open-customer.ts';

const request = (action: string) => ({ action, scope: '', wording: `consent.${action}.1`, language: 'en' });

test('D-04 self-consent: from before the dialog is drawn until 500 ms after it nothing is injected', async t => {
  const at = openCustomer();
  const { number } = await at.control();
  t.true(at.grants.admitsInput(number));
  at.done.length = 0;
  const asked = at.consents.request(at.link, request('send-files'));
  t.deepEqual(at.done, ['keys released', 'drawn'], 'keys are let go before the first pixel');
  for (let n = 0; n < 5; n++) t.false(at.grants.admitsInput(number));
  at.consents.answer(at.questions.at(-1)?.consentId ?? new Uint8Array(16), 'no');
  await asked;
  t.false(at.grants.admitsInput(number), 'just after it has closed');
  at.clock.advance(499);
  t.false(at.grants.admitsInput(number), '499 ms after');
  at.clock.advance(1);
  t.true(at.grants.admitsInput(number), '500 ms after');
  t.is(at.done.at(-1), 'paused 500 ms, 7 discarded');
  t.is(at.grants.dropped.dialog, 7);
});

test('D-04 self-consent: a second dialog within the 500 ms keeps the gate shut', async t => {
  const at = openCustomer();
  const { number } = await at.control();
  await at.ask('send-files', 'yes');
  at.clock.advance(400);
  const second = at.consents.request(at.link, request('launch-desktop-viewing'));
  at.clock.advance(400);
  t.false(at.grants.admitsInput(number));
  at.clock.advance(60_000);
  await second;
  at.clock.advance(500);
  t.is(at.done.filter(step => step.startsWith('paused')).length, 2, 'one pause before control, one for both dialogs');
});

test('D-04 self-consent: a grant without a question, or with a question that got a no, is refused', async t => {
  const at = openCustomer();
  await at.lease();
  const made = at.grantFor(new Uint8Array(16).fill(1));
  await t.throwsAsync(at.grants.accept(made.payload, made.signature), { code: 'grant.refused' });
  const { consentId } = await at.ask('launch-remote-control', 'no');
  const refused = at.grantFor(consentId);
  await t.throwsAsync(at.grants.accept(refused.payload, refused.signature), { code: 'grant.refused' });
});

test('D-06 self-consent: nobody there means no', async t => {
  const at = openCustomer();
  await at.lease();
  const asked = at.consents.request(at.link, request('launch-remote-control'));
  at.clock.advance(60_000);
  const { answer, consentId } = await asked;
  t.is(answer, 'silence');
  const grant = at.grantFor(consentId);
  await t.throwsAsync(at.grants.accept(grant.payload, grant.signature), { code: 'grant.refused' });
});

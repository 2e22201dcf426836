// A store that goes back in time has forgotten what was used: nothing from before the restore is good once more.
import test from 'ava';
import { findMember, setColumns } from '../../appliance/identity/member-store.ts';
import { SecondStep } from '../../appliance/identity/second-step.ts';
import { useUpBefore } from '../../appliance/identity/used-once.ts';
import { refusal } from '../support/refusal.ts';
import { codeOf } from './open-identity.ts';
import { openTestSso } from './open-single-sign-on.ts';

test('J-05 C-04 attack: what an identity provider said before a restore is not taken a second time', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const { id, relayState } = await at.begin();
  const said = at.provider.response(at.wish(id));
  at.clock.advance(1000);
  await at.store.core.transaction(tx => useUpBefore(tx, at.store.settings, at.clock.now()));
  t.is(await refusal(at.bring(said, { relayState })), 'saml.replay');
  at.clock.advance(1000);
  t.is((await at.enter()).issued.login.stage, 'full', 'and what it says since then is');
});

test('J-05 C-03 attack: no code of an authenticator app from before a restore is taken a second time', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const { id } = await at.member('tina@example.com');
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
  const last = async () => (await findMember(at.store.core.read, id))?.secrets.twoStepLast ?? 0;
  await at.store.core.transaction(tx => setColumns(tx, id, { two_step_secret: secret }));
  const code = await codeOf(secret, at.clock.now());
  const steps = new SecondStep(at.clock, at.audit);
  t.not(steps.stepOf(secret, code, await last()), undefined);
  await at.store.core.transaction(tx => useUpBefore(tx, at.store.settings, at.clock.now()));
  t.is(steps.stepOf(secret, code, await last()), undefined);
  at.clock.advance(90_000);
  t.not(steps.stepOf(secret, await codeOf(secret, at.clock.now()), await last()), undefined);
});

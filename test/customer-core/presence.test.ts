import test from 'ava';
import { openCustomer } from './open-customer.ts';
import { TestAppliance, turns } from './test-appliance.ts';

async function open(customerAway: 'continue' | 'view-only' | 'end') {
  const at = openCustomer({ customerAway });
  const control = await at.control();
  const viewing = await at.ask('launch-desktop-viewing', 'yes');
  at.clock.advance(500);
  const made = at.grantFor(viewing.consentId, { action: 'launch-desktop-viewing' });
  await at.grants.accept(made.payload, made.signature);
  return { at, control, presence: at.presence, running: () => at.grants.list().map(({ grant }) => grant.action) };
}

test('D-06 nobody there: "continue" lets run what was allowed', async t => {
  const { presence, running } = await open('continue');
  presence.left();
  t.deepEqual(running(), ['launch-remote-control', 'launch-desktop-viewing']);
});

test('D-06 nobody there: "view-only" stops all but the picture, and it stays stopped', async t => {
  const { at, control, presence, running } = await open('view-only');
  presence.left();
  t.deepEqual(running(), ['launch-desktop-viewing']);
  t.false(at.grants.admitsInput(control.number));
  presence.returned();
  t.false(at.grants.admitsInput(control.number));
});

test('D-06 nobody there: "end" ends the session, once', async t => {
  const { at, presence, running } = await open('end');
  presence.left();
  presence.left();
  t.deepEqual(running(), []);
  t.is(at.done.filter(step => step === 'session ended: customer-away').length, 1);
});

test('D-06 nobody there: a policy narrowed meanwhile holds at once', async t => {
  const { at, presence, running } = await open('continue');
  presence.left();
  at.narrowing = { ...at.narrowing, customerAway: 'view-only' };
  presence.apply();
  t.deepEqual(running(), ['launch-desktop-viewing']);
});

const withinOneYes: Record<string, { rule: 'continue' | 'view-only' | 'end'; begins: boolean[] }> = {
  'goes on where the rule is "continue"': { rule: 'continue', begins: [true, true] },
  'begins nothing but what shows where it is "view-only"': { rule: 'view-only', begins: [false, true] },
  'begins nothing where it is "end"': { rule: 'end', begins: [false, false] },
};
for (const [what, { rule, begins }] of Object.entries(withinOneYes)) {
  test(`D-06 attack: nobody there: what a yes from before would cover ${what}`, async t => {
    const at = openCustomer({ customerAway: rule });
    for (const [n, action] of ['launch-remote-control', 'launch-desktop-viewing'].entries()) {
      const { consentId } = await at.ask(action, 'yes');
      at.clock.advance(500);
      const made = at.grantFor(consentId, { action });
      at.presence.left();
      const accepted = at.grants.accept(made.payload, made.signature);
      if (begins[n]) await t.notThrowsAsync(accepted);
      else await t.throwsAsync(accepted, { message: 'nobody is at the screen' });
      at.presence.returned();
    }
  });
}

test('D-06 attack: a screen that locks while its customer waits for a technician does not end his session', async t => {
  const at = new TestAppliance();
  await at.start();
  at.session.customerAway(true);
  await turns();
  t.deepEqual(at.over, []);
});

import test from 'ava';
import { Presence } from '../../appliance/customer-core/presence.ts';
import { openCustomer } from './open-customer.ts';

async function open(customerAway: 'continue' | 'view-only' | 'end') {
  const at = openCustomer({ customerAway });
  const control = await at.control();
  const viewing = await at.ask('launch-desktop-viewing', 'yes');
  at.clock.advance(500);
  const made = at.grantFor(viewing.consentId, { action: 'launch-desktop-viewing' });
  await at.grants.accept(made.payload, made.signature);
  const presence = new Presence({
    narrowing: () => at.narrowing,
    grants: at.grants,
    endSession: reason => at.done.push(`session ended: ${reason}`),
  });
  return { at, control, presence, running: () => at.grants.list().map(({ grant }) => grant.action) };
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

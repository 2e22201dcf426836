// What a technician's group may do, changed while a session of his runs: taken away at once, given by the appliance's signature.
import test from 'ava';
import { toBase64Url } from '../../appliance/guid.ts';
import type { FromAppliance } from '../../appliance/protocol/applet-leg.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { policy, random, TestAppliance, turns } from './test-appliance.ts';

test('D-06 a policy that is narrowed stops what it does not allow any more; a wider one has no effect by itself', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  await console.ask('launch-desktop-viewing');
  await at.pass(3000);
  await console.ask('send-files');
  const narrowed = { ...policy, actions: ['send-files'] };
  at.policy = narrowed;
  at.leg.send({ type: 'narrowed', policy: canonicalBytes(narrowed) });
  await turns();
  t.deepEqual(
    at.view.state.running.map(({ action }) => action),
    ['send-files'],
  );
  at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...policy, actions: [...policy.actions, 'reboot'] }) });
  await turns();
  for (const action of ['reboot', 'launch-desktop-viewing'])
    t.deepEqual(console.about(await console.request(action)), ['answer:no']);
});

test('D-01 D-06 what may be asked for grows on the link there is, by the appliance’s signature; what was allowed stays as it was', async t => {
  const at = new TestAppliance();
  at.policy = { ...policy, actions: ['send-files'], maxConsentMs: 60_000 };
  await at.start();
  const console = await at.connect();
  await console.ask('send-files');
  const until = () => at.view.state.running.map(running => running.until);
  const before = until();
  t.deepEqual(console.about(await console.request('reboot')), ['answer:no']);
  at.policy = { ...policy, actions: ['reboot', 'send-files'], maxConsentMs: 600_000 };
  at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...at.policy }) });
  await turns();
  t.deepEqual(until(), before);
  await at.pass(3000);
  t.deepEqual(console.about(await console.ask('reboot')), ['asked', 'answer:yes', 'started']);
  t.is(at.all('certify').length, 2, 'once more than for the link');
});

/** Keeps the credentials the appliance makes until they are let go. */
function hold(at: TestAppliance): () => void {
  const { leg } = at;
  const send = leg.send.bind(leg);
  const kept: FromAppliance[] = [];
  leg.send = message => (message.type === 'credential' ? void kept.push(message) : send(message));
  return () => {
    leg.send = send;
    for (const message of kept.splice(0)) send(message);
  };
}

function grow(at: TestAppliance, ...actions: string[]): void {
  at.policy = { ...at.policy, actions };
  at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...at.policy }) });
}

async function openToSendFiles() {
  const at = new TestAppliance({ policy: { actions: ['send-files'] } });
  await at.start();
  return { at, console: await at.connect() };
}

test('D-01 a policy that grows twice, the second time while the first is being signed, has grown twice', async t => {
  const { at, console } = await openToSendFiles();
  const release = hold(at);
  grow(at, 'reboot', 'send-files');
  await turns();
  grow(at, 'launch-remote-control', 'reboot', 'send-files');
  await turns();
  t.is(at.all('certify').length, 2);
  release();
  await turns();
  t.is(at.all('certify').length, 3, 'the answer to the first was made before the second');
  t.deepEqual(console.about(await console.request('launch-remote-control')), ['asked']);
});

test('D-01 a policy that grows when the leg is lost has grown on the next leg', async t => {
  const { at, console } = await openToSendFiles();
  hold(at);
  grow(at, 'reboot', 'send-files');
  await turns();
  at.leg.cut();
  await at.pass(5000);
  t.deepEqual(console.about(await console.request('reboot')), ['asked']);
});

test('D-01 a policy that grows when the appliance signs nothing grows when it does again', async t => {
  const { at, console } = await openToSendFiles();
  const release = hold(at);
  grow(at, 'reboot', 'send-files');
  await turns();
  at.leg.send({ type: 'credential-refused', reason: 'unavailable' });
  await turns();
  t.deepEqual(console.about(await console.request('reboot')), ['answer:no']);
  await at.pass(400);
  t.is(at.all('certify').length, 2, 'not at once');
  await at.pass(100);
  await turns();
  t.is(at.all('certify').length, 3);
  release();
  await turns();
  t.deepEqual(console.about(await console.request('reboot')), ['asked']);
  await at.pass(120_000);
  t.is(at.all('certify').length, 3, 'and no more');
});

test('D-06 attack: a credential made before a policy was narrowed, and held back until after, gives nothing back', async t => {
  const { at, console } = await openToSendFiles();
  const release = hold(at);
  grow(at, 'reboot', 'send-files');
  await turns();
  grow(at, 'send-files');
  await turns();
  release();
  await turns();
  t.is(at.all('certify').length, 2);
  t.deepEqual(console.about(await console.request('reboot')), ['answer:no']);
});

const lies: Record<string, (at: TestAppliance) => Record<string, string>> = {
  'the one of the link, played again': at => ({ nonce: toBase64Url(at.all('certify')[0]?.nonce ?? random(16)) }),
  'one of another session': () => ({ sid: toBase64Url(random(16)) }),
  'one of the console’s': () => ({ role: 'console' }),
  'one of another applet': () => ({ apk: toBase64Url(random(91)) }),
  'one that names another policy': () => ({ policy: toBase64Url(random(32)) }),
};
for (const [what, lie] of Object.entries(lies)) {
  test(`D-06 attack: a policy that grows by ${what} does not grow`, async t => {
    const at = new TestAppliance();
    at.policy = { ...policy, actions: ['send-files'] };
    await at.start();
    const console = await at.connect();
    at.policy = { ...policy, actions: ['reboot', 'send-files'] };
    at.credentialLie = lie(at);
    at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...at.policy }) });
    await turns();
    t.is(at.all('certify').length, 2);
    t.deepEqual(console.about(await console.request('reboot')), ['answer:no']);
    at.credentialLie = {};
    at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...at.policy }) });
    await at.pass(10_000); // the first question has had its time
    at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...at.policy }) });
    await turns();
    t.deepEqual(
      console.about(await console.ask('reboot')),
      ['asked', 'answer:yes', 'started'],
      'and does by the right one',
    );
  });
}

test('D-01 attack: a leg that is lost between a refusal and the next try does not take the customer’s program with it', async t => {
  const { at, console } = await openToSendFiles();
  const release = hold(at);
  grow(at, 'reboot', 'send-files');
  await turns();
  at.leg.send({ type: 'credential-refused', reason: 'unavailable' });
  await turns();
  at.leg.cut();
  at.isAway = true;
  await turns();
  await t.notThrowsAsync(at.pass(2000), 'a timer that throws ends the program');
  release();
  at.isAway = false;
  await at.pass(60_000);
  t.deepEqual(console.about(await console.request('reboot')), ['asked']);
});

// Every action × every permission, at both ends of the link (D-01 D-04): the appliance signs no grant, and the applet takes
// none, that the technician's group has no permission for.
import test, { type ExecutionContext } from 'ava';
import { mayAsk, mustCompareCodes } from '../../appliance/customer-core/may-ask.ts';
import { fromBase64Url } from '../../appliance/guid.ts';
import { type Permission, permissions, type Setting } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { askableActions } from '../../appliance/protocol/consent.ts';
import { parseGrant } from '../../appliance/protocol/signed.ts';
import { openCustomer } from '../customer-core/open-customer.ts';
import { policy, TestAppliance, turns } from '../customer-core/test-appliance.ts';
import { master, newId, openSessions, technician } from '../sessions/open-sessions.ts';

// Whether a customer can be asked for it, written down a second time and by hand: a change of the list has to be meant.
const canBeAsked: Record<Permission, boolean> = {
  'launch-remote-control': true,
  reboot: true,
  'launch-desktop-viewing': true,
  'record-sessions': true,
  'send-files': true,
  'receive-files': true,
  'start-private-sessions': false,
  'launch-file-manager': true,
  'request-windows-credentials': true,
  'send-urls': true,
  'clipboard-synchronisation': true,
  'view-system-information': true,
  'deploy-scripts': true,
  'single-prompt': true,
  'transfer-sessions': false,
  'share-technician-screen': true,
};
const asked = permissions.filter(permission => canBeAsked[permission]);
const notAsked = [...permissions.filter(permission => !canBeAsked[permission]), 'pick-up', 'chat', 'anything-at-all'];
const all = (setting: Setting | undefined) =>
  setting === undefined ? {} : Object.fromEntries(permissions.map(permission => [permission, setting]));

test('D-01 all permissions can be asked of a customer, but for two', t => {
  t.deepEqual([...askableActions].sort(), [...asked].sort());
});

// What the root sets, what the technician's own group sets, and who then says no.
const settings: Record<string, { root?: Setting; desk?: Setting; no: string | null }> = {
  'granted by the group': { root: 'deny', desk: 'grant', no: null },
  'denied by the group': { root: 'grant', desk: 'deny', no: 'denied by Helpdesk' },
  'inherited as granted': { root: 'grant', no: null },
  'inherited as denied': { root: 'deny', no: 'denied by Everyone' },
  'set by nobody': { no: 'denied: no group grants it' },
};

async function sessionWith({ root, desk: own }: { root?: Setting; desk?: Setting }) {
  const at = await openSessions();
  const owner = technician();
  const desk = await at.groups.create(master, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  await at.groups.setPermissions(master, ROOT_GROUP_ID, all(root));
  await at.groups.setPermissions(master, desk.id, all(own));
  await at.groups.assign(master, owner.id, desk.id);
  const { id, receipt } = await at.active(owner, desk.id);
  /** @returns the action of the grant, or why there is none */
  const yes = async (action: string, under: string | null = null, consentId = newId()) => {
    const of = under === null ? null : fromBase64Url(under);
    const signed = receipt({ action, consentId: fromBase64Url(consentId), under: of });
    try {
      return parseGrant(new Uint8Array((await at.rights.grant(id, owner, signed)).payload)).action;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  return { ...at, id, owner, desk, yes };
}

for (const [name, set] of Object.entries(settings)) {
  test(`D-01 D-04 G-01 each permission ${name}: the appliance signs a grant, or writes down why not`, async t => {
    const at = await sessionWith(set);
    t.teardown(() => at.close());
    const ids = new Map([...asked, ...notAsked].map(action => [action, newId()]));
    const expected: Record<string, unknown> = {};
    for (const [action, consentId] of ids) {
      const no = notAsked.includes(action) ? 'nothing a customer can be asked for' : set.no && `${action}: ${set.no}`;
      t.is(await at.yes(action, null, consentId), no ?? action);
      expected[action] = no === null ? ['rights.granted'] : ['rights.refused', no];
    }
    const said = (await at.logged()).filter(({ subject, event }) => subject && event.startsWith('rights.'));
    const actionOf = (subject: string | null) => [...ids].find(([, consentId]) => consentId === subject)?.[0] ?? '';
    const told = said.map(({ subject, event, detail, actor }) => {
      t.deepEqual([actor.id, detail.action], [at.owner.id, actionOf(subject)]);
      return [actionOf(subject), detail.why === undefined ? [event] : [event, detail.why]];
    });
    t.deepEqual(Object.fromEntries(told), expected);
    t.is(told.length, ids.size);
  });
}

test('D-03 D-04 what follows from one yes to everything needs that permission, and that yes, at the appliance too', async t => {
  const at = await sessionWith({ root: 'grant' });
  t.teardown(() => at.close());
  const [prompt, files] = [newId(), newId()];
  const none = 'it follows from no yes to everything';
  t.is(await at.yes('send-urls', newId()), none, 'a yes nobody gave');
  t.is(await at.yes('send-files', null, files), 'send-files');
  t.is(await at.yes('send-urls', files), none, 'a yes to something else');
  t.is(await at.yes('single-prompt', null, prompt), 'single-prompt');
  t.is(await at.yes('send-urls', prompt), 'send-urls');
  t.is(await at.yes('single-prompt', prompt), 'nothing a customer can be asked for');
  t.is(await at.yes('start-private-sessions', prompt), 'nothing a customer can be asked for');
  await at.groups.setPermissions(master, at.desk.id, { reboot: 'deny' });
  t.is(await at.yes('reboot', prompt), 'reboot: denied by Helpdesk');
  await at.groups.setPermissions(master, at.desk.id, { 'single-prompt': 'deny' });
  t.is(await at.yes('send-urls', prompt), 'single-prompt: denied by Helpdesk');
  t.is(await at.yes('send-urls'), 'send-urls', 'asked for by itself it is allowed');
});

test('D-06 the policy an applet gets names what its customer can be asked for, and nothing else', async t => {
  const at = await sessionWith({ root: 'grant' });
  t.teardown(() => at.close());
  const { actions } = await at.rights.policyOf(await at.sessions.get(at.id));
  t.deepEqual(actions, [...asked].sort());
});

// The applet. A console asks, over the link; the appliance is one that signs whatever it is told to.
async function linkedWith(over: { actions: readonly string[]; singlePrompt?: boolean }) {
  const at = new TestAppliance({ policy: { ...over, actions: [...over.actions].sort() } });
  await at.start();
  return { at, console: await at.connect() };
}

/** A signed grant for the last answer, whatever it was. @returns whether the applet refused it */
async function isGrantRefused(t: ExecutionContext, at: TestAppliance): Promise<boolean> {
  const receipt = at.receipts.at(-1);
  if (receipt === undefined) return t.fail('nothing was answered');
  const before = at.session.refused.of('grant');
  at.leg.send({ type: 'grant', consent: receipt.consentId, ...at.grantFor({ ...receipt, ttlMs: 60_000 }) });
  await turns(20);
  return at.session.refused.of('grant') === before + 1;
}

test('D-04 each action its policy names runs at the applet, and what no customer is asked for never does', async t => {
  for (const action of asked) {
    const { at, console } = await linkedWith({ actions: permissions, singlePrompt: true });
    t.deepEqual(console.about(await console.ask(action)), ['asked', 'answer:yes', 'started'], action);
    t.deepEqual(
      at.view.state.running.map(running => running.action),
      [action],
    );
  }
  const { at, console } = await linkedWith({ actions: [...permissions, ...notAsked.slice(2)], singlePrompt: true });
  for (const action of notAsked) {
    t.deepEqual(console.about(await console.request(action)), ['answer:no'], action);
    t.true(await isGrantRefused(t, at), action);
  }
  t.deepEqual(at.view.state.running, []);
});

test('D-04 D-06 each permission that is missing, or was taken away after the yes: its signed grant is refused', async t => {
  for (const action of asked) {
    const others = asked.filter(one => one !== action);
    const missing = await linkedWith({ actions: others });
    t.deepEqual(missing.console.about(await missing.console.request(action)), ['answer:no'], action);
    t.true(await isGrantRefused(t, missing.at), `${action} is missing`);
    const { at, console } = await linkedWith({ actions: asked, singlePrompt: true });
    at.grants = false;
    const request = await console.ask(action);
    at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...policy, actions: [...others].sort() }) });
    await turns();
    t.true(await isGrantRefused(t, at), `${action} was taken away`);
    t.deepEqual(console.about(request), ['asked', 'answer:yes', 'end:appliance:appliance']);
    t.deepEqual([...missing.at.view.state.running, ...at.view.state.running], []);
  }
});

test('D-04 the applet looks at the policy itself when a grant comes, not only at the open yes', async t => {
  for (const action of asked) {
    const at = openCustomer({ actions: new Set(permissions), singlePrompt: true });
    await at.lease();
    const { consentId } = await at.ask(action, 'yes');
    const grant = at.grantFor(consentId, { action });
    const wide = at.narrowing;
    at.narrowing = { ...wide, actions: new Set(asked.filter(one => one !== action)), singlePrompt: false };
    await t.throwsAsync(at.grants.accept(grant.payload, grant.signature), { code: 'grant.refused' }, action);
    at.narrowing = wide;
    t.truthy(await at.grants.accept(grant.payload, grant.signature));
  }
});

test('D-01 D-03 one rule for both ends: the action’s permission, and under a single prompt that one too', t => {
  const sets: [has: readonly string[], alone: string | null, under: string | null][] = [
    [[], 'reboot', 'reboot'],
    [['reboot'], null, 'single-prompt'],
    [['single-prompt'], 'reboot', 'reboot'],
    [['reboot', 'single-prompt'], null, null],
  ];
  for (const [has, alone, under] of sets) {
    const missing = (isUnderSinglePrompt: boolean) => {
      const may = mayAsk({ action: 'reboot', isUnderSinglePrompt }, permission => has.includes(permission));
      return may.allowed ? null : may.missing;
    };
    t.deepEqual([missing(false), missing(true)], [alone, under], has.join(' and '));
  }
});

test('B-04 what waits for the codes: control where the policy says so, everything once claimed twice', t => {
  for (const action of asked) {
    const isControl = action === 'launch-remote-control';
    t.is(mustCompareCodes(action, { codesMatch: true, isClaimedTwice: false }), isControl, action);
    t.false(mustCompareCodes(action, { codesMatch: false, isClaimedTwice: false }), action);
    t.true(mustCompareCodes(action, { codesMatch: false, isClaimedTwice: true }), action);
  }
});

import test from 'ava';
import fc from 'fast-check';
import {
  type Action,
  decide,
  decidePermission,
  type GroupOnPath,
  type Permission,
  permissions,
  type Role,
  roles,
  type SessionState,
  sessionActs,
  sessionStates,
} from '../../appliance/permissions/decision.ts';

const everything = Object.fromEntries(permissions.map(permission => [permission, 'grant'])) as Record<
  Permission,
  'grant'
>;
const root: GroupOnPath = { id: 'root', name: 'Everyone', permissions: everything };
const owner = { id: 'tina', roles: ['technician'] as const };

const ask = (action: Action, over: Partial<Parameters<typeof decide>[0]> = {}) =>
  decide({ action, actor: owner, ownerId: 'tina', groupPath: [root], state: 'active', ...over });

test('D-01 there are the sixteen permissions, each once', t => {
  t.is(permissions.length, 16);
  t.is(new Set(permissions).size, 16);
});

test('D-01 the reason names the group that decided', t => {
  const desk: GroupOnPath = { id: 'desk', name: 'Helpdesk', permissions: {} };
  const night: GroupOnPath = { id: 'night', name: 'Night shift', permissions: { 'send-files': 'deny' } };
  const path = [root, desk, night];
  t.deepEqual(decidePermission(path, 'send-files'), {
    allowed: false,
    why: { by: 'permission', groupId: 'night', text: 'denied by Helpdesk › Night shift' },
  });
  t.is(decidePermission(path, 'reboot').why.text, 'granted by Everyone');
  t.is(decidePermission([desk], 'reboot').why.text, 'denied: no group grants it');
});

test('D-01 the tree resolves as a naive reading of it does', t => {
  const setting = fc.constantFrom('grant' as const, 'deny' as const, undefined);
  const path = fc.array(fc.record({ 'send-files': setting, reboot: setting }), { maxLength: 9 });
  fc.assert(
    fc.property(path, fc.constantFrom<Permission>('send-files', 'reboot', 'deploy-scripts'), (settings, permission) => {
      const groups = settings.map((own, depth) => ({
        id: `g${depth}`,
        name: `G${depth}`,
        permissions: Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)),
      }));
      // The oracle goes down from the root and lets each group overwrite what was said above it.
      let said = { value: 'deny', by: null as string | null };
      for (const group of groups) {
        const own = (group.permissions as Record<string, string>)[permission];
        if (own !== undefined) said = { value: own, by: group.id };
      }
      const decision = decidePermission(groups, permission);
      t.is(decision.allowed, said.value === 'grant');
      t.is(decision.why.groupId, said.by);
    }),
  );
});

// What each action needs, written down a second time and by hand: a change of the table has to be meant.
const expected: Record<string, { roles: Role[]; states: SessionState[] }> = {
  'see-session': { roles: ['technician', 'admin', 'master-admin'], states: [...sessionStates] },
  'pick-up': { roles: ['technician'], states: ['waiting', 'transferring'] },
  chat: { roles: ['technician'], states: ['active', 'on-hold', 'reconnecting', 'rebooting'] },
  hold: { roles: ['technician'], states: ['active'] },
  resume: { roles: ['technician'], states: ['on-hold'] },
  'end-session': {
    roles: ['technician', 'admin', 'master-admin'],
    states: ['connecting', 'waiting', 'active', 'on-hold', 'transferring', 'rebooting', 'reconnecting'],
  },
  'make-pin': { roles: ['technician'], states: ['connecting'] },
  monitor: { roles: ['admin', 'master-admin'], states: ['active', 'on-hold', 'reconnecting'] },
  'read-log': { roles: ['auditor', 'master-admin'], states: [...sessionStates] },
  'transfer-sessions': { roles: ['technician'], states: ['active', 'on-hold'] },
};

for (const action of [...permissions, ...sessionActs].filter(name => name !== 'start-private-sessions')) {
  test(`D-02 D-08 ${action}: every role in every state`, t => {
    const { roles: whoMay, states } = expected[action] ?? { roles: ['technician'], states: ['active'] };
    for (const role of roles) {
      for (const state of sessionStates) {
        const actor = { id: 'tina', roles: [role], adminOf: ['root'] };
        const { allowed } = ask(action, { actor, state });
        t.is(allowed, whoMay.includes(role) && states.includes(state), `${role} while ${state}`);
      }
    }
    t.false(ask(action, { state: null }).allowed, 'without a session');
  });
}

test('D-01 starting a private session needs the permission and no session', t => {
  t.true(ask('start-private-sessions', { ownerId: null, state: null }).allowed);
  t.false(ask('start-private-sessions', { groupPath: [], ownerId: null, state: null }).allowed);
  for (const role of ['master-admin', 'admin', 'auditor'] as const) {
    t.false(ask('start-private-sessions', { actor: { id: 'a', roles: [role] } }).allowed);
  }
});

test('D-01 D-05 who may make no sessions any more lets nobody into one he has made before', t => {
  const path = [root, { id: 'x', name: 'X', permissions: { 'start-private-sessions': 'deny' as const } }];
  t.true(ask('make-pin', { state: 'connecting' }).allowed);
  t.is(ask('make-pin', { state: 'connecting', groupPath: path }).why.text, 'denied by X');
});

test('D-08 a session of another technician is out of reach, whatever the permission', t => {
  for (const action of permissions.filter(name => name !== 'start-private-sessions')) {
    t.is(ask(action, { ownerId: 'someone' }).why.by, 'ownership', action);
  }
  t.is(ask('pick-up', { state: 'waiting', ownerId: 'someone' }).why.by, 'ownership');
  t.is(ask('see-session', { ownerId: 'someone' }).why.by, 'ownership');
});

test('D-08 an admin monitors within his part of the tree only', t => {
  const part: GroupOnPath = { id: 'desk', name: 'Helpdesk', permissions: {} };
  const admin = { id: 'ada', roles: ['admin'] as const, adminOf: ['desk'] };
  t.true(ask('monitor', { actor: admin, groupPath: [root, part] }).allowed);
  t.is(ask('monitor', { actor: admin, groupPath: [root] }).why.by, 'ownership');
  t.true(ask('monitor', { actor: { id: 'm', roles: ['master-admin'] }, groupPath: [root] }).allowed);
});

test('D-08 an admin who is a technician too does not control what others own', t => {
  const both = { id: 'ada', roles: ['technician', 'admin'] as const, adminOf: ['root'] };
  t.true(ask('end-session', { actor: both, ownerId: 'tina' }).allowed);
  t.is(ask('launch-remote-control', { actor: both, ownerId: 'tina' }).why.by, 'ownership');
});

test('D-01 an admin without the permission in his own group is refused like anyone', t => {
  const path = [root, { id: 'x', name: 'X', permissions: { 'launch-remote-control': 'deny' as const } }];
  t.is(ask('launch-remote-control', { groupPath: path }).why.text, 'denied by X');
});

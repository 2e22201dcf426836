import test from 'ava';
import fc from 'fast-check';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { contains, parseAddress, parseRange, presentRange } from '../../appliance/identity/address-range.ts';
import { Groups } from '../../appliance/permissions/groups.ts';
import { refusal } from '../support/refusal.ts';
import { asMember, openTestIdentity, PASSWORD, type TestIdentity } from './open-identity.ts';

const ROOT = 'AAAAAAAAAAAAAAAAAAAAAA';
const master = { actor: applianceActor, roles: ['master-admin'] as const };

function isIn(range: string, address: string): boolean {
  const found = parseAddress(address);
  return found !== undefined && contains(parseRange(range), found);
}

async function signInFrom(at: TestIdentity, loginId: string, source: string, password = PASSWORD) {
  return at.identity.logins.signIn({ loginId, password, source, userAgent: 'test browser' });
}

const inside: [string, string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['10.0.0.0/8', '10.255.255.255'],
  ['0.0.0.0/0', '203.0.113.9'],
  ['2001:db8::/32', '2001:db8:ffff::1'],
  ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1'],
  ['192.0.2.0/24', '::ffff:192.0.2.7'],
  ['192.0.2.0/24', '::FFFF:c000:207'],
  ['192.0.2.0/24', '0:0:0:0:0:ffff:c000:0207'],
  ['::ffff:192.0.2.0/120', '192.0.2.7'],
  ['fe80::/10', 'fe80::1%eth0'],
];
const outside: [string, string][] = [
  ['192.0.2.1', '192.0.2.2'],
  ['10.0.0.0/8', '11.0.0.0'],
  ['::/0', '192.0.2.1'],
  ['::/0', '::ffff:192.0.2.1'],
  ['192.0.2.0/24', '::192.0.2.1'],
  ['192.0.2.0/24', '64:ff9b::c000:201'],
  ['192.0.2.0/24', '2002:c000:201::1'],
  ['192.0.2.0/24', 'fe80::1%192.0.2.1'],
  ['192.0.2.0/24', '::ffff:203.0.113.9%192.0.2.1'],
  ['192.0.2.1', '192.0.2.1%eth0'],
  ['192.0.2.1', '192.0.2.001'],
  ['192.0.2.1', '3221225985'],
  ['2001:db8::1', '2001:db8::1%a%b'],
  ['192.0.2.1', ''],
];

test('C-06 an address is in a range whatever its spelling; nothing else gets in by another one', t => {
  for (const [range, address] of inside) t.true(isIn(range, address), `${address} in ${range}`);
  for (const [range, address] of outside) t.false(isIn(range, address), `${address} not in ${range}`);
});

test('C-06 what is no address or range is refused, and one that starts inside another is not mended silently', t => {
  const wrong = [
    '',
    'x',
    '192.0.2',
    '192.0.2.1/33',
    '192.0.2.1/',
    '192.0.2.0/024',
    '192.0.2.0/-1',
    '1.2.3.4/8/8',
    '::1%lo',
  ];
  for (const text of [
    ...wrong,
    '2001:db8::/129',
    '::ffff:10.0.0.0/95',
    'host.example.com',
    '10.1.2.3/8',
    '2001:db8::1/32',
  ]) {
    t.throws(() => parseRange(text), { code: 'allow-list.malformed' }, text);
  }
  t.like(
    t.throws(() => parseRange('10.1.2.3/8')),
    { hint: 'Write 10.0.0.0/8 for the whole range, or 10.1.2.3 for the one address.' },
  );
  t.is(presentRange(parseRange('2001:0DB8:0000::/48')), '2001:db8::/48');
  t.is(presentRange(parseRange('::ffff:10.0.0.0/104')), '10.0.0.0/8');
  t.is(presentRange(parseRange('192.0.2.1/32')), '192.0.2.1');
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
      const range = parseRange(text);
      const found = parseAddress(text);
      const again = parseRange(presentRange(range));
      return found !== undefined && contains(range, found) && again.value === range.value && again.bits === range.bits;
    }),
  );
});

test('C-06 from elsewhere the right password is refused as a wrong one is, and counts for nothing', async t => {
  const at = await openTestIdentity();
  const ann = await at.member('ann');
  await at.identity.allowLists.set(at.asRoot, { kind: 'member', id: ann.id }, '192.0.2.0/24, 2001:db8::/32');
  const elsewhere = await t.throwsAsync(signInFrom(at, 'ann', '203.0.113.9'));
  const wrong = await t.throwsAsync(signInFrom(at, 'ann', '192.0.2.7', 'wrong'));
  t.is(elsewhere?.message, wrong?.message);
  for (let n = 0; n < 12; n += 1) t.is(await refusal(signInFrom(at, 'ann', `203.0.113.${n}`)), 'login.refused');
  for (const source of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::9'])
    t.is(await refusal(signInFrom(at, 'ann', source)), 'accepted');
  t.deepEqual((await at.events('login.refused'))[0], 'login.refused address');
  t.true((await at.events()).includes('allow-list.changed'));
  await at.close();
});

test('C-06 a technician is held by the list of his group and of every group above it; others are not', async t => {
  const at = await openTestIdentity();
  const groups = new Groups(at);
  const below = await groups.create(master, { name: 'Night shift', parentId: ROOT });
  const ann = await at.member('ann');
  const bob = await at.member('bob', ['auditor']);
  const { allowLists } = at.identity;
  await allowLists.set(at.asRoot, { kind: 'group', id: ROOT }, '192.0.2.0/24');
  await allowLists.set(at.asRoot, { kind: 'group', id: below.id }, '192.0.2.128/25');
  t.true(await allowLists.admits(ann, '192.0.2.1'));
  await groups.assign(master, ann.id, below.id);
  t.false(await allowLists.admits(ann, '192.0.2.1'));
  t.true(await allowLists.admits(ann, '192.0.2.200'));
  await allowLists.set(at.asRoot, { kind: 'group', id: ROOT }, '192.0.2.0/25');
  t.false(await allowLists.admits(ann, '192.0.2.200'), 'each narrows');
  t.true(await allowLists.admits(bob, '203.0.113.9'));
  t.deepEqual([...(await allowLists.groupCounts()).values()], [1, 1]);
  t.is(await refusal(allowLists.set(asMember(ann), { kind: 'group', id: ROOT }, '')), 'identity.not-allowed');
  t.is(await refusal(allowLists.set(asMember(ann), { kind: 'member', id: ann.id }, '')), 'identity.not-allowed');
  t.is(await refusal(allowLists.set(at.asRoot, { kind: 'group', id: ann.id }, '')), 'group.missing');
  t.is(await refusal(allowLists.set(at.asRoot, { kind: 'member', id: ROOT }, '')), 'member.missing');
  await at.close();
});

test('C-06 who puts himself under a list that he is not in would lock himself out: nothing has changed then', async t => {
  const at = await openTestIdentity();
  const { allowLists, groups, members } = at.identity;
  const boss = await at.member('boss', ['master-admin', 'technician']);
  const actor = { ...asMember(boss), address: '203.0.113.9' };
  const editor = { actor, roles: ['master-admin'] as const };
  const office = await groups.create(editor, { name: 'Office', parentId: ROOT });
  const desk = await groups.create(editor, { name: 'Desk', parentId: ROOT });
  await allowLists.set(actor, { kind: 'group', id: office.id }, '192.0.2.0/24');
  t.is(await refusal(groups.assign(editor, boss.id, office.id)), 'allow-list.locks-you-out');
  t.is(await groups.groupOf(boss.id), ROOT);
  await groups.assign(editor, boss.id, desk.id);
  t.is(await refusal(groups.move(editor, desk.id, office.id)), 'allow-list.locks-you-out');
  t.is(await refusal(groups.delete(editor, desk.id, { to: office.id, seen: 1 })), 'allow-list.locks-you-out');
  t.is((await groups.get(desk.id)).parentId, ROOT);
  await members.update(actor, boss.id, { name: 'Boss', roles: ['master-admin'] });
  await at.identity.groups.assign({ actor: at.asRoot, roles: ['master-admin'] }, boss.id, office.id);
  const again = members.update(actor, boss.id, { name: 'Boss', roles: ['master-admin', 'technician'] });
  t.is(await refusal(again), 'allow-list.locks-you-out');
  t.deepEqual((await members.get(boss.id)).roles, ['master-admin']);
  await at.close();
});

test('C-06 a changed list ends what is signed in from elsewhere, wherever it was seen, and nothing else', async t => {
  const at = await openTestIdentity();
  const ann = await at.member('ann');
  const { allowLists, logins } = at.identity;
  const ended: string[] = [];
  logins.onEnded((id, _member, reason) => ended.push(`${id} ${reason}`));
  const office = await signInFrom(at, 'ann', '192.0.2.7');
  const home = await signInFrom(at, 'ann', '203.0.113.9');
  const laptop = await signInFrom(at, 'ann', '192.0.2.8');
  t.true(await allowLists.admitLogin(laptop.login.id, '203.0.113.9'));
  await allowLists.set(at.asRoot, { kind: 'member', id: ann.id }, '192.0.2.0/24');
  const [, ...gone] = [office, home, laptop].map(({ login }) => `${login.id} address-refused`);
  t.deepEqual(ended.sort(), gone.sort());
  t.truthy(await logins.find(office.token, { touch: true }));
  t.false(await allowLists.admitLogin(office.login.id, '203.0.113.9'), 'a request from elsewhere');
  t.is(await logins.find(office.token, { touch: true }), undefined);
  t.false(await allowLists.admitLogin(office.login.id, '192.0.2.7'), 'it has ended');
  await at.close();
});

test('C-06 who is locked out is let in again from the machine itself: every list that holds for him is emptied', async t => {
  const at = await openTestIdentity();
  const ann = await at.member('ann');
  const { allowLists } = at.identity;
  await allowLists.set(at.asRoot, { kind: 'member', id: ann.id }, '203.0.113.1');
  await allowLists.set(at.asRoot, { kind: 'group', id: ROOT }, '203.0.113.0/24');
  t.is(await refusal(signInFrom(at, 'ann', '192.0.2.7')), 'login.refused');
  t.is(await allowLists.openFor(applianceActor, ' ANN '), 2);
  t.is(await refusal(signInFrom(at, 'ann', '192.0.2.7')), 'accepted');
  t.is(await allowLists.openFor(applianceActor, 'ann'), 0);
  t.is(await refusal(allowLists.openFor(applianceActor, 'nobody')), 'member.missing');
  t.is(
    (await at.entries()).filter(({ event, actor }) => event === 'allow-list.changed' && actor.kind === 'appliance')
      .length,
    2,
  );
  await at.close();
});

test('C-06 nobody saves a list that locks himself out, and bad input changes nothing', async t => {
  const at = await openTestIdentity();
  const { allowLists, members } = at.identity;
  const own = { kind: 'member', id: at.root.id } as const;
  t.is(await refusal(allowLists.set(at.asRoot, own, '203.0.113.0/24')), 'allow-list.locks-you-out');
  t.is(await refusal(allowLists.set(at.asRoot, own, '192.0.2.0/24 nonsense')), 'allow-list.malformed');
  const many = Array.from({ length: 65 }, (_, n) => `10.0.0.${n}`).join('\n');
  t.is(await refusal(allowLists.set(at.asRoot, own, many)), 'allow-list.too-long');
  t.deepEqual(await allowLists.get(own), []);
  await allowLists.set(at.asRoot, own, ' 192.0.2.0/24;\n192.0.2.0/24 ');
  t.deepEqual(await allowLists.get(own), ['192.0.2.0/24']);
  await members.update(at.asRoot, at.root.id, { name: 'root', roles: ['master-admin', 'technician'] });
  const group = { kind: 'group', id: ROOT } as const;
  t.is(await refusal(allowLists.set(at.asRoot, group, '203.0.113.0/24')), 'allow-list.locks-you-out');
  t.is((await at.events('allow-list')).length, 1);
  await at.close();
});

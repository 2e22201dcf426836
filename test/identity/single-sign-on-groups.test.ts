// What a provider's groups give and take away (C-04), on a real store with real signatures, and attacks on it.
import test, { type ExecutionContext } from 'ava';
import type { Login } from '../../appliance/identity/login.ts';
import type { IdpSettings } from '../../appliance/identity/saml-idp.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { refusal } from '../support/refusal.ts';
import { readSending, TestIdp, toField } from '../support/saml-idp.ts';
import { asMember } from './open-identity.ts';
import { BROWSER, openTestSso } from './open-single-sign-on.ts';

const OVERAGE = 'http://schemas.microsoft.com/claims/groups.link';
const NFC = 'Prüfer';

async function openMapped() {
  const at = await openTestSso();
  const { groups, members } = at.identity;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const berlin = await groups.create(editor, { name: 'Berlin', parentId: ROOT_GROUP_ID });
  const night = await groups.create(editor, { name: 'Night', parentId: ROOT_GROUP_ID });
  const mapping: IdpSettings['mapping'] = [
    { group: 'Helpdesk', roles: ['technician'], technicianGroup: berlin.id },
    { group: 'Night shift', roles: ['technician'], technicianGroup: night.id },
    { group: 'Leads', roles: ['admin'], technicianGroup: null },
    { group: 'IT', roles: ['master-admin'], technicianGroup: null },
    { group: NFC, roles: ['auditor'], technicianGroup: null },
  ];
  await at.configure({ groupsAttribute: 'groups', mapping });
  const person = (nameId: string, given: readonly string[] | null) => ({
    nameId,
    attributes: { mail: `${nameId}@example.com`, name: nameId, ...(given !== null && { groups: given }) },
  });
  const enter = async (nameId: string, given: readonly string[] | null) => {
    const { issued } = await at.enter(person(nameId, given));
    return members.get(issued.login.memberId);
  };
  const told = async (prefix: string) =>
    (await at.entries())
      .filter(({ event }) => event.startsWith(prefix))
      .map(({ event, detail }) => ({ event, ...detail }));
  return { ...at, groups, members, editor, berlin, night, person, into: enter, told };
}

async function open(t: ExecutionContext) {
  const at = await openMapped();
  t.teardown(() => at.close());
  return at;
}

/** Of the attacks, one after the other. */
let shared: Awaited<ReturnType<typeof openMapped>>;
test.before(async () => {
  shared = await openMapped();
});
test.after.always(() => shared?.close());

test('C-04 D-08 a provider’s groups give roles and technician group at each login, and take them away, before the login is made', async t => {
  const at = await open(t);
  const ann = await at.into('ann', ['Leads', 'Night shift', 'Helpdesk', 'Others']);
  t.deepEqual([ann.roles, await at.groups.groupOf(ann.id)], [['admin', 'technician'], at.berlin.id]);
  const first = (await at.enter(at.person('ann', ['Helpdesk', 'Leads']))).issued;
  t.deepEqual(await at.told('saml.roles'), [], 'nothing changed');
  await at.giveParts(ann.id, [at.night.id]);
  const less = await at.into('ann', ['Night shift']);
  t.deepEqual(await at.groups.partsOf(ann.id), [], 'they go with the role of an admin');
  t.deepEqual([less.id, less.roles, await at.groups.groupOf(ann.id)], [ann.id, ['technician'], at.night.id]);
  t.is(await at.identity.logins.find(first.token, { touch: false }), undefined, 'signed out where he had more');
  t.deepEqual(await at.told('saml.roles'), [
    { event: 'saml.roles-changed', before: 'admin technician', after: 'technician' },
  ]);
  t.deepEqual((await at.told('group.member-moved')).at(-1), {
    event: 'group.member-moved',
    from: 'Berlin',
    to: 'Night',
  });
  const order = (await at.entries()).map(({ event }) => event);
  t.true(order.lastIndexOf('group.member-moved') < order.lastIndexOf('login.succeeded'));
  t.is(await at.groups.groupOf((await at.into('ann', ['Leads'])).id), ROOT_GROUP_ID, 'in none that a row names');
});

test('C-04 who is in no group of the mapping is made no member, or is one no longer until he is in one again', async t => {
  const at = await open(t);
  for (const given of [null, [], ['Others']]) t.is(await refusal(at.into('eve', given)), 'saml.no-role');
  t.is(await at.members.findByLoginId('eve@example.com'), undefined);
  const [refused] = await at.told('saml.refused');
  t.like(refused, { code: 'saml.no-role', provider: 'Example login', reference: 'reference-1' });
  const { issued } = await at.enter(at.person('ann', ['Helpdesk']));
  const id = issued.login.memberId;
  t.is(await refusal(at.into('ann', null)), 'saml.no-role');
  t.is((await at.members.get(id)).state, 'disabled');
  t.is(await at.identity.logins.find(issued.token, { touch: false }), undefined);
  t.is((await at.into('ann', ['Leads'])).state, 'enabled');
  t.deepEqual(
    (await at.told('saml.'))
      .map(({ event }) => event)
      .filter(event => event !== 'saml.refused')
      .slice(-3),
    ['saml.member-withdrawn', 'saml.member-restored', 'saml.roles-changed'],
  );
  await at.members.disable(at.asRoot, id);
  t.is(await refusal(at.into('ann', ['Helpdesk'])), 'login.refused', 'whom an admin disabled no group brings back');
  await at.members.enable(at.asRoot, id);
  t.is(await refusal(at.into('ann', [])), 'saml.no-role');
  await at.members.enable(at.asRoot, id);
  await at.members.disable(at.asRoot, id);
  t.is(await refusal(at.into('ann', ['Helpdesk'])), 'login.refused', 'nor after he had been away');
  await at.configure({ createMembers: false });
  t.is(await refusal(at.into('ben', ['Helpdesk'])), 'saml.no-account');
});

test('C-04 a mapping leaves the last master admin and the emergency account as they are; another is raised and lowered', async t => {
  const at = await open(t);
  const { idps, ssoRules } = at.identity;
  await idps.setLink(at.asRoot, at.root.id, { idpId: at.idp.id, subject: 'root-1' });
  const root = { nameId: 'root-1', attributes: { mail: 'root@example.com', name: 'x', groups: ['Helpdesk'] } };
  t.is((await at.enter(root)).issued.login.memberId, at.root.id);
  t.deepEqual((await at.members.get(at.root.id)).roles, ['master-admin']);
  t.like((await at.told('saml.roles-kept'))[0], { before: 'master-admin', wanted: 'technician' });
  const chief = await at.member('chief', ['master-admin']);
  await ssoRules.set(asMember(chief), { isForced: true, breakGlassId: at.root.id });
  await at.enter({ ...root, attributes: { mail: 'root@example.com', name: 'x' } });
  t.deepEqual((await at.members.get(at.root.id)).state, 'enabled');
  await ssoRules.set(asMember(chief), { isForced: false, breakGlassId: null });
  await at.enter(root);
  t.deepEqual((await at.members.get(at.root.id)).roles, ['technician'], 'another master admin is there');
  t.deepEqual((await at.into('ida', ['IT'])).roles, ['master-admin']);
  await idps.setLink(asMember(chief), chief.id, { idpId: at.idp.id, subject: 'chief-1' });
  await at.enter({ nameId: 'chief-1', attributes: { mail: 'c@example.com', name: 'c', groups: ['Helpdesk'] } });
  t.deepEqual((await at.members.get(chief.id)).roles, ['master-admin'], 'those of the provider alone don’t count');
});

test('C-04 a technician group may be renamed; one that is gone leaves people where they are, and only master admins map', async t => {
  const at = await open(t);
  const ann = await at.into('ann', ['Helpdesk']);
  await at.groups.rename(at.editor, at.berlin.id, 'Potsdam');
  await at.groups.assign(at.editor, ann.id, at.night.id);
  await at.into('ann', ['Helpdesk']);
  t.is(await at.groups.groupOf(ann.id), at.berlin.id);
  await at.groups.delete(at.editor, at.berlin.id, { to: at.night.id, seen: 1 });
  await at.into('ann', ['Helpdesk']);
  t.is(await at.groups.groupOf(ann.id), at.night.id);
  const admin = await at.member('adam', ['admin']);
  const { idps } = at.identity;
  const { revision, mapping } = await idps.get(at.idp.id);
  t.is(await refusal(idps.change(asMember(admin), at.idp.id, revision, { mapping: [] })), 'identity.not-allowed');
  t.is(await refusal(idps.change(at.asRoot, at.idp.id, revision, { groupsAttribute: '' })), 'saml.groups-attribute');
  t.is(await refusal(idps.change(at.asRoot, at.idp.id, revision - 1, { mapping: [] })), 'saml.changed-meanwhile');
  for (const group of ['', ' Helpdesk', 'Help\u200Bdesk', 'x'.repeat(257)]) {
    const rows = [{ group, roles: ['technician' as const], technicianGroup: null }];
    t.is(await refusal(idps.change(at.asRoot, at.idp.id, revision, { mapping: rows })), 'saml.settings', group);
  }
  await idps.change(at.asRoot, at.idp.id, revision, { mapping: mapping.toSpliced(0, 1) });
  const change = (await at.told('saml.idp-changed')).at(-1) as Record<string, unknown>;
  t.regex(String(change.mapping), /^\{"group":"Helpdesk",.*\} → $/);
  await at.configure({ mapping: [] });
  t.deepEqual((await at.into('ann', null)).roles, ['technician'], 'without a mapping as ever');
});

test.serial(
  'C-04 attack: a group’s name in another case, with space, an invisible character or a lookalike gives nothing',
  async t => {
    const at = shared;
    const alike = [
      'it',
      'It',
      ' IT',
      'IT ',
      'IT\u00A0',
      '\uFEFFIT',
      'I\u200BT',
      'ＩＴ',
      'ІТ',
      'I T',
      'IT,Leads',
      NFC.normalize('NFD'),
    ];
    t.is(await refusal(at.into('eve', alike)), 'saml.no-role');
    t.deepEqual((await at.into('ada', [...alike, 'Helpdesk'])).roles, ['technician']);
    t.deepEqual((await at.into('bob', [NFC])).roles, ['auditor']);
  },
);

test.serial(
  'C-04 attack: 10,000 values are refused, and so is a person whose groups were left out; nothing is taken from anyone',
  async t => {
    const at = shared;
    const amy = await at.into('amy', ['Helpdesk']);
    const many = Array.from({ length: 10_000 }, (_, n) => (n === 9_999 ? 'IT' : `g${n}`));
    t.is(await refusal(at.into('amy', many)), 'saml.malformed');
    t.is(await refusal(at.into('amy', many.slice(-501))), 'saml.malformed');
    const left = { mail: 'amy@example.com', name: 'amy', [OVERAGE]: 'https://graph.example.com/x' };
    t.is(await refusal(at.enter({ nameId: 'amy', attributes: left })), 'saml.too-many-groups');
    const now = await at.members.get(amy.id);
    t.deepEqual([now.roles, now.state], [['technician'], 'enabled']);
    t.deepEqual((await at.into('amy', [...many.slice(0, 490), 'Leads'])).roles, ['admin']);
  },
);

test.serial(
  'C-04 attack: an attribute that is there twice counts once for each, one that only looks like it or is not signed never',
  async t => {
    const at = shared;
    const attribute = (head: string) =>
      `<a:Attribute ${head}><a:AttributeValue>IT</a:AttributeValue></a:Attribute></a:AttributeStatement>`;
    const bring = async (draft: (xml: string) => string, tamper: (xml: string) => string, sign?: 'Response') => {
      const { id, relayState } = await at.begin();
      const wish = { ...at.wish(id), ...at.person('abe', ['Helpdesk']), draft, ...(sign && { sign: [sign] }) };
      const { issued } = await at.bring(tamper(at.provider.response(wish)), { relayState });
      return (await at.members.get(issued.login.memberId)).roles;
    };
    const same = (xml: string) => xml;
    const add = (head: string) => (xml: string) => xml.replace('</a:AttributeStatement>', attribute(head));
    t.deepEqual(await bring(add('Name="groups"'), same), ['master-admin', 'technician'], 'as Keycloak writes several');
    for (const head of ['Name="Groups"', 'Name="groups "', 'Name="x" FriendlyName="groups"', 'FriendlyName="groups"']) {
      t.deepEqual(await bring(add(head), same), ['technician'], head);
    }
    t.is(await refusal(bring(same, add('Name="groups"'))), 'saml.signature', 'put in after it was signed');
    const outside = `<a:AttributeStatement>${attribute('Name="groups"')}</p:Response>`;
    const beside = (xml: string) => xml.replace('</p:Response>', outside);
    t.deepEqual(await bring(same, beside), ['technician'], 'beside the signed assertion nothing is read');
    t.is(await refusal(bring(same, beside, 'Response')), 'saml.signature');
    const nested = add(
      'Name="groups"><a:AttributeValue><a:x>IT</a:x></a:AttributeValue></a:Attribute><a:Attribute Name="y"',
    );
    t.deepEqual(await bring(nested, same), ['technician'], 'nor what is no plain value');
  },
);

test.serial('C-04 attack: provider A names roles for a member of provider B, and gives him nothing', async t => {
  const at = shared;
  const alf = await at.into('alf', ['Helpdesk']);
  const { idps, singleSignOn } = at.identity;
  const evil = new TestIdp('a.example.com');
  const added = await idps.add(at.asRoot, evil.metadata(), 'A');
  const rows: IdpSettings['mapping'] = [{ group: 'IT', roles: ['master-admin'], technicianGroup: null }];
  const settings = {
    createMembers: true,
    loginIdAttribute: 'mail',
    groupsAttribute: 'groups',
    mapping: rows,
    mayStart: true,
  };
  await idps.change(at.asRoot, added.id, added.revision, settings);
  await idps.switch(at.asRoot, added.id, true);
  const bring = (issuer: string) => {
    const wish = { ...at.wish(null), ...at.person('alf', ['IT']), issuer };
    const message = toField(evil.response(wish));
    const from = { relayState: '', browser: 'c'.repeat(43), source: '203.0.113.9', userAgent: '', reference: 'r' };
    return singleSignOn.accept({ message, ...from });
  };
  t.is(await refusal(bring(evil.entityId)), 'saml.conflict');
  await at.configure({ mayStart: true });
  t.is(await refusal(bring(at.provider.entityId)), 'saml.signature');
  t.deepEqual((await at.members.get(alf.id)).roles, ['technician']);
});

test.serial(
  'C-03 C-04 attack: whose groups give him less than when he signed in confirms nothing with what he had',
  async t => {
    const at = shared;
    const { singleSignOn } = at.identity;
    const confirm = async (login: Login, given: readonly string[]) => {
      const { idp, provider } = at;
      const purpose = { loginId: login.id, confirms: 'passkeys' };
      const sending = await singleSignOn.begin(idp.id, BROWSER, '203.0.113.77', purpose);
      const { id, relayState } = readSending(sending);
      return at.bring(provider.response({ ...at.wish(id), ...at.person('ira', given) }), { relayState });
    };
    const { login } = (await at.enter(at.person('ira', ['IT', 'Helpdesk']))).issued;
    t.is((await confirm(login, ['Helpdesk', 'IT'])).confirms, 'passkeys');
    t.is(await refusal(confirm(login, ['Helpdesk'])), 'login.refused');
    t.deepEqual((await at.members.get(login.memberId)).roles, ['technician']);
  },
);

test.serial(
  'C-04 D-08 attack: whom an admin disables while his groups had disabled him already, they do not bring back',
  async t => {
    const at = shared;
    const { id } = await at.into('uwe', ['Helpdesk']);
    t.is(await refusal(at.into('uwe', [])), 'saml.no-role');
    await at.members.disable(at.asRoot, id);
    t.is((await at.told('member.disabled')).length, 1);
    t.is(await refusal(at.into('uwe', ['Helpdesk'])), 'login.refused');
    await at.members.disable(at.asRoot, id);
    t.is((await at.told('member.disabled')).length, 1, 'he is already');
  },
);

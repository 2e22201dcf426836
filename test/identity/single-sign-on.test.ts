// Single sign-on on a real store: accounts, roll-over, off at a flick, forced with one way left, confirming, logout.
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import test from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { refusal } from '../support/refusal.ts';
import { readSending, TestIdp } from '../support/saml-idp.ts';
import { asMember, PASSWORD } from './open-identity.ts';
import { BROWSER, openTestSso } from './open-single-sign-on.ts';

const ben = { nameId: 'ben-1', attributes: { mail: 'ben@example.com', name: 'Ben' } };

test('C-04 an account is made at the first login, tied to the SSO id, with the roles and group that are set', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const night = await at.identity.groups.create(editor, { name: 'Night', parentId: ROOT_GROUP_ID });
  await at.configure({ groupId: night.id, domains: ['example.com'] });
  const { login } = (await at.enter()).issued;
  t.is(login.stage, 'full');
  const ann = await at.identity.members.get(login.memberId);
  t.deepEqual(
    [ann.loginId, ann.name, ann.roles, ann.singleSignOn],
    ['ann@example.com', 'Ann Example', ['technician'], 'only'],
  );
  t.is(await at.identity.groups.groupOf(ann.id), night.id);
  const married = { mail: 'ann.miller@example.com', name: 'Ann Miller' };
  const again = await at.enter({ attributes: married, sign: ['Response'], algorithm: 'sha512' });
  t.is(again.issued.login.memberId, ann.id);
  t.is((await at.identity.members.get(ann.id)).name, 'Ann Miller');
  t.is(await refusal(at.enter({ nameId: 'x', attributes: { mail: 'x@elsewhere.org', name: 'X' } })), 'saml.conflict');
  t.is(await refusal(at.identity.members.resetPassword(at.asRoot, ann.id)), 'password.at-provider');
  t.is(await refusal(at.signIn('ann@example.com')), 'login.refused');
  await at.configure({ createMembers: false });
  t.is(await refusal(at.enter(ben)), 'saml.no-account');
  await at.identity.members.disable(at.asRoot, ann.id);
  t.is(await refusal(at.enter()), 'login.refused');
  t.deepEqual(await at.events('login.refused'), ['login.refused password', 'login.refused disabled']);
});

test('C-04 two certificates at once for a roll-over; both, then the new one alone', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const next = new TestIdp('idp.example.com');
  const renewed = new TestIdp('renewed.example.com');
  const both = at.provider.metadata([renewed.certificate, at.provider.certificate]);
  const { idps } = at.identity;
  await idps.change(at.asRoot, at.idp.id, (await idps.get(at.idp.id)).revision, { metadata: both });
  await at.enter({ sign: ['Assertion', 'Response'] });
  const { id, relayState } = await at.begin();
  const byNew = renewed.response({ ...at.wish(id), issuer: next.entityId });
  t.is((await at.bring(byNew, { relayState })).issued.login.stage, 'full');
  const alone = at.provider.metadata([renewed.certificate]);
  await idps.change(at.asRoot, at.idp.id, (await idps.get(at.idp.id)).revision, { metadata: alone });
  t.is(await refusal(at.enter()), 'saml.signature');
});

test('C-04 off at a flick: logins by the provider, or of one SSO id, have ended when the flick returns', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const ended: string[] = [];
  at.identity.logins.onEnded((_id, memberId, reason) => void ended.push(`${memberId} ${reason}`));
  const ann = (await at.enter()).issued;
  const other = (await at.enter(ben)).issued;
  const byPassword = await at.signIn('root');
  const { idps, logins } = at.identity;
  await idps.switchLink(at.asRoot, ann.login.memberId, false);
  t.is(await logins.find(ann.token, { touch: false }), undefined);
  t.not(await logins.find(other.token, { touch: false }), undefined);
  t.is(await refusal(at.enter()), 'saml.switched-off');
  await idps.switchLink(at.asRoot, ann.login.memberId, true);
  await at.enter();
  const { id, relayState } = await at.begin();
  await idps.switch(at.asRoot, at.idp.id, false);
  t.is(await logins.find(other.token, { touch: false }), undefined);
  t.not(await logins.find(byPassword.token, { touch: false }), undefined);
  t.is(await refusal(at.bring(at.provider.response(at.wish(id)), { relayState })), 'saml.switched-off');
  t.is(await refusal(at.begin()), 'sso.no-provider');
  t.deepEqual(
    ended.map(one => one.split(' ')[1]),
    ['single-sign-on-off', 'single-sign-on-off', 'single-sign-on-off'],
  );
});

test('C-04 C-03 an account that is here is not taken over; with an SSO id it has both ways, and its second step stays', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const ann = await at.member('ann@example.com');
  t.is(await refusal(at.enter()), 'saml.conflict');
  const { idps, members } = at.identity;
  t.is(await refusal(idps.setLink(asMember(ann), ann.id, { idpId: at.idp.id, subject: 'x' })), 'identity.not-allowed');
  await idps.setLink(at.asRoot, ann.id, { idpId: at.idp.id, subject: ' ann-4711 ' });
  t.is((await at.enter()).issued.login.memberId, ann.id);
  t.is((await at.signIn('ann@example.com')).login.stage, 'full');
  t.is((await members.get(ann.id)).singleSignOn, 'also');
  const other = await at.member('other@example.com');
  const wish = { idpId: at.idp.id, subject: 'ann-4711' };
  t.is(await refusal(idps.setLink(at.asRoot, other.id, wish)), 'saml.link-twice');
  await members.requireTwoStep(at.asRoot, ann.id, true);
  t.is((await at.enter()).issued.login.stage, 'enrol-two-step');
  await idps.setLink(at.asRoot, ann.id, null);
  t.is(await refusal(at.enter()), 'saml.conflict');
});

test('C-04 when single sign-on is the only way in, one master admin’s password goes on, and stays', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  await at.member('tim');
  const { ssoRules, members, idps } = at.identity;
  const ann = (await at.enter()).issued.login.memberId;
  const force = (breakGlassId: string | null) => ssoRules.set(at.asRoot, { isForced: true, breakGlassId });
  for (const wrong of [null, ann, 'nobody']) t.is(await refusal(force(wrong)), 'sso.break-glass');
  await force(at.root.id);
  t.is(await refusal(at.signIn('tim')), 'login.refused');
  t.deepEqual(await at.events('login.refused'), ['login.refused single-sign-on']);
  t.is((await at.signIn('root')).login.stage, 'full');
  const second = await at.member('second', ['master-admin']);
  t.is(await refusal(members.disable(at.asRoot, at.root.id)), 'sso.break-glass');
  t.is(await refusal(members.update(at.asRoot, at.root.id, { name: 'Root', roles: ['admin'] })), 'sso.break-glass');
  await idps.switch(at.asRoot, at.idp.id, false);
  t.is(await refusal(at.signIn('second')), 'login.refused'); // no provider is on: nobody but the one
  await ssoRules.set(at.asRoot, { isForced: false, breakGlassId: null });
  t.is((await at.signIn('second', PASSWORD)).login.memberId, second.id);
  t.is((await at.entries()).filter(({ event }) => event === 'sso.rule-changed').length, 2);
});

test('C-04 when single sign-on becomes the only way in, whoever came by another one is out at once, consoles too', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  await at.member('tim');
  const { ssoRules, logins } = at.identity;
  const [ann, tim, root] = [(await at.enter()).issued, await at.signIn('tim'), await at.signIn('root')];
  const other = await at.member('other', ['master-admin']);
  const hers = await at.signIn('other');
  const ended: string[] = [];
  logins.onEnded((id, _member, reason) => ended.push(`${id} ${reason}`));
  await ssoRules.set(at.asRoot, { isForced: true, breakGlassId: other.id });
  t.deepEqual(ended, [`${tim.login.id} single-sign-on-only`], 'not who sets it, not the emergency account');
  for (const { login } of [ann, root, hers])
    t.true((await logins.list(login.memberId)).some(({ id }) => id === login.id));
  t.deepEqual(await logins.list(tim.login.memberId), []);
});

test('C-04 C-03 who has no password confirms at the provider, who must ask him once more', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const { login } = (await at.enter()).issued;
  const { singleSignOn, stepUp } = at.identity;
  const ask = async () => {
    const purpose = { loginId: login.id, confirms: 'passkeys' };
    return readSending(await singleSignOn.begin(at.idp.id, BROWSER, '192.0.2.8', purpose));
  };
  const first = await ask();
  t.regex(first.xml, /ForceAuthn="true"/);
  const old = at.provider.response({ ...at.wish(first.id), signedInAt: at.clock.now() - 5 * 60_000 });
  t.is(await refusal(at.bring(old, { relayState: first.relayState })), 'saml.stale-login');
  const second = await ask();
  const foreign = at.provider.response({ ...at.wish(second.id), ...ben });
  t.is(await refusal(at.bring(foreign, { relayState: second.relayState })), 'saml.subject');
  const third = await ask();
  const right = at.provider.response(at.wish(third.id));
  const { issued, confirms } = await at.bring(right, { relayState: third.relayState });
  t.deepEqual([issued.login.id, confirms], [login.id, 'passkeys']);
  t.true(await stepUp.isFresh(login.id));
});

test('C-04 requests and logout are signed with the key our metadata names', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const { singleSignOn } = at.identity;
  const metadata = await singleSignOn.service.metadata();
  const der = /<ds:X509Certificate>([^<]*)</.exec(metadata)?.[1] ?? '';
  const key = createPublicKey(
    new X509Certificate(Buffer.from(der, 'base64')).publicKey.export({ type: 'spki', format: 'pem' }),
  );
  t.regex(metadata, /AuthnRequestsSigned="true"/);
  const purpose = { loginId: null, confirms: null };
  const sending = await singleSignOn.begin(at.idp.id, BROWSER, '192.0.2.8', purpose);
  const [signed = '', signature = ''] = new URL(sending.url).search.slice(1).split('&Signature=');
  t.true(signed.endsWith('rsa-sha256'));
  t.true(verify('sha256', Buffer.from(signed), key, Buffer.from(decodeURIComponent(signature), 'base64')));
  const { login } = (await at.enter()).issued;
  const logout = await singleSignOn.logoutOf(login);
  const xml = Buffer.from(logout?.kind === 'post' ? (logout.fields.SAMLRequest ?? '') : '', 'base64').toString();
  t.regex(xml, /<a:NameID[^>]*>ann-4711<\/a:NameID><p:SessionIndex>s1</);
  t.regex(xml, /rsa-sha256"\/>.*<SignatureValue>/s);
  await at.configure({ signInBinding: 'post' });
  const posted = await singleSignOn.begin(at.idp.id, BROWSER, '192.0.2.8', purpose);
  t.regex(
    Buffer.from(posted.kind === 'post' ? (posted.fields.SAMLRequest ?? '') : '', 'base64').toString(),
    /<SignatureValue>/,
  );
});

test('C-04 a metadata file that won’t do is refused with its reason, and two admins overwrite nothing of each other', async t => {
  const at = await openTestSso();
  t.teardown(() => at.close());
  const { idps } = at.identity;
  const good = new TestIdp('two.example.com').metadata();
  const wrong: readonly [string, string][] = [
    ['saml.malformed', 'no XML'],
    ['saml.malformed', `<!DOCTYPE x>${good}`],
    ['saml.metadata', good.replaceAll('IDPSSODescriptor', 'SPSSODescriptor')],
    ['saml.metadata', good.replaceAll('HTTP-Redirect', 'SOAP')],
    ['saml.metadata', good.replace('https://two.example.com/sign-in', 'http://two.example.com/sign-in')],
    ['saml.metadata', good.replace('use="signing"', 'use="encryption"')],
    ['saml.metadata', good.replace('entityID=', 'validUntil="2001-01-01T00:00:00Z" entityID=')],
    ['saml.certificate', good.replace(/(<d:X509Certificate>).*(<\/d:X509Certificate>)/s, '$1AAAA$2')],
    ['saml.idp-twice', at.provider.metadata()],
    ['saml.settings', good],
  ];
  for (const [code, text] of wrong)
    t.is(await refusal(idps.add(at.asRoot, text, code === 'saml.settings' ? '' : 'Two')), code);
  const two = await idps.add(at.asRoot, good, 'Two');
  t.false(two.isOn);
  await at.configure({ domains: ['example.com'] });
  const { revision } = two;
  t.is(await refusal(idps.change(at.asRoot, two.id, revision, { domains: ['example.com'] })), 'saml.domain-twice');
  await idps.change(at.asRoot, two.id, revision, { domains: ['two.example.com'], name: 'Second' });
  t.is(await refusal(idps.change(at.asRoot, two.id, revision, { name: 'Mine' })), 'saml.changed-meanwhile');
  t.is(
    await refusal(idps.change(at.asRoot, two.id, revision + 1, { roles: ['master-admin'] as never })),
    'saml.settings',
  );
  await idps.switch(at.asRoot, two.id, true);
  const purpose = { loginId: null, confirms: null };
  const sent = await at.identity.singleSignOn.begin('Eve@Two.Example.com', BROWSER, '192.0.2.8', purpose);
  t.true(sent.url.startsWith('https://two.example.com/sign-in?'));
  const { login } = (await at.enter()).issued;
  await idps.remove(at.asRoot, at.idp.id);
  t.is((await at.identity.logins.list(login.memberId)).length, 0);
  t.is((await at.identity.members.get(login.memberId)).singleSignOn, 'none');
});

// The routes of single sign-on, as a browser and an identity provider's page meet them.
import { request } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { AppletDownloads } from '../../appliance/applet/downloads.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { SocketListener } from '../../appliance/portal/socket-listener.ts';
import { openTestSso, type TestSso } from '../identity/open-single-sign-on.ts';
import { newSigner } from '../sessions/open-sessions.ts';
import { toField } from '../support/saml-idp.ts';
import { askSocket, type SocketAnswer } from './ask-socket.ts';
import { openParts, openTestPortal } from './open-support.ts';

const OWN = { origin: 'https://support.example.com', 'sec-fetch-site': 'same-origin' };
const ELSEWHERE = { origin: 'https://idp.example.com', 'sec-fetch-site': 'cross-site' };

let at: TestSso;
let listener: SocketListener;
test.before(async () => {
  at = await openTestSso();
  const programs = new AppletDownloads({ folder: at.folder, signTag: async () => new Uint8Array(64) });
  const portal = await openTestPortal(at, await openParts(at, newSigner(at.clock).signer), { programs });
  listener = new SocketListener(join(at.folder, 'portal.sock'), portal);
  await listener.listen();
});
test.after.always(async () => {
  await listener?.close();
  await at?.close();
});

function post(
  path: string,
  fields: Readonly<Record<string, string>> | readonly string[][],
  headers: Readonly<Record<string, string>>,
): Promise<SocketAnswer> {
  const body = new URLSearchParams(fields as Record<string, string>).toString();
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ socketPath: join(at.folder, 'portal.sock'), method: 'POST', path, agent: false },
      headers: {
        ...{ host: 'support.example.com', 'x-appliance-peer': '192.0.2.7', accept: 'text/html' },
        ...{ 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length), ...headers },
      },
    });
    asked.on('response', async answer => {
      const text = Buffer.concat(await answer.toArray()).toString('utf8');
      const code = /<code>([a-z0-9.-]+)<\/code>/.exec(text)?.[1] ?? '';
      resolve({ status: answer.statusCode ?? 0, code, body: text, headers: answer.headers });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const cookiesOf = ({ headers }: SocketAnswer) => [headers['set-cookie'] ?? []].flat();
const policyOf = ({ headers }: SocketAnswer) => String(headers['content-security-policy']);

test.serial(
  'C-04 a request goes by redirect, in a cookie that comes back from elsewhere; the answer signs in',
  async t => {
    const sent = await post('/sign-in/single-sign-on', { to: at.idp.id }, OWN);
    t.is(sent.status, 200);
    const url = new URL(String(sent.headers.refresh).replace(/^0; url=/, ''));
    t.is(url.origin, 'https://idp.example.com');
    t.true(policyOf(sent).includes("form-action 'self';"));
    const [cookie = ''] = cookiesOf(sent);
    t.regex(cookie, /^__Host-single-sign-on=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=None$/);
    const { id, relayState } = await at.begin(/=([\w-]+)/.exec(cookie)?.[1] ?? '');
    const fields = { SAMLResponse: toField(at.provider.response(at.wish(id))), RelayState: relayState };
    const brought = await post('/saml/acs', fields, { ...ELSEWHERE, cookie: cookie.split(';')[0] ?? '' });
    t.deepEqual([brought.status, brought.headers.location], [303, '/technician']);
    t.true(cookiesOf(brought).some(one => /^__Host-login=.*SameSite=Lax$/.test(one)));
  },
);

test.serial('C-04 by POST the page may send its form to the provider, and nowhere else', async t => {
  await at.configure({ signInBinding: 'post' });
  const sent = await post('/sign-in/single-sign-on', { to: at.idp.id }, OWN);
  t.true(policyOf(sent).includes("form-action 'self' https://idp.example.com;"));
  t.regex(sent.body, /<form method="post" action="https:\/\/idp\.example\.com\/sign-in" data-send>/);
  t.regex(sent.body, /name="SAMLRequest" value="[^"]{500,}"/);
  await at.configure({ signInBinding: 'redirect' });
});

test.serial('C-04 whoever is refused is told calmly, with the reference that stands in the log', async t => {
  const xml = at.provider.response({ ...at.wish(null), sign: [] });
  const answer = await post('/saml/acs', { SAMLResponse: toField(xml) }, ELSEWHERE);
  t.is(answer.status, 403);
  t.regex(answer.body, /Signing in did not work this time|took too long/);
  const told = (await at.entries()).at(-1);
  t.is(told?.event, 'saml.refused');
  t.is(told?.detail.reference, String(answer.headers['x-request-id']));
  t.true(answer.body.includes(String(told?.detail.reference)));
  t.false(cookiesOf(answer).some(one => one.startsWith('__Host-login')));
  const bomb = await post('/saml/acs', { SAMLResponse: 'A'.repeat(500_000) }, ELSEWHERE);
  t.is(bomb.status, 413);
});

test.serial('C-04 attack: from elsewhere nothing is taken but what a provider signs', async t => {
  for (const path of ['/sign-in', '/sign-in/single-sign-on', '/sign-out', '/admin/single-sign-on', '/saml/metadata']) {
    t.is((await post(path, {}, ELSEWHERE)).code, 'portal.foreign-origin', path);
  }
});

test.serial('C-04 a logout by the provider is answered by a signed form, to the provider alone', async t => {
  await at.enter();
  const xml = at.provider.logout('ann-4711', at.identity.singleSignOn.service.logoutUrl, at.clock.now());
  const answer = await post('/saml/logout', { SAMLRequest: toField(xml), RelayState: 'their-key' }, ELSEWHERE);
  t.true(policyOf(answer).includes("form-action 'self' https://idp.example.com;"));
  t.regex(answer.body, /action="https:\/\/idp\.example\.com\/logout"/);
  t.regex(answer.body, /name="RelayState" value="their-key"/);
  const [, base64 = ''] = /name="SAMLResponse" value="([^"]*)"/.exec(answer.body) ?? [];
  const told = Buffer.from(base64.replaceAll('&#x3D;', '='), 'base64').toString();
  t.regex(told, /status:Success/);
  t.regex(told, /<SignatureValue>/);
  const ours = await post('/saml/logout', { SAMLResponse: 'anything' }, ELSEWHERE);
  t.deepEqual([ours.status, ours.headers.location], [303, '/sign-in']);
});

test.serial(
  'C-04 rows of groups and roles are added, mended and taken out without a script; nothing typed is lost',
  async t => {
    const { groups, idps } = at.identity;
    const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
    const desk = await groups.create(editor, { name: 'Desk', parentId: ROOT_GROUP_ID });
    const cookie = `__Host-login=${(await at.signIn('root')).token}`;
    const path = `/admin/single-sign-on/${at.idp.id}/mapping`;
    const send = async (act: string, fields: readonly string[][]) => {
      const { revision } = await idps.get(at.idp.id);
      const all = [['revision', String(revision)], ['groupsAttribute', ' groups '], ...fields, ['act', act]];
      return post(path, all, { ...OWN, cookie });
    };
    const row = (at: number, group: string, roles: readonly string[], place = '') => [
      ...[[`g${at}`, group], ...roles.map(role => [`r${at}`, role]), [`t${at}`, place]],
    ];
    const rowsOf = ({ body }: SocketAnswer) => [...body.matchAll(/name="g\d+" value="([^"]*)"/g)].map(([, one]) => one);
    const typed = [...row(0, 'Helpdesk', ['technician'], desk.id), ...row(1, 'Leads', [])];
    const added = await send('add', typed);
    t.deepEqual([added.status, ...rowsOf(added)], [200, 'Helpdesk', 'Leads', '']);
    t.regex(added.body, /name="r0" value="technician" checked/);
    t.regex(added.body, new RegExp(`value="${desk.id}" selected`));
    t.deepEqual((await idps.get(at.idp.id)).mapping, [], 'nothing is saved by that');
    const removed = await send('remove-0', typed);
    t.deepEqual([removed.status, ...rowsOf(removed)], [200, 'Leads']);
    const wrong = await send('save', [...typed, ...row(2, '', ['auditor'])]);
    t.deepEqual([wrong.status, ...rowsOf(wrong)], [400, 'Helpdesk', 'Leads', '']);
    t.regex(wrong.body, /id="e-r1">Tick at least one role\./);
    t.regex(wrong.body, /id="e-g2">Name the group\./);
    const many = Array.from({ length: 60 }, (_, n) => row(n, `g${n}`, ['technician'])).flat();
    t.is((await send('save', many)).status, 303);
    t.is((await idps.get(at.idp.id)).mapping.length, 60);
    t.is((await send('save', [...typed.slice(0, 3), ...row(1, '', [])])).status, 303);
    const { mapping, groupsAttribute, revision } = await idps.get(at.idp.id);
    t.deepEqual(mapping, [{ group: 'Helpdesk', roles: ['technician'], technicianGroup: desk.id }]);
    t.is(groupsAttribute, 'groups');
    const late = [
      ['revision', String(revision - 1)],
      ['groupsAttribute', 'mine'],
      ...typed.slice(0, 3),
      ['act', 'save'],
    ];
    const answer = await post(path, late, { ...OWN, cookie });
    t.is(answer.status, 409);
    t.regex(answer.body, /Another admin has changed it meanwhile.*value="mine"/s);
    const none = [['revision', String(revision)], ['groupsAttribute', ''], ...typed.slice(0, 3), ['act', 'save']];
    t.regex((await post(path, none, { ...OWN, cookie })).body, /id="f-groupsAttribute-error"/);
  },
);

test.serial('C-04 a member’s page says that his roles are set again at each login by the provider', async t => {
  const { issued } = await at.enter({ attributes: { mail: 'ann@example.com', name: 'Ann', groups: 'Helpdesk' } });
  const { token } = await at.signIn('root');
  const socketPath = join(at.folder, 'portal.sock');
  const headers = { host: 'support.example.com', accept: 'text/html' };
  const page = await askSocket(socketPath, 'GET', `/admin/members/${issued.login.memberId}`, token, headers);
  t.true(page.body.includes('At each login by Example login the groups there set the roles again'));
  const own = await askSocket(socketPath, 'GET', `/admin/members/${at.root.id}`, token, headers);
  t.false(own.body.includes('set the roles again'));
});

test.serial('C-04 whoever is in no group that gives a role is told so plainly, with the reference', async t => {
  const { id, relayState } = await at.begin();
  const attributes = { mail: 'eve@example.com', name: 'Eve', groups: 'Others' };
  const xml = at.provider.response({ ...at.wish(id), nameId: 'eve-1', attributes });
  const cookie = `__Host-single-sign-on=${'b'.repeat(43)}`;
  const answer = await post(
    '/saml/acs',
    { SAMLResponse: toField(xml), RelayState: relayState },
    { ...ELSEWHERE, cookie },
  );
  t.is(answer.status, 403);
  t.regex(answer.body, /none of your groups there gives you access here/);
  t.regex(answer.body, new RegExp(`reference: ${answer.headers['x-request-id']}`));
  t.is(await at.identity.members.findByLoginId('eve@example.com'), undefined);
});

test.serial(
  'C-04 D-08 of two who set a member’s SSO id at once the second is told, and nothing is overwritten',
  async t => {
    const { id } = await at.member('twice');
    const { token } = await at.signIn('root');
    const page = `/admin/members/${id}/single-sign-on`;
    const socket = join(at.folder, 'portal.sock');
    const html = { accept: 'text/html' };
    const seen = async () => {
      const { body } = await askSocket(socket, 'GET', page, token, html);
      return (/name="seen" value="([^"]*)"/.exec(body)?.[1] ?? '').replaceAll('&quot;', '"');
    };
    const save = (subject: string, from: string) =>
      askSocket(socket, 'POST', page, token, html, { idpId: at.idp.id, subject, seen: from });
    const first = await seen();
    t.is((await save('twice-1', first)).status, 303);
    const late = await save('twice-2', first);
    t.is(late.status, 409);
    t.true(late.body.includes('value="twice-1"'), 'what it is now is shown');
    t.is((await at.identity.idps.linkOf(id))?.subject, 'twice-1');
    t.is((await save('', await seen())).status, 303);
  },
);

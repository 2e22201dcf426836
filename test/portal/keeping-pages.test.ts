// The pages of what is kept and what is posted: an auditor looks and changes nothing, and that anybody looked is logged.
import test from 'ava';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

test('G-06 D-08 of two who set the CRM post at once the second is told, sees what it is now, and nothing is overwritten', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await at.member('mia@example.com', ['master-admin']);
  const { token } = await at.signIn('mia@example.com', PASSWORD);
  const html = { accept: 'text/html' };
  const seen = async () => {
    const { body } = await askSocket(at.socketPath, 'GET', '/admin/posts', token, html);
    return /name="seen" value="(\d+)"/.exec(body)?.[1] ?? '';
  };
  const save = (url: string, from: string) => {
    const typed = { isOn: 'on', url, format: 'json', secret: 'known-to-the-crm-alone', seen: from };
    return askSocket(at.socketPath, 'POST', '/admin/posts', token, html, typed);
  };
  const first = await seen();
  t.is((await save('https://crm.example.com/one', first)).status, 303);
  const late = await save('https://crm.example.com/two', first);
  t.is(late.status, 409);
  t.true(late.body.includes('Somebody else has changed it since you looked'));
  t.true(late.body.includes('https://crm.example.com/one') && !late.body.includes('/two'));
  t.is((await save('https://crm.example.com/two', await seen())).status, 303);
  t.is((await at.entries()).filter(({ event }) => event === 'post.settings-changed').length, 2);
});

test('G-05 D-08 a yes to deletion is for what was shown: where another has set it shorter meanwhile, nothing goes', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await at.member('mia@example.com', ['master-admin']);
  const { token } = await at.signIn('mia@example.com', PASSWORD);
  const html = { accept: 'text/html' };
  const see = async () => (await askSocket(at.socketPath, 'GET', '/admin/retention', token, html)).body;
  const seenIn = (body: string) => (/name="seen" value="([^"]*)"/.exec(body)?.[1] ?? '').replaceAll('&quot;', '"');
  const post = (path: string, form: object) => askSocket(at.socketPath, 'POST', path, token, html, form);
  const confirm = (seen: string) => post('/admin/retention/confirm', { seen });
  const isConfirmed = async () => !(await see()).includes('action="/admin/retention/confirm"');
  const shown = seenIn(await see());
  const shorter = { onlineMonths: '1', archiveMonths: '0', recordingMonths: '1', seen: shown };
  t.is((await post('/admin/retention', shorter)).status, 303);
  const late = await confirm(shown);
  t.is(late.status, 409);
  t.true(late.body.includes('Somebody else has changed it since you looked'));
  t.false(await isConfirmed());
  t.is((await confirm(seenIn(await see()))).status, 303);
  t.true(await isConfirmed());
});

test('H-04 C-03 attack: at an auditor’s browser that was left open nobody makes a password for every film', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await at.member('aud@example.com', ['auditor']);
  const { token } = await at.signIn('aud@example.com', PASSWORD);
  const html = { accept: 'text/html' };
  const make = (as: string) => askSocket(at.socketPath, 'POST', '/account/share', as, html, {});
  const refused = await make(token);
  t.deepEqual([refused.status, refused.headers.location], [303, '/account/confirm?next=share']);
  const proof = { next: 'share', password: PASSWORD, code: '' };
  const proved = await askSocket(at.socketPath, 'POST', '/account/confirm', token, html, proof);
  t.deepEqual([proved.status, proved.headers.location], [303, '/account/share']);
  const fresh = /__Host-login=([^;]+)/.exec(String(proved.headers['set-cookie']))?.[1] ?? '';
  t.true((await make(fresh)).body.includes('no recording share'), 'this desk has none, and says so only now');
});

test('D-08 G-02 a hold is a master admin’s to set and to release; an auditor sees it; who looks at such a page is logged', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id } = await at.made();
  const signIn = async (role: 'master-admin' | 'auditor') => {
    await at.member(`${role}@example.com`, [role]);
    return (await at.signIn(`${role}@example.com`, PASSWORD)).token;
  };
  const [auditor, master] = [await signIn('auditor'), await signIn('master-admin')];
  const html = { accept: 'text/html' };
  const see = (token: string, path = '/admin/retention') => askSocket(at.socketPath, 'GET', path, token, html);
  const act = (token: string, path: string, form: Record<string, string> = {}) =>
    askSocket(at.socketPath, 'POST', `/admin/retention/holds${path}`, token, {}, form);
  const wish = { sessionId: id, reason: 'case 4711' };

  t.is((await act(auditor, '', wish)).code, 'portal.not-allowed');
  t.is((await act(master, '', wish)).status, 303);
  const [seenByAuditor, seenByMaster] = [(await see(auditor)).body, (await see(master)).body];
  for (const body of [seenByAuditor, seenByMaster]) t.true(body.includes('case 4711'));
  t.regex(seenByMaster, /action="\/admin\/retention\/holds\/[^"]+\/release"/);
  t.notRegex(seenByAuditor, /action="\/admin\/retention/, 'no form that would be refused');
  t.is((await act(auditor, `/${id}/release`)).code, 'portal.not-allowed');
  t.true((await see(auditor)).body.includes('case 4711'));
  t.is((await act(master, `/${id}/release`)).status, 303);
  t.is((await see(master, '/admin/posts')).status, 200);
  const told = (await at.entries()).filter(({ event }) => /^(hold|retention|posts)\./.test(event));
  t.deepEqual(
    told.map(({ event, actor }) => `${event} ${actor.name?.split('@')[0]}`),
    [
      'hold.set master-admin',
      ...['auditor', 'master-admin', 'auditor'].map(who => `retention.viewed ${who}`),
      ...['hold.released master-admin', 'posts.viewed master-admin'],
    ],
  );
});

// The page of the audit log: who reads it, and that reading is in it.
import test from 'ava';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { linked, openTestDesk } from './open-support.ts';

test('G-02 D-08 auditors and master admins read the log, and that they did stands in it', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id } = await linked(at);
  const signIn = async (role: 'master-admin' | 'admin' | 'technician' | 'auditor') => {
    await at.member(`${role}@example.com`, [role]);
    return (await at.signIn(`${role}@example.com`, PASSWORD)).token;
  };
  const ask = (path: string, token: string) => askSocket(at.socketPath, 'GET', path, token, { accept: 'text/html' });
  for (const role of ['admin', 'technician'] as const) {
    const refused = await askSocket(at.socketPath, 'GET', '/admin/audit', await signIn(role));
    t.is(refused.code, 'portal.not-allowed', role);
  }
  t.deepEqual(await at.events('audit.viewed'), []);
  const [auditor, master] = [await signIn('auditor'), await signIn('master-admin')];
  const shown = await ask('/admin/audit?event=session.&from=2020-01-01', auditor);
  t.is(shown.status, 200);
  t.true(shown.body.includes(`/auditor/sessions/${id}/evidence.zip`), 'each entry of a session leads to its bundle');
  t.is((await ask('/admin/audit', master)).status, 200);
  const viewed = (await at.entries()).filter(({ event }) => event === 'audit.viewed');
  t.deepEqual(
    viewed.map(({ actor, detail }) => [actor.name, detail]),
    [
      ['auditor@example.com name', { event: 'session.', from: Date.parse('2020-01-01') }],
      ['master-admin@example.com name', {}],
    ],
  );
  const before = viewed.at(-1)?.seq;
  t.is((await ask(`/admin/audit?before=${before}`, auditor)).status, 200);
  t.deepEqual((await at.entries()).at(-1)?.detail, { before }, 'nor does anybody see an older page unseen');
});

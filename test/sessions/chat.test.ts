import { createHash } from 'node:crypto';
import test from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { master, newId, openSessions } from './open-sessions.ts';

const line = (text: string, lineId = newId()) => ({ lineId, author: 'technician' as const, text });

test('E-03 G-01 lines are kept in order, sealed, and read back', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  for (const text of ['Good morning', 'How can I help? 🙂', '<script>alert(1)</script>']) {
    await at.chat.add(id, { ...line(text), actor: owner });
  }
  const lines = await at.chat.list(id);
  t.deepEqual(
    lines.map(({ place, text }) => [place, text]),
    [
      [1, 'Good morning'],
      [2, 'How can I help? 🙂'],
      [3, '<script>alert(1)</script>'],
    ],
  );
  await at.audit.move();
  t.is((await at.chat.list(id))[0]?.text, 'Good morning', 'from the month’s file as well');
  for (const row of await at.store.core.read.all('SELECT * FROM chat_line')) {
    t.false(Object.values(row).some(value => Buffer.from(String(value)).includes('morning')));
  }
  await at.store.sessionKeys.destroy(id);
  await t.throwsAsync(at.chat.list(id), { code: 'session-key.destroyed' });
  await at.close();
});

test('E-03 a line that is sent again is neither lost nor doubled, however often and at once', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  const lines = Array.from({ length: 20 }, (_, n) => line(`line ${n}`));
  const sent = [...lines, ...lines, ...lines].sort((a, b) => (a.lineId < b.lineId ? -1 : 1));
  const places = await Promise.all(sent.map(one => at.chat.add(id, { ...one, actor: owner })));
  t.is(places.filter(({ isNew }) => isNew).length, 20);
  const kept = await at.chat.list(id);
  t.is(kept.length, 20);
  t.deepEqual(
    kept.map(({ place }) => place),
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
  t.deepEqual(kept.map(({ text }) => text).sort(), lines.map(({ text }) => text).sort());
  await at.close();
});

test('E-03 an id keeps its line: another text or author is refused', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  const first = line('yes');
  await at.chat.add(id, { ...first, actor: owner });
  const other = { code: 'chat.other-line' };
  await t.throwsAsync(at.chat.add(id, { ...first, text: 'no', actor: owner }), other);
  await t.throwsAsync(at.chat.add(id, { ...first, author: 'customer', actor: owner }), other);
  for (const text of ['', 'x'.repeat(9000), '\ud800']) {
    await t.throwsAsync(at.chat.add(id, { ...line(text), actor: owner }), { code: 'chat.line-size' });
  }
  await t.throwsAsync(at.chat.add(id, { ...line('x', 'short'), actor: owner }), { code: 'chat.line-id' });
  await at.sessions.end(id, owner, 'solved');
  await t.throwsAsync(at.chat.add(id, { ...line('late'), actor: owner }), { code: 'session.over' });
  t.false((await at.chat.add(id, { ...first, actor: owner })).isNew, 'its acknowledgement may have been lost');
  await at.close();
});

test('G-06 where the policy says so, text is not kept at all', async t => {
  const at = await openSessions();
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { storeChat: false });
  const { id, owner } = await at.active();
  const one = line('a secret of the customer');
  await at.chat.add(id, { ...one, actor: owner });
  t.false((await at.chat.add(id, { ...one, actor: owner })).isNew);
  t.deepEqual(
    (await at.chat.list(id)).map(({ place, text }) => [place, text]),
    [[1, null]],
  );
  const [stored] = await at.audit.search({ sessionId: id, event: 'chat.line', limit: 1 });
  t.is(stored?.body, null);
  await at.close();
});

test('G-01 what the applet says of a line is held against what was kept', async t => {
  const at = await openSessions();
  const { id, owner, applet } = await at.active();
  const one = line('Shall I?');
  await at.chat.add(id, { ...one, actor: owner });
  const digest = (text: string) => new Uint8Array(createHash('sha256').update(text).digest());
  const report = { stage: 'chat' as const, action: 'chat', detail: one.lineId };
  await at.actions.report(id, applet.report(id, { ...report, digest: digest('Shall I?') }));
  t.false((await at.events(id)).includes('action.chat-mismatch'));
  await at.actions.report(id, applet.report(id, { ...report, digest: digest('I shall not.') }));
  t.true((await at.events(id)).includes('action.chat-mismatch'));
  const details = (await at.logged()).filter(entry => entry.event === 'action.chat').map(entry => entry.detail);
  t.true(
    details.every(detail => detail.sha256 === undefined),
    'a short text would be guessed from its digest',
  );
  await at.close();
});

// TRUST: `console-lies-about-actions`. What the applet reports is the evidence; a console that says less, more or something
// else is found out, logged once and shown.
import test from 'ava';
import { fromBase64Url } from '../../appliance/guid.ts';
import { MISMATCH_AFTER_MS } from '../../appliance/sessions/action-log.ts';
import { newId, openSessions, technician } from '../sessions/open-sessions.ts';

for (const [lie, applet, console_] of [
  ['keeps quiet about what was done', 'started', null],
  ['makes up what was never done', null, 'started'],
  ['says it has ended while it goes on', 'started', 'ended'],
] as const) {
  test(`G-01 the console ${lie}`, async t => {
    const at = await openSessions();
    const session = await at.active();
    const { id, owner } = session;
    const shown: string[] = [];
    at.sessions.onChange(change => shown.push(change.event));
    const consentId = newId();
    if (applet !== null) {
      const report = session.applet.report(id, { stage: applet, consentId: fromBase64Url(consentId) });
      await at.actions.report(id, report);
    }
    if (console_ !== null)
      await at.actions.fromConsole(id, owner, { consentId, action: 'send-files', stage: console_ });
    at.clock.advance(MISMATCH_AFTER_MS - 1);
    t.is(await at.actions.compare(), 0);
    at.clock.advance(1);
    t.is(await at.actions.compare(), 1);
    t.is(await at.actions.compare(), 0, 'told once');
    const entry = (await at.logged()).find(({ event }) => event === 'action.mismatch');
    t.deepEqual(entry?.detail, { action: 'send-files', applet: applet ?? 'nothing', console: console_ ?? 'nothing' });
    t.is(entry?.actor.kind, 'appliance');
    t.true(shown.includes('action.mismatch'));
    await at.close();
  });
}

test('G-01 a console tells of its own session only, and in words we know', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  const told = { consentId: newId(), action: 'send-files', stage: 'started' as const };
  await t.throwsAsync(at.actions.fromConsole(id, technician(), told), { code: 'report.refused' });
  for (const bad of [{ consentId: 'x' }, { action: 'Send Files' }, { action: '' }]) {
    await t.throwsAsync(at.actions.fromConsole(id, owner, { ...told, ...bad }), { code: 'action.malformed' });
  }
  await at.close();
});

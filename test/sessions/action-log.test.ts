import test from 'ava';
import { fromBase64Url } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { MISMATCH_AFTER_MS } from '../../appliance/sessions/action-log.ts';
import { master, newId, openSessions, TestApplet } from './open-sessions.ts';

test('G-01 asked, granted, started, ended, each file: as the applet tells it', async t => {
  const at = await openSessions();
  const { id, applet } = await at.active();
  const consentId = fromBase64Url(newId());
  const digest = new Uint8Array(32).fill(5);
  for (const stage of ['asked', 'granted', 'started'] as const) {
    await at.actions.report(id, applet.report(id, { stage, consentId }));
  }
  await at.actions.report(id, applet.report(id, { stage: 'file', consentId, detail: 'notes.txt', digest }));
  const { acknowledged } = await at.actions.report(id, applet.report(id, { stage: 'ended', consentId }));
  t.is(acknowledged, 5);
  const told = (await at.logged()).filter(entry => entry.event.startsWith('action.'));
  t.deepEqual(
    told.map(entry => entry.event),
    ['action.asked', 'action.granted', 'action.started', 'action.file', 'action.ended'],
  );
  t.deepEqual(told[3]?.detail, { action: 'send-files', count: 4, note: 'notes.txt', sha256: '05'.repeat(32) });
  t.is(told[0]?.actor.kind, 'customer');
  await at.close();
});

test('G-01 a report that was taken is acknowledged again and logged once', async t => {
  const at = await openSessions();
  const { id, applet } = await at.active();
  const one = applet.report(id);
  for (let n = 0; n < 3; n++) t.deepEqual(await at.actions.report(id, one), { acknowledged: 1 });
  t.is((await at.events(id)).filter(event => event === 'action.asked').length, 1);
  await at.close();
});

test('G-01 a gap and a fork are logged, and what comes after is still taken', async t => {
  const at = await openSessions();
  const { id, applet } = await at.active();
  await at.actions.report(id, applet.report(id));
  applet.report(id); // lost on its way
  t.deepEqual(await at.actions.report(id, applet.report(id)), { acknowledged: 3 });
  t.true((await at.events(id)).includes('action.report-gap'));
  t.false((await at.events(id)).includes('action.report-fork'));
  const forged = applet.report(id, { count: 3, detail: 'another story' });
  await at.actions.report(id, forged);
  await at.actions.report(id, applet.report(id, { count: 4, previous: new Uint8Array(32) }));
  t.is((await at.events(id)).filter(event => event === 'action.report-fork').length, 2);
  t.true(at.metrics.text().includes('session_log_anomalies_total{what="report-gap"} 1'));
  await at.close();
});

test('G-01 only the session’s own applet reports on it', async t => {
  const at = await openSessions();
  const [one, two] = [await at.active(), await at.active()];
  const wrong = { code: 'applet-signature.wrong' };
  await t.throwsAsync(at.actions.report(one.id, new TestApplet().report(one.id)), wrong);
  await t.throwsAsync(at.actions.report(one.id, two.applet.report(one.id)), wrong);
  await t.throwsAsync(at.actions.report(one.id, one.applet.report(two.id)), { code: 'report.refused' });
  const signed = one.applet.report(one.id);
  const bent = { ...signed, payload: new Uint8Array(signed.payload) };
  bent.payload[bent.payload.length - 3] = (bent.payload[bent.payload.length - 3] ?? 0) ^ 1;
  await t.throwsAsync(at.actions.report(one.id, bent), wrong);
  const consent = two.receipt();
  await t.throwsAsync(at.actions.report(two.id, consent), wrong, 'a receipt is no report');
  await at.close();
});

test('D-06 each answer is kept as the receipt the applet signed', async t => {
  const at = await openSessions();
  const { id, applet, receipt } = await at.active();
  for (const answer of ['no', 'silence', 'yes'] as const) {
    await at.actions.consent(id, receipt({ answer, ttlMs: answer === 'yes' ? 60_000 : 0 }));
  }
  const kept = (await at.logged()).filter(entry => entry.event === 'action.consent');
  t.deepEqual(
    kept.map(entry => entry.detail.answer),
    ['no', 'silence', 'yes'],
  );
  t.is(kept[2]?.detail.wording, 'consent.launch-desktop-viewing.1');
  t.true(kept.every(entry => entry.bodyHash !== null));
  await t.throwsAsync(at.actions.consent(id, applet.report(id)), { code: 'applet-signature.wrong' });
  await at.close();
});

test('G-01 what console and applet tell alike is no mismatch', async t => {
  const at = await openSessions();
  const { id, owner, applet } = await at.active();
  const consentId = newId();
  for (const stage of ['asked', 'granted', 'started', 'ended'] as const) {
    await at.actions.report(id, applet.report(id, { stage, consentId: fromBase64Url(consentId) }));
    await at.actions.fromConsole(id, owner, { consentId, action: 'send-files', stage });
    at.clock.advance(MISMATCH_AFTER_MS);
    t.is(await at.actions.compare(), 0);
  }
  await at.close();
});

test('G-01 a console that was closed before the end has told nothing wrong', async t => {
  const at = await openSessions();
  const { id, owner, applet } = await at.active();
  for (const [console_, ends] of [
    ['asked', 'refused'],
    ['started', 'ended'],
  ] as const) {
    const consentId = newId();
    await at.actions.fromConsole(id, owner, { consentId, action: 'send-files', stage: console_ });
    await at.actions.report(id, applet.report(id, { stage: ends, consentId: fromBase64Url(consentId) }));
    at.clock.advance(MISMATCH_AFTER_MS);
    t.is(await at.actions.compare(), 0, ends);
  }
  await at.close();
});

test('H-01 G-01 the pause of a recording stands in the log with who paused it, and one that the policy bars as what it is', async t => {
  const at = await openSessions();
  const { id, owner, applet } = await at.active();
  const tell = async (stage: 'paused' | 'resumed', detail: string) =>
    at.actions.report(id, applet.report(id, { action: 'record-sessions', stage, detail }));
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { pauseRecording: true });
  await tell('paused', 'technician');
  await tell('resumed', 'appliance');
  t.false((await at.events(id)).includes('action.pause-barred'));
  const told = (await at.logged()).filter(({ event }) => event.startsWith('recording.'));
  t.like(told[0], { event: 'recording.paused', actor: { kind: 'member', id: owner.id }, detail: { by: 'technician' } });
  t.like(told[1], { event: 'recording.gone-on', actor: { kind: 'appliance' }, detail: { by: 'appliance' } });
  for (const policy of [{ pauseRecording: false }, { pauseRecording: true, forcedRecording: true }]) {
    await at.groups.setPolicy(master, ROOT_GROUP_ID, policy);
    await tell('paused', 'technician');
  }
  t.is((await at.events(id)).filter(event => event === 'action.pause-barred').length, 2);
  await at.close();
});

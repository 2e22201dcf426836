// What the status page tells: who is told, and that what is wrong is called wrong.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { parseConfig } from '../../appliance/config.ts';
import { ROLES, type Role } from '../../appliance/identity/member.ts';
import { GatewayBook } from '../../appliance/portal/status/gateway-book.ts';
import { checkLogEnd } from '../../appliance/portal/status/log-check.ts';
import { LogFollow } from '../../appliance/portal/status/log-follow.ts';
import { Presence } from '../../appliance/portal/status/presence.ts';
import { readProcesses } from '../../appliance/portal/status/processes.ts';
import { type Reading, readDisks } from '../../appliance/portal/status/reading.ts';
import { judge, type Verdict } from '../../appliance/portal/status/rules.ts';
import { openTestIdentity, PASSWORD } from '../identity/open-identity.ts';
import { ApplianceProcess } from '../support/appliance.ts';
import { openTestAudit } from '../support/audit.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { refusal } from '../support/refusal.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { askSocket } from './ask-socket.ts';
import { linked, openTestDesk } from './open-support.ts';
import { aDisk, aProcess, aReading, DAY_MS, HOUR_MS, MARKS, NOW } from './status-reading.ts';
import { startTlsSyslog } from './test-syslog.ts';

test('A-06 D-08 admins see the state of the appliance; technicians and auditors do not', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await linked(at);
  for (const role of ROLES) {
    await at.member(`${role}@example.com`, [role]);
    const { token } = await at.signIn(`${role}@example.com`, PASSWORD);
    for (const path of ['/admin/status', '/admin/status/now']) {
      const { code, body } = await askSocket(at.socketPath, 'GET', path, token, { accept: 'text/html' });
      const mayLook = role === 'admin' || role === 'master-admin';
      t.is(/Sessions<\/th>.*?1 active/s.test(body), mayLook, `${role} ${path} ${code}`);
      if (!mayLook) t.false(body.includes('signer'), role);
    }
  }
});

test('A-06 what the page asks for by itself keeps no idle login alive', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await at.member('admin@example.com', ['admin']);
  const { token, login } = await at.signIn('admin@example.com', PASSWORD);
  const seenAt = async () => (await at.identity.logins.list(login.memberId))[0]?.lastSeenAt;
  at.clock.advance(5 * 60_000);
  t.is((await askSocket(at.socketPath, 'GET', '/admin/status/now', token)).status, 200);
  t.is(await seenAt(), login.lastSeenAt);
  t.is((await askSocket(at.socketPath, 'GET', '/admin/status', token)).status, 200);
  t.is(await seenAt(), at.clock.now());
});

const WRONG: readonly (readonly [id: string, verdict: Verdict, change: Partial<Reading>])[] = [
  ['queue', 'look', { sessions: new Map([['waiting', 1]]), technicians: { available: 0, busy: 2, away: 0 } }],
  ['unrecorded', 'act', { unrecorded: 1 }],
  ['recorder', 'look', { processes: [{ ...aProcess('recorder', 1), isHeard: false }] }],
  ['recorder', 'look', { processes: [aProcess('recorder', 30_000)] }],
  ['recorder', 'act', { processes: [aProcess('recorder', 61_000)] }],
  ['disk-Data folder', 'look', { disks: [aDisk(19)] }],
  ['disk-Data folder', 'act', { disks: [aDisk(9)] }],
  ['disk-Data folder', 'act', { disks: [{ ...aDisk(90), fault: 'EROFS' }] }],
  ['disk-Data folder', 'look', { disks: [{ ...aDisk(90), fault: 'ENOENT' }], upMs: 5000 }],
  ['share', 'act', { share: { isThere: true, fault: 'the helper is away' } }],
  ['backup', 'look', { backup: { last: { at: NOW - 26 * HOUR_MS, verifiedAt: NOW }, everyHours: 24, fault: '' } }],
  ['backup', 'act', { backup: { last: { at: NOW - 49 * HOUR_MS, verifiedAt: NOW }, everyHours: 24, fault: '' } }],
  ['restore', 'look', { restore: { endedAt: NOW - DAY_MS, backup: 'x', fault: { code: 'backup.damaged' } } }],
  ['backup', 'act', { backup: { last: undefined, everyHours: 24, fault: '' } }],
  ['backup', 'act', { backup: { last: { at: NOW, verifiedAt: NOW }, everyHours: 24, fault: 'backup.unlike' } }],
  ['log', 'act', { logFault: 'entry 7 was changed' }],
  ['retention', 'act', { retention: { at: NOW, failures: 1 } }],
  ['retention', 'act', { retention: { at: NOW - 3 * DAY_MS, failures: 0 } }],
  ['certificate-server', 'look', { certificates: [{ name: 'server', endsAt: NOW + 29 * DAY_MS, fault: '' }] }],
  ['certificate-ca', 'act', { certificates: [{ name: 'ca', endsAt: NOW + 6 * DAY_MS, fault: '' }] }],
  ['certificate-ca', 'act', { certificates: [{ name: 'ca', endsAt: NOW - 1, fault: '' }] }],
  ['certificate-web-main', 'act', { certificates: [{ name: 'web-main', endsAt: 0, fault: 'no PEM' }] }],
  ['idp-acme', 'look', { idps: [{ id: 'acme', name: 'Acme', endsAt: NOW + 29 * DAY_MS }] }],
  ['idp-acme', 'act', { idps: [{ id: 'acme', name: 'Acme', endsAt: NOW - 1 }] }],
  ['directory', 'look', { directory: { fault: 'no answer in 5 s', since: NOW - 60_000, syncFault: '' } }],
  ['directory', 'act', { directory: { fault: 'no answer in 5 s', since: NOW - 5 * 60_000, syncFault: '' } }],
  ['directory', 'act', { directory: { fault: '', since: 0, syncFault: '9 of 10 accounts would be disabled' } }],
  ['posts', 'look', { posts: { waiting: 1, givenUp: 0, since: NOW - 60_000, error: '503' } }],
  ['posts', 'act', { posts: { waiting: 1, givenUp: 0, since: NOW - HOUR_MS, error: '503' } }],
  ['posts', 'act', { posts: { waiting: 0, givenUp: 1, since: NOW, error: '503' } }],
  ['logins', 'look', { failedLogins: { day: 100, tenMinutes: 0 } }],
  ['logins', 'act', { failedLogins: { day: 50, tenMinutes: 50 } }],
];

test('A-06 an appliance that is well is called so; each thing that is not is named with what to do', t => {
  const factsOf = (change: Partial<Reading>) => judge(aReading(change), MARKS).flatMap(({ facts }) => facts);
  t.deepEqual(
    factsOf({}).filter(({ verdict, advice }) => verdict !== 'good' || advice !== ''),
    [],
  );
  for (const [id, verdict, change] of WRONG) {
    const wrong = factsOf(change).filter(one => one.verdict !== 'good');
    t.deepEqual(
      wrong.map(one => [one.id, one.verdict]),
      [[id, verdict]],
      JSON.stringify(change),
    );
    t.not(wrong[0]?.advice, '', `${id} says what to do`);
  }
});

test('A-06 a process is known by its data folder, with memory and age as the system counts them', async t => {
  using folder = new TempFolder();
  using other = new TempFolder();
  for (const { path } of [folder, other]) writeFileSync(join(path, 'appliance.yaml'), 'version: 1\n');
  const jobs = new ApplianceProcess(['appliance/bin/jobs.ts', '--data', folder.path]);
  const others = new ApplianceProcess(['appliance/bin/jobs.ts', '--data', other.path]);
  t.teardown(() => Promise.all([jobs.kill(), others.kill()]));
  const begun = performance.now();
  await Promise.all([jobs.start(), others.start()]);
  const found = readProcesses(folder.path);
  t.deepEqual(
    found.map(({ name, pid }) => [name, pid]),
    [['jobs', jobs.pid]],
  );
  const [{ residentBytes = 0, ageMs = -1, processorMs = 0 } = {}] = found;
  t.true(residentBytes > 20 * 2 ** 20 && residentBytes < 2 ** 30, `${residentBytes}`);
  t.true(ageMs >= 0 && ageMs <= performance.now() - begun + 20, `${ageMs}`); // the kernel counts in hundredths
  t.true(processorMs > 0);
  process.kill(jobs.pid ?? 0, 'SIGSTOP');
  while (readProcesses(folder.path).length > 0) await new Promise(resolve => setImmediate(resolve)); // it does nothing
  process.kill(jobs.pid ?? 0, 'SIGCONT');
  while (readProcesses(folder.path).length === 0) await new Promise(resolve => setImmediate(resolve));
  await jobs.kill();
  t.deepEqual(readProcesses(folder.path), []);
});

test('A-06 a process that was there and answers no more is silent until it answers again', t => {
  using folder = new TempFolder();
  const clock = new ManualClock();
  const presence = new Presence(folder.path, clock);
  const read = (recorder: boolean, gateway: number | undefined) =>
    presence
      .read(['portal', 'recorder', 'gateway-1'], { recorder }, { 'gateway-1': gateway })
      .map(({ name, isHeard, silentMs }) => [name, isHeard, silentMs]);
  t.deepEqual(read(false, undefined), [
    ['portal', true, 0],
    ['recorder', false, 1],
    ['gateway-1', false, 1],
  ]);
  clock.advance(10_000);
  t.deepEqual(read(true, 4000).slice(1), [
    ['recorder', true, 0],
    ['gateway-1', true, 4000],
  ]);
  clock.advance(61_000);
  t.deepEqual(read(false, 65_000).slice(1), [
    ['recorder', true, 61_000],
    ['gateway-1', true, 65_000],
  ]);
  clock.advance(10_000);
  t.deepEqual(read(true, 0).slice(1), [
    ['recorder', true, 0],
    ['gateway-1', true, 0],
  ]);
});

test('A-06 what a gateway has relayed is counted on over its restarts and over ours', t => {
  const clock = new ManualClock();
  const book = new GatewayBook(clock);
  const say = (relayedBytes: number) => book.note({ id: 'gateway-1', relayedBytes, relays: 1 });
  t.is(book.silentMs('gateway-1'), undefined);
  say(5000); // before this portal knew it
  t.is(book.relayedBytes, 0);
  say(7000);
  say(300); // it has started again
  say(500);
  book.note({ id: 'gateway-2', relayedBytes: 9, relays: 2 });
  t.is(book.relayedBytes, 2500);
  t.is(book.relays(['gateway-1', 'gateway-2']), 3);
  t.is(book.relays(['gateway-1']), 1, 'one that is not configured any more does not count');
  clock.advance(61_000);
  t.is(book.silentMs('gateway-1'), 61_000);
});

test('A-06 G-01 attack: a changed, missing or cut-off entry of the log is found by the portal itself', async t => {
  for (const [attack, found] of [
    ["UPDATE audit_pending SET event = 'nothing.happened' WHERE seq = 4", /^entry 4 was changed/],
    ['DELETE FROM audit_pending WHERE seq = 4', /^entries are missing before number 5/],
    ['DELETE FROM audit_pending WHERE seq = 6', /^entries behind number 5 are missing/],
  ] as const) {
    const at = await openTestAudit();
    const tell = () =>
      at.store.core.transaction(tx => at.audit.append(tx, { event: 'test.told', actor: applianceActor }));
    for (let n = 0; n < 6; n++) await tell();
    const head = { log: (await at.entries())[0]?.log ?? '', seq: 6, hash: (await at.entries())[5]?.hash ?? '' };
    const audit = {
      search: at.audit.search.bind(at.audit),
      lastHead: async () => ({ ...head, at: 0, kid: '', signature: '' }),
    };
    t.is(await checkLogEnd(audit), '');
    await at.store.core.transaction(tx => tx.run(attack));
    t.regex(await checkLogEnd(audit), found);
    await at.close();
  }
});

test('A-06 C-07 failed logins are counted for a day and for ten minutes, each once', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const fail = () => refusal(at.signIn('nobody@example.com', 'wrong'));
  const follow = new LogFollow(at.audit, at.clock);
  await fail();
  at.clock.advance(11 * 60_000);
  t.is(await fail(), 'login.refused');
  const look = async () => {
    await follow.look();
    return follow.failedLogins();
  };
  t.deepEqual(await look(), { day: 2, tenMinutes: 1 });
  await fail();
  t.deepEqual(await look(), { day: 3, tenMinutes: 2 });
  t.deepEqual(await look(), { day: 3, tenMinutes: 2 });
  await at.audit.move();
  const again = new LogFollow(at.audit, at.clock); // after a restart
  await again.look();
  t.deepEqual(again.failedLogins(), { day: 3, tenMinutes: 2 });
  at.clock.skip(DAY_MS - 60_000);
  t.deepEqual(await look(), { day: 2, tenMinutes: 0 });
});

test('A-06 folders on one disk share a line; one that is not there says why', async t => {
  using folder = new TempFolder();
  const disks = await readDisks({ Data: folder.path, Recordings: folder.path, Share: join(folder.path, 'no') });
  t.deepEqual(
    disks.map(({ name, fault }) => [name, fault.split(':')[0]]),
    [
      ['Data, Recordings', ''],
      ['Share', 'ENOENT'],
    ],
  );
  const [{ freeBytes = 0, totalBytes = 0 } = {}] = disks;
  t.true(freeBytes > 0 && freeBytes < totalBytes);
});

/** As somebody with this role. */
async function askerOf(at: Awaited<ReturnType<typeof openTestDesk>>, role: Role) {
  await at.member(`${role}@example.com`, [role]);
  const { token } = await at.signIn(`${role}@example.com`, PASSWORD);
  return (path: string, method = 'GET') => askSocket(at.socketPath, method, path, token, { accept: 'text/html' });
}

test('A-06 an alert stands on top of what admins see, and on nobody else’s pages; when it is over it goes', async t => {
  const at = await openTestDesk({}, parseConfig('version: 1\nalerts: { failedLogins: 5 }'));
  t.teardown(() => at.close());
  const [admin, technician] = [await askerOf(at, 'admin'), await askerOf(at, 'technician')];
  await at.status.look();
  t.false((await admin('/account')).body.includes('alert'));
  for (let n = 0; n < 5; n++) await refusal(at.signIn(`guess-${n}@example.com`, 'wrong'));
  await at.status.look();
  const banner = /1 alert:.*?Many failed logins\. Failed logins: 5 in the last day.*?What to do/s;
  t.regex((await admin('/account')).body, banner);
  t.notRegex((await technician('/account')).body, banner);
  const page = (await admin('/admin/status')).body;
  t.notRegex(page, banner, 'there it stands below');
  t.regex(page, /<h2>Alerts<\/h2>.*?Many failed logins/s);
  at.clock.skip(11 * 60_000);
  await at.status.look();
  t.notRegex((await admin('/account')).body, /Many failed logins/);
  t.regex((await admin('/admin/status')).body, /The last that ended.*?Many failed logins/s);
  const about = (await at.entries()).filter(({ subject }) => subject === 'logins');
  t.deepEqual(
    about.map(({ event }) => event),
    ['alert.raised', 'alert.ended'],
  );
});

test('A-06 a test alert says step by step how far it came, and who sent it stands in the log', async t => {
  await using server = await startTlsSyslog();
  const { port, authorities } = server.config;
  const text = JSON.stringify({ version: 1, alerts: { syslog: { host: 'localhost', port, authorities } } });
  const at = await openTestDesk({}, parseConfig(text));
  t.teardown(() => at.close());
  const ask = await askerOf(at, 'master-admin');
  const sent = await ask('/admin/status/test-alert', 'POST');
  t.is(sent.status, 200);
  t.regex(sent.body, /localhost has the address.*?Connected to .*? TLSv1\.3 with TLS_AES_256_GCM_SHA384.*?Sent, and/s);
  await server.until(1);
  t.regex(server.lines[0] ?? '', /This is a test, sent by master-admin@example\.com name$/);
  const [entry] = (await at.entries()).filter(({ event }) => event === 'alert.test-sent');
  t.like(entry, {
    actor: { name: 'master-admin@example.com name' },
    detail: { to: 'the syslog server localhost (TLS)' },
  });
  await server.stop();
  const failed = await ask('/admin/status/test-alert', 'POST');
  t.is(failed.status, 503);
  t.regex(failed.body, /localhost has the address.*?It was not sent\..*?ECONNREFUSED.*?syslog\.failed/s);
});

test('A-06 G-01 damage of the log stays an alert, whatever is written behind it, until a master admin has dealt with it', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const kinds = () => at.status.alerts.open.map(({ kind }) => kind);
  const tell = (count: number) =>
    at.store.core.transaction(async tx => {
      for (let n = 0; n < count; n++) await at.audit.append(tx, { event: 'test.told', actor: applianceActor });
    });
  await tell(10);
  await at.status.look();
  t.deepEqual(kinds(), []);
  await at.store.core.transaction(tx => tx.run("UPDATE audit_pending SET event = 'nothing.happened' WHERE seq = 3"));
  at.clock.skip(10 * 60_000);
  await at.status.look();
  t.true(kinds().includes('log-damaged'));
  await tell(600);
  at.clock.skip(10 * 60_000);
  await at.status.look();
  t.true(kinds().includes('log-damaged'), 'it is out of sight, not mended');
  const [master, admin] = [await askerOf(at, 'master-admin'), await askerOf(at, 'admin')];
  t.notRegex((await admin('/admin/status')).body, /is dealt with<\/button>/);
  t.regex((await master('/admin/status')).body, /is dealt with<\/button>/);
  t.is((await master('/admin/status/log-dealt-with', 'POST')).status, 303);
  t.false(kinds().includes('log-damaged'));
  t.is((await master('/admin/status/log-dealt-with', 'POST')).status, 409);
  const [entry] = (await at.entries()).filter(({ event }) => event === 'audit.damage-dealt-with');
  t.like(entry, {
    actor: { name: 'master-admin@example.com name' },
    detail: { damage: 'entry 3 was changed, or the one before it' },
  });
});

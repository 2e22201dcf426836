// Alerts: raised once, ended once, told on the pages, in the log and to real syslog servers.
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { type ApplianceConfig, parseConfig, type SyslogConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { listEndedAlerts } from '../../appliance/portal/status/alert-store.ts';
import { Alerts } from '../../appliance/portal/status/alerts.ts';
import type { Reading } from '../../appliance/portal/status/reading.ts';
import { judge } from '../../appliance/portal/status/rules.ts';
import { sendSyslog, syslogLine } from '../../appliance/portal/status/syslog.ts';
import { openTestAudit, type TestAudit } from '../support/audit.ts';
import { refusal } from '../support/refusal.ts';
import { aDisk, aProcess, aReading, DAY_MS, MARKS, NOW } from './status-reading.ts';
import { startTlsSyslog, startUdpSyslog } from './test-syslog.ts';

/** RFC 5424 §6: PRI of daemon, version, time, host, application, process, event, no structured data, BOM, text. */
const LINE =
  /^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) support\.example\.com remote-support \d+ ([a-z.]+) - \ufeff(.*)$/;

function configWith(syslog: SyslogConfig | null): Pick<ApplianceConfig, 'alerts' | 'names'> {
  return { names: ['support.example.com'], alerts: { ...parseConfig('version: 1').alerts, syslog } };
}

function openAlerts(at: TestAudit, syslog: SyslogConfig | null = null, metrics = new Metrics()): Alerts {
  return new Alerts({ ...at, metrics, log: silentLog, config: () => configWith(syslog) });
}

const factsOf = (change: Partial<Reading>) => judge(aReading(change), MARKS).flatMap(({ facts }) => facts);
const free = (percent: number) => factsOf({ disks: [aDisk(percent)] });

async function told(at: TestAudit): Promise<string[]> {
  const entries = (await at.entries()).filter(({ event }) => event.startsWith('alert.'));
  return entries.map(({ event, subject, detail }) => `${event} ${subject} ${detail.kind}`);
}

async function open(t: ExecutionContext): Promise<TestAudit> {
  const at = await openTestAudit();
  t.teardown(() => at.close());
  return at;
}

test('A-06 whatever a disk does, an alert is raised below one mark, ended above a better one, and there is one at a time', async t => {
  const at = await open(t);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.double({ min: 5, max: 20, noNaN: true }), { maxLength: 20 }), async percents => {
      const alerts = openAlerts(at); // as after a restart
      await alerts.follow(free(50));
      const before = (await told(at)).length;
      const expected: string[] = [];
      for (const percent of percents) {
        const isOpen = expected.length % 2 === 1;
        if (!isOpen && percent < 10) expected.push('alert.raised disk-Data folder disk-full');
        if (isOpen && percent >= 12.5) expected.push('alert.ended disk-Data folder disk-full');
        await alerts.follow(free(percent));
        t.is(alerts.open.length, expected.length % 2);
      }
      t.deepEqual((await told(at)).slice(before), expected);
    }),
    { numRuns: 25 },
  );
});

test('A-06 each thing that needs a person raises its alert, and what is only worth a look raises none', async t => {
  const at = await open(t);
  const metrics = new Metrics();
  const alerts = openAlerts(at, null, metrics);
  await alerts.follow(
    factsOf({
      processes: [aProcess('recorder', 61_000), aProcess('gateway-1', 30_000)],
      disks: [{ ...aDisk(50), fault: 'EROFS' }],
      certificates: [
        { name: 'server', endsAt: NOW + 29 * DAY_MS, fault: '' },
        { name: 'ca', endsAt: NOW + 6 * DAY_MS, fault: '' },
      ],
      backup: { last: undefined, everyHours: 24, fault: 'backup.unlike' },
      failedLogins: { day: 500, tenMinutes: 50 },
      retention: { at: NOW, failures: 2 },
      logFault: 'entry 7 was changed',
      unrecorded: 1,
      share: { isThere: true, fault: 'the helper is away' },
    }),
  );
  t.deepEqual((await told(at)).toSorted(), [
    'alert.raised backup backup-failed',
    'alert.raised backup backup-old',
    'alert.raised certificate-ca certificate-ending',
    'alert.raised certificate-server certificate-soon',
    'alert.raised disk-Data folder disk-full',
    'alert.raised log log-damaged',
    'alert.raised logins login-failures',
    'alert.raised recorder process-gone',
    'alert.raised retention retention-failed',
    'alert.raised share share-away',
    'alert.raised unrecorded unrecorded-control',
  ]);
  t.regex(metrics.text(), /^alerts_open\{kind="process-gone"\} 1$/m);
  // A portal that has just started knows of no process yet: that is no end, and no beginning.
  const unheard = (name: string) => ({ ...aProcess(name, 1), isHeard: false });
  const again = openAlerts(at);
  await again.follow(factsOf({ processes: [unheard('recorder'), unheard('gateway-1')] }));
  t.deepEqual(
    again.open.map(({ about }) => about),
    ['recorder'],
  );
  await again.follow(factsOf({ processes: [] }));
  t.deepEqual(again.open, [], 'what is not part of the appliance any more needs nobody');
  t.is((await listEndedAlerts(at.store.core.read, 100)).length, 11);
});

test('A-06 alerts reach a syslog server over TLS in their order, once, also after it was away and we were restarted', async t => {
  const at = await open(t);
  await using server = await startTlsSyslog();
  const away = openAlerts(at, { ...server.config, port: 1 });
  await away.follow(free(5));
  await away.send();
  t.regex(away.fault, /^localhost:1 by tls: /);
  const fault = away.fault;
  await away.send(); // waits its time
  t.is(away.fault, fault);
  const alerts = openAlerts(at, server.config);
  at.clock.skip(90_000);
  await alerts.follow(free(50));
  await alerts.follow(factsOf({ logFault: 'entry 7\r\nwas changed' }));
  await alerts.send();
  t.is(alerts.fault, '');
  await alerts.send();
  await openAlerts(at, server.config).send();
  await alerts.follow(factsOf({}));
  await alerts.send(); // what would come twice would come before this
  await server.until(4);
  const found = server.lines.map(line => LINE.exec(line) ?? []);
  t.deepEqual(
    found.map(([, priority, time, event, text]) => [Number(priority), time, event, text]),
    [
      [27, '2026-06-01T08:00:00.000Z', 'alert.raised', 'Disk full or away. Data folder: 5.0 GiB of 100 GiB free (5 %)'],
      [
        ...[29, '2026-06-01T08:01:30.000Z', 'alert.ended'],
        'Over after 1 minute. Disk full or away. Data folder: 5.0 GiB of 100 GiB free (5 %)',
      ],
      [
        27,
        '2026-06-01T08:01:30.000Z',
        'alert.raised',
        'Audit log damaged or not written. Audit log: entry 7 was changed',
      ],
      [
        ...[29, '2026-06-01T08:01:30.000Z', 'alert.ended'],
        'Over after 0 seconds. Audit log damaged or not written. Audit log: entry 7 was changed',
      ],
    ],
  );
});

test('A-06 after a failure it is tried again by the clock; what is older than a day is not sent any more', async t => {
  const at = await open(t);
  await using server = await startTlsSyslog();
  let config: SyslogConfig = { ...server.config, port: 1 };
  const alerts = new Alerts({ ...at, metrics: new Metrics(), log: silentLog, config: () => configWith(config) });
  await alerts.follow(free(5));
  await alerts.send();
  config = server.config;
  at.clock.skip(9000);
  await alerts.send();
  t.deepEqual(server.lines, []);
  at.clock.skip(1000);
  await alerts.send();
  await server.until(1);
  await alerts.follow(free(50));
  at.clock.skip(DAY_MS + 1);
  await alerts.send();
  await alerts.follow(free(5));
  await alerts.send();
  await server.until(2);
  t.deepEqual(
    server.lines.map(line => LINE.exec(line)?.[3]),
    ['alert.raised', 'alert.raised'],
  );
});

test('B-01 attack: a syslog server with a certificate for another name, or of nobody we trust, gets nothing', async t => {
  await using other = await startTlsSyslog(['elsewhere.example.com']);
  await using ours = await startTlsSyslog();
  const line = syslogLine({ severity: 'error', at: NOW, event: 'alert.raised', text: 'secret' }, 'support.example.com');
  t.is(await refusal(sendSyslog(other.config, [line])), 'syslog.failed');
  t.is(await refusal(sendSyslog({ ...ours.config, authorities: null }, [line])), 'syslog.failed');
  t.is(await refusal(sendSyslog(ours.config, [line])), 'accepted');
  await ours.until(1);
  t.deepEqual([other.lines, ours.lines], [[], [line]]);
});

test('A-06 a line by UDP is one line, whatever stands in it, and it is told what can’t be known', async t => {
  using server = await startUdpSyslog();
  const hostile = `one\n<0>1 two\r\0three${'…'.repeat(2000)}`;
  const line = syslogLine({ severity: 'error', at: NOW, event: 'alert.raised', text: hostile }, 'support.example.com');
  const steps: string[] = [];
  await sendSyslog(server.config, [line], { step: what => steps.push(what) });
  const [, , , , text] = LINE.exec(await server.next) ?? [];
  t.true(text?.startsWith('one <0>1 two three…'));
  t.is(text?.length, 1000);
  t.deepEqual(steps, [
    '127.0.0.1 has the address 127.0.0.1',
    `Sent to port ${server.config.port} by UDP; whether it arrived, the server alone knows`,
  ]);
});

// Alerts by mail: to a real mail server, over TLS or not at all.
import { chmodSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { type MailConfig, parseConfig, type SyslogConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Alerts } from '../../appliance/portal/status/alerts.ts';
import { sendMail } from '../../appliance/portal/status/mail.ts';
import type { Reading } from '../../appliance/portal/status/reading.ts';
import { judge } from '../../appliance/portal/status/rules.ts';
import { openTestAudit, type TestAudit } from '../support/audit.ts';
import { refusal } from '../support/refusal.ts';
import { aDisk, aReading, MARKS } from './status-reading.ts';
import { startMailServer } from './test-mail-server.ts';
import { startTlsSyslog } from './test-syslog.ts';

const PLAIN = { subject: 'a subject', text: 'a text\n' };
const factsOf = (change: Partial<Reading>) => judge(aReading(change), MARKS).flatMap(({ facts }) => facts);

async function open(t: ExecutionContext): Promise<TestAudit> {
  const at = await openTestAudit();
  t.teardown(() => at.close());
  return at;
}

function openAlerts(at: TestAudit, mail: MailConfig, syslog: SyslogConfig | null = null): Alerts {
  const alerts = { ...parseConfig('version: 1').alerts, mail, syslog };
  const config = () => ({ names: ['support.example.com'], alerts });
  return new Alerts({ ...at, log: silentLog, metrics: new Metrics(), config });
}

for (const security of ['starttls', 'tls'] as const) {
  test(`A-06 B-01 what happened at one time comes in one mail, over TLS with AES-256, to an account (${security})`, async t => {
    const at = await open(t);
    await using server = await startMailServer(security);
    const alerts = openAlerts(at, server.config);
    await alerts.follow(factsOf({ disks: [aDisk(5)], logFault: 'entry 7\r\nBcc: eve@example.com\r\n\r\nwas changed' }));
    await alerts.send();
    t.is(alerts.fault, '');
    const mail = await server.next();
    t.is(mail.from, 'appliance@example.com');
    t.deepEqual(mail.to, ['it@example.com', 'ann@example.com'], 'and to nobody a text names');
    t.is(mail.user, 'appliance');
    t.regex(mail.cipher, /AES_?256/);
    const [head = '', body = ''] = mail.content.split(/\r?\n\r?\n/);
    t.regex(head.replaceAll(/\r?\n\s/g, ' '), /Subject: support\.example\.com: Disk full or away\. .* and 1 more/);
    t.false(/^Bcc/im.test(head));
    t.regex(body, /Disk full or away/);
    await alerts.follow(factsOf({}));
    await openAlerts(at, server.config).send(); // what was sent is known after a restart, too
    const over = await server.next();
    t.regex(over.content, /Over after 0 seconds/);
    t.is(over.content.match(/Over after/g)?.length, 3, 'subject and both; not what was raised once more');
  });
}

test('A-06 one channel that is away does not hold up the other, and a test tells of both', async t => {
  const at = await open(t);
  await using server = await startMailServer('starttls');
  await using syslog = await startTlsSyslog();
  const alerts = openAlerts(at, server.config, { ...syslog.config, port: 1 });
  await alerts.follow(factsOf({ disks: [aDisk(5)] }));
  await alerts.send();
  t.regex(alerts.fault, /^localhost:1 by tls: [^;]*$/);
  t.regex((await server.next()).content, /Disk full or away/);
  const steps: string[] = [];
  const actor = { kind: 'member', id: 'A'.repeat(22), name: 'Ann', address: '192.0.2.1' } as const;
  t.is(await refusal(alerts.tryOut(actor, step => steps.push(step))), 'syslog.failed');
  t.regex(steps.at(-1) ?? '', /^localhost port \d+ has taken it for it@example\.com, ann@example\.com: 250 /);
  t.regex((await server.next()).content, /This is a test, sent by Ann/);
});

test('B-01 attack: a mail server with a certificate for another name, of nobody we trust, or without TLS gets nothing', async t => {
  await using other = await startMailServer('starttls', ['elsewhere.example.com']);
  await using ours = await startMailServer('starttls');
  await using clear = await startMailServer('none');
  t.is(await refusal(sendMail(other.config, PLAIN)), 'mail.failed');
  t.is(await refusal(sendMail({ ...ours.config, authorities: null }, PLAIN)), 'mail.failed');
  t.is(await refusal(sendMail(clear.config, PLAIN)), 'mail.failed');
  chmodSync(ours.config.passwordFile ?? '', 0o644);
  t.is(await refusal(sendMail(ours.config, PLAIN)), 'mail.failed', 'a password others can read');
  chmodSync(ours.config.passwordFile ?? '', 0o600);
  t.is(await refusal(sendMail({ ...ours.config, user: 'eve' }, PLAIN)), 'mail.failed');
  t.is(await refusal(sendMail(ours.config, PLAIN)), 'accepted');
  t.regex((await ours.next()).content, /a text/, 'the first it has taken');
});

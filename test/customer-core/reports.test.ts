import { createHash } from 'node:crypto';
import test from 'ava';
import { parseReport } from '../../appliance/customer-core/objects.ts';
import { START_TIMEOUT_MS } from '../../appliance/customer-core/reports.ts';
import { openCustomer, settle } from './open-customer.ts';

const told = (action: string) => ({ stage: 'asked' as const, action });

test('G-01 reports are counted and chained in the order they were told', async t => {
  const at = openCustomer();
  await Promise.all(['send-files', 'reboot', 'send-urls'].map(action => at.reports.tell(told(action))));
  const reports = at.sent.map(({ payload }) => parseReport(payload));
  t.deepEqual(
    reports.map(({ count, action }) => [count, action]),
    [
      [1, 'send-files'],
      [2, 'reboot'],
      [3, 'send-urls'],
    ],
  );
  for (const [n, report] of reports.entries()) {
    const before = at.sent[n - 1]?.payload;
    const hash = before === undefined ? Buffer.alloc(32) : createHash('sha256').update(before).digest();
    t.deepEqual(Buffer.from(report.previous), hash);
  }
});

test('G-01 an action starts only after its "started" was acknowledged', async t => {
  const at = openCustomer();
  let hasStarted = false;
  const start = at.reports.tellStart({ action: 'send-files' }).then(() => {
    hasStarted = true;
  });
  await settle();
  t.is(at.sent.length, 1);
  t.false(hasStarted);
  at.reports.acknowledge(1);
  await start;
  t.true(hasStarted);
  t.is(at.reports.waiting, 0);
});

test('G-01 with the appliance away a new thing is refused, and told as ended when it is back', async t => {
  const at = openCustomer();
  const start = at.reports.tellStart({ action: 'reboot' });
  await settle();
  at.clock.advance(START_TIMEOUT_MS);
  await t.throwsAsync(start, { code: 'report.unacknowledged' });
  at.sent.length = 0;
  at.reports.resend();
  t.deepEqual(
    at.sent.map(({ payload }) => parseReport(payload).stage),
    ['started', 'ended'],
  );
  at.reports.acknowledge(2);
  at.reports.resend();
  t.is(at.sent.length, 2, 'what was acknowledged doesn’t go again');
});

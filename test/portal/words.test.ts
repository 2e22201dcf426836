import test from 'ava';
import { browserName } from '../../appliance/portal/web/browsers.ts';
import { detailParts, durationText, subjectPart } from '../../appliance/portal/web/detail-words.ts';
import { pageHelpers } from '../../appliance/portal/web/helpers.ts';

test('A-05 a time says in which zone it is', t => {
  const { time } = pageHelpers({ timeZone: 'Europe/Berlin' });
  const [winter, summer] = [Date.UTC(2026, 0, 5, 8), Date.UTC(2026, 6, 5, 8)].map(at =>
    String(time?.(at)).replaceAll('\u00A0', ' '),
  );
  t.true(winter?.includes('>5 Jan 2026, 09:00 CET<'), winter);
  t.true(summer?.includes('>5 Jul 2026, 10:00 CEST<'), summer);
  t.is(String(time?.(null)), 'never');
});

test('D-08 a login id breaks at its dots and its @, and is no markup', t => {
  const { pieces } = pageHelpers({ timeZone: 'Etc/UTC' });
  t.is(String(pieces?.('ann@example.com')), 'ann@<wbr>example.<wbr>com');
  t.is(String(pieces?.('<b>')), '&lt;b&gt;');
});

test('C-02 a browser is named as people know it', t => {
  const mozilla = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)';
  const chrome = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
  t.is(browserName(`${mozilla} ${chrome}`), 'Chrome 140 on Windows');
  t.is(browserName(`${mozilla} ${chrome} Edg/140.0.1.0`), 'Edge 140 on Windows');
  t.is(browserName('Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'), 'Firefox 142 on Linux');
  t.is(browserName('curl/8.1'), 'curl/8.1');
});

const PRINTERS = 'YaqAag_c00000000000000';

test('G-03 what an entry of the log says stands in words and units; an id by its beginning, or by its name', t => {
  const [consent, group] = ['q2mB7x_9dS0kLrT4vWzYHg', 'AAAAAAAAAAAAAAAAAAAAAA'];
  const named = new Map([
    [group, 'Helpdesk'],
    [PRINTERS, 'Printers'],
  ]);
  const detail = {
    ...{ action: 'view-screen', ttlMs: 3_600_000, appletKey: consent, groupId: group, byCustomer: true },
    ...{ durationMs: 125_400, bytes: 2048, startedAt: Date.UTC(2026, 5, 1, 8), before: null, count: 3 },
    'login.idleMinutes': '15 → 30',
    ...{ channel: 'Printers', channelId: PRINTERS },
  };
  const parts = detailParts(detail, named);
  t.deepEqual(
    parts.map(({ name, value }) => `${name}: ${value}`),
    [
      ...['action: view-screen', 'good for: 60 min', `key of the customer’s program: ${consent}`, 'group: Helpdesk'],
      ...['by customer: yes', 'duration: 2 min 5 s', 'bytes: 2.0 KiB', 'started: 2026-06-01 08:00:00 UTC'],
      ...['before: nothing', 'count: 3', 'login.idleMinutes: 15 → 30', 'channel: Printers'],
    ],
  );
  t.deepEqual(
    parts.filter(({ isId }) => isId).map(({ value }) => value),
    [consent],
  );
  t.is(subjectPart(consent, named)?.isId, true);
  t.is(subjectPart(group, named)?.value, 'Helpdesk');
  t.is(subjectPart('a-technician@example.com', named)?.isId, false);
  t.deepEqual([0, 800, 45_000, 7_200_000, 172_800_000].map(durationText), ['0 s', '800 ms', '45 s', '2 h', '2 days']);
});

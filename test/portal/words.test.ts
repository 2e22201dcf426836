import test from 'ava';
import { browserName } from '../../appliance/portal/web/browsers.ts';
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

import test from 'ava';
import fc from 'fast-check';
import { Budget } from '../../appliance/gateway/budget.ts';
import { Hosts } from '../../appliance/gateway/hosts.ts';
import { Silence } from '../../appliance/gateway/silence.ts';
import { plainAddress, sourceOf } from '../../appliance/gateway/source.ts';

test('A-05 an IPv6 client is counted by its /64, an IPv4 one by its address, however it came in', t => {
  t.is(sourceOf('203.0.113.7'), '203.0.113.7');
  t.is(sourceOf('::ffff:203.0.113.7'), '203.0.113.7');
  t.is(sourceOf('2001:db8:0:1:2:3:4:5'), '2001:db8:0:1::/64');
  t.is(sourceOf('2001:db8:0:1::9'), sourceOf('2001:0db8:0000:0001:ffff:ffff:ffff:ffff'));
  t.not(sourceOf('2001:db8:0:1::9'), sourceOf('2001:db8:0:2::9'));
  t.is(sourceOf('::1'), '0:0:0:0::/64');
  t.is(sourceOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  t.is(plainAddress('::FFFF:10.0.0.1'), '10.0.0.1');
  t.is(plainAddress('2001:db8::1'), '2001:db8::1');
});

test('A-05 any Host header is either one of ours in one spelling, or unknown', t => {
  const hosts = new Hosts(['support.example', '192.0.2.1']);
  t.is(hosts.find('Support.Example.:8443', undefined), 'support.example');
  t.is(hosts.find('applet.support.example', undefined), 'applet.support.example');
  t.is(hosts.find('192.0.2.1', undefined), '192.0.2.1'); // configured as a name
  t.is(hosts.find('[2001:db8:0::1]:443', '2001:db8::1'), '[2001:db8:0::1]');
  t.is(hosts.find('10.0.0.1', '::ffff:10.0.0.1'), '10.0.0.1');
  t.is(hosts.find('10.0.0.1', '10.0.0.2'), undefined);
  const known = new Set(['support.example', 'applet.support.example', '192.0.2.1']);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webAuthority()), header => {
      const found = hosts.find(header, undefined);
      return found === undefined || known.has(found);
    }),
  );
});

test('A-05 a budget gives what it has and no more, to all and to one source, and takes back once', t => {
  const step = fc.record({ source: fc.constantFrom('a', 'b', 'c'), give: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const budget = new Budget(5, 3);
      const held: { source: string; release: () => void }[] = [];
      for (const { source, give } of steps) {
        if (give) {
          const one = held.shift();
          one?.release();
          one?.release(); // a second time changes nothing
        } else {
          const ofSource = held.filter(one => one.source === source).length;
          const release = budget.take(source);
          if ((release !== undefined) !== (held.length < 5 && ofSource < 3)) return false;
          if (release) held.push({ source, release });
        }
        if (budget.held !== held.length) return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('A-05 a silence ends by progress only, and an excuse starts its time anew', t => {
  let now = 0;
  let due: (() => void) | undefined;
  const clock = {
    now: () => now,
    monotonic: () => now,
    after: (delayMs: number, run: () => void) => {
      const at = now + delayMs;
      due = () => {
        now = at;
        run();
      };
      return () => {
        due = undefined;
      };
    },
    every: () => () => undefined,
  };
  const fired: number[] = [];
  let excused = false;
  const silence = new Silence(
    clock,
    100,
    () => fired.push(now),
    () => excused,
  );
  now = 60;
  silence.progress();
  due?.(); // at 100: only 40 silent
  t.deepEqual(fired, []);
  excused = true;
  due?.(); // at 160
  t.deepEqual(fired, []);
  excused = false;
  due?.(); // at 260
  t.deepEqual(fired, [260]);
  silence.close();
});

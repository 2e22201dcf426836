import test from 'ava';
import { sessionIdFrom } from '../../appliance/guid.ts';
import {
  CHANNEL_PRESSES,
  type ChannelAdmission,
  ChannelGuard,
  SOURCE_PRESSES,
  WINDOW_MS,
} from '../../appliance/sessions/channel-guard.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { numbersFrom } from '../support/test-screen.ts';

const channel = { id: 'printers', maxWaiting: 500 };
const sessionOf = (n: number) => sessionIdFrom(Buffer.alloc(16, n));

test('D-05 attack: a source that presses again and again is told when to come again; another is not held up', async t => {
  const clock = new ManualClock();
  const guard = new ChannelGuard({ clock });
  for (let n = 0; n < SOURCE_PRESSES; n++) guard.admit(channel, '192.0.2.1').failed();
  t.throws(() => guard.admit(channel, '::ffff:192.0.2.1'), { code: 'channel.limited', message: /in 600 s/ });
  t.notThrows(() => guard.admit(channel, '192.0.2.2').failed());
  for (const n of [1, 2]) guard.admit(channel, `2001:db8:0:${n}::1`).failed(); // one customer’s /56
  await clock.advance(WINDOW_MS);
  t.notThrows(() => guard.admit(channel, '192.0.2.1').failed());
});

test('D-05 attack: one source takes at most half of a queue', t => {
  const guard = new ChannelGuard({ clock: new ManualClock() });
  const small = { id: 'printers', maxWaiting: 3 };
  const begun = [1, 2].map(n => {
    guard.admit(small, '192.0.2.1').began(sessionOf(n));
    return sessionOf(n);
  });
  t.throws(() => guard.admit(small, '192.0.2.1'), { code: 'channel.crowded' });
  t.notThrows(() => guard.admit(small, '192.0.2.9').failed());
  t.notThrows(() => guard.admit({ id: 'lines', maxWaiting: 3 }, '192.0.2.1').failed());
  for (const id of begun) guard.settled(id);
  t.notThrows(() => guard.admit(small, '192.0.2.1').failed());
});

for (const seed of [11, 42, 1999]) {
  test(`D-05 whatever order they come in, no budget is exceeded (seed ${seed})`, async t => {
    const clock = new ManualClock();
    const guard = new ChannelGuard({ clock });
    const number = numbersFrom(seed);
    const admitted: { at: number; source: number; channel: string }[] = [];
    const live = new Map<number, { source: number; channel: string }>();
    const waiting: { admission: ChannelAdmission; source: number; channel: string }[] = [];
    for (let step = 0; step < 3000; step++) {
      const [what, source, id] = [number() % 8, number() % 12, `channel ${number() % 2}`];
      if (what < 4) {
        try {
          const admission = guard.admit({ id, maxWaiting: 8 }, `192.0.2.${source}`);
          admitted.push({ at: clock.monotonic(), source, channel: id });
          waiting.push({ admission, source, channel: id });
        } catch (error) {
          t.regex(String(Reflect.get(Object(error), 'code')), /^channel\.(limited|crowded)$/);
        }
      } else if (what === 4) {
        const one = waiting.shift();
        one?.admission.began(sessionOf(step % 256));
        one?.admission.failed();
        if (one !== undefined) live.set(step % 256, one);
      } else if (what === 5) waiting.shift()?.admission.failed();
      else if (what === 6) {
        const [n] = live.keys();
        if (n !== undefined) guard.settled(sessionOf(n));
        if (n !== undefined) live.delete(n);
      } else await clock.advance(number() % 20_000);
      const now = clock.monotonic();
      const recent = admitted.filter(({ at }) => at > now - WINDOW_MS);
      const expected = [...live.values(), ...waiting];
      const most = (list: readonly { source: number; channel: string }[], key: 'source' | 'channel') =>
        Math.max(
          0,
          ...Map.groupBy(list, one => one[key])
            .values()
            .map(group => group.length),
        );
      t.true(most(recent, 'source') <= SOURCE_PRESSES && most(recent, 'channel') <= CHANNEL_PRESSES);
      for (const group of Map.groupBy(expected, one => `${one.channel} ${one.source}`).values())
        t.true(group.length <= 4);
    }
    t.true(admitted.length > 200, 'it lets people in');
  });
}

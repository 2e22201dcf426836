// Lines on their way into the log while the portal fails in the ways it does: away, restarted, full, the session over.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { sealForLog } from '../../appliance/browser/log-seal.ts';
import { ChatLog } from '../../appliance/console/chat-log.ts';
import { LogKey } from '../../appliance/console/log-key.ts';
import { ApplianceError, type ErrorKind } from '../../appliance/errors.ts';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { ManualClock } from '../support/manual-clock.ts';

const line = (n: number) =>
  ({ lineId: toBase64Url(new Uint8Array(16).fill(n)), author: 'technician', text: `l${n}` }) as const;

function logWith(answer: (attempt: number) => ErrorKind | null) {
  const clock = new ManualClock();
  const tried: string[] = [];
  let keysAsked = 0;
  const key = new LogKey(async () => {
    keysAsked++;
    return toBase64Url(randomBytes(32));
  });
  const log = new ChatLog({
    ...{ clock, key, sessionId: sessionIdFrom(randomBytes(16)), seal: sealForLog },
    store: async ({ lineId }) => {
      tried.push(lineId);
      const kind = answer(tried.length);
      if (kind !== null) throw new ApplianceError(kind, `test.${kind}`, 'refused');
      return { place: tried.length };
    },
  });
  const settle = async (waiting: Promise<unknown>) => {
    let isOver = false;
    void waiting.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      clock.advance(100);
      await new Promise(setImmediate);
    }
    return waiting;
  };
  return { log, tried, settle, keysAsked: () => keysAsked };
}

test('G-01 a line waits for a portal that is away, and those after it keep their order', async t => {
  const { log, tried, settle } = logWith(attempt => (attempt <= 3 ? 'unavailable' : null));
  const all = Promise.all([log.add(line(1)), log.add(line(2))]);
  t.deepEqual(await settle(all), [{ place: 4 }, { place: 5 }]);
  t.deepEqual(tried, [...Array(4).fill(line(1).lineId), line(2).lineId]);
});

test('G-01 a portal that was started anew has another key: it is asked for once, and the line goes again', async t => {
  const { log, settle, keysAsked } = logWith(attempt => (attempt === 1 ? 'malformed' : null));
  t.deepEqual(await settle(log.add(line(1))), { place: 2 });
  t.is(keysAsked(), 2);
});

test('G-01 what the log will never take is told, and what comes after it goes on', async t => {
  const { log, settle, tried } = logWith(attempt => (attempt <= 2 ? 'malformed' : attempt === 3 ? 'conflict' : null));
  const all = Promise.all([log.add(line(1)), log.add(line(2)), log.add(line(3))]);
  t.deepEqual(await settle(all), [{ fault: 'test.malformed' }, { fault: 'test.conflict' }, { place: 4 }]);
  t.is(tried.length, 4);
});

test('G-01 a session that is left waits for nothing', async t => {
  const { log, settle, tried } = logWith(() => 'unavailable');
  const added = log.add(line(1));
  log.close();
  t.is(await settle(added), null);
  t.true(tried.length <= 1);
});

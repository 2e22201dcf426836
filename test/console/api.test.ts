// Questions to the portal over a network that fails in the ways networks do.
import test from 'ava';
import { ConsoleApi, isPassing } from '../../appliance/console/api.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Reply = { readonly status: number; readonly body: string } | 'away';

const json = (status: number, body: unknown): Reply => ({ status, body: JSON.stringify(body) });

/** An API whose n-th question gets the n-th reply, the last one for ever. */
function over(...replies: readonly Reply[]) {
  const clock = new ManualClock();
  const asked: { path: string; method: string | undefined; body: unknown }[] = [];
  let signedOut = 0;
  const fetch = async (path: string | URL | Request, init?: RequestInit) => {
    const reply = replies[Math.min(asked.length, replies.length - 1)];
    asked.push({ path: String(path), method: init?.method, body: init?.body });
    if (reply === undefined || reply === 'away') throw new TypeError('Failed to fetch');
    return new Response(reply.body, { status: reply.status });
  };
  const api = new ConsoleApi({ fetch, clock, signedOut: () => signedOut++ });
  return { api, asked, clock, signedOut: () => signedOut };
}

/** Lets time pass whenever something waits for it. */
async function passing<T>(clock: ManualClock, waiting: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  waiting.then(end, end);
  while (!isOver) {
    clock.advance(1000);
    await new Promise(setImmediate);
  }
  return waiting;
}

test('E-02 a refusal keeps the portal’s code, words and hint', async t => {
  const { api } = over(json(409, { error: { code: 'session.taken', message: 'it was taken', hint: 'Pick another.' } }));
  const error = await t.throwsAsync(api.step('id', 'pick-up'), { instanceOf: ApplianceError });
  t.like(error, { kind: 'conflict', code: 'session.taken', message: 'it was taken', hint: 'Pick another.' });
});

test('E-02 reading is tried again while the portal is away, writing is not', async t => {
  const reading = over('away', { status: 502, body: '<html>Bad gateway</html>' }, json(200, { sessions: [] }));
  t.deepEqual(await passing(reading.clock, reading.api.sessions('incoming')), []);
  t.is(reading.asked.length, 3);
  const writing = over('away', json(200, {}));
  const error = await t.throwsAsync(writing.api.end('id', 'solved'), { code: 'console.portal-away' });
  t.true(isPassing(error));
  t.is(writing.asked.length, 1);
});

test('E-02 reading gives up after some time, and at once when it is refused', async t => {
  const away = over('away');
  await t.throwsAsync(passing(away.clock, away.api.start()), { code: 'console.portal-away' });
  t.is(away.asked.length, 4);
  const refused = over(json(403, { error: { code: 'portal.not-allowed', message: 'no', hint: '' } }));
  await t.throwsAsync(refused.api.start(), { code: 'portal.not-allowed' });
  t.is(refused.asked.length, 1);
});

test('C-08 a login that has ended is noticed by whatever is asked first', async t => {
  const { api, signedOut } = over(json(401, { error: { code: 'portal.sign-in', message: 'sign in first', hint: '' } }));
  await t.throwsAsync(api.chat('id', { lineId: 'l', author: 'technician', sealed: '' }), { code: 'portal.sign-in' });
  t.is(signedOut(), 1);
});

test('E-02 what is no JSON, or has no words, is still an error with a code', async t => {
  for (const body of ['', 'not json', '[]', 'null', '{"error":7}', '{"error":{"code":3}}']) {
    const { api } = over({ status: 500, body });
    const error = await t.throwsAsync(api.end('id', 'solved'), { instanceOf: ApplianceError });
    t.is(error?.code, 'http.500');
  }
});

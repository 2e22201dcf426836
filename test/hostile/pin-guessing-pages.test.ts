// Guessing PINs through the page itself: the budget is per source there too, and the customer next door gets in.
import test from 'ava';
import { servePages } from '../customer/ask-pages.ts';

const GUESSER = { 'x-appliance-peer': '203.0.113.66' };

test('D-05 attack: who guesses on the PIN page is held up and told when to come again; customers get in', async t => {
  const { at, ask } = await servePages(t);
  const { pin } = await at.invite();
  const wrong = () => String(Number(pin) === 999_999_999 ? 1 : Number(pin) + 1).padStart(9, '0');
  const guess = async () => {
    const asked = ask('POST', '/pin', { fields: { pin: wrong() }, headers: GUESSER });
    const timer = setInterval(() => at.clock.advance(1000), 1); // the answer waits by the handed-in clock
    return asked.finally(() => clearInterval(timer));
  };
  const answers = [];
  for (let n = 0; n < 12; n++) answers.push(await guess());
  const limited = answers.filter(({ status }) => status === 429);
  t.true(answers.slice(0, 3).every(({ status }) => status === 403)); // anyone may mistype
  t.true(limited.length > 0);
  for (const { headers, text } of limited) {
    t.true(Number(headers['retry-after']) > 0);
    t.regex(text, /Nothing is lost/);
    t.regex(text, new RegExp(`value="${wrong()}"`)); // what was typed stays
  }
  const customer = await ask('POST', '/pin', { fields: { pin }, headers: { 'x-appliance-peer': '192.0.2.200' } });
  t.is(customer.status, 303);
});

test('D-05 attack: a /56 of IPv6 addresses is one source on the page too', async t => {
  const { at, ask } = await servePages(t);
  await at.invite();
  const statuses = [];
  for (let n = 1; n <= 12; n++) {
    const headers = { 'x-appliance-peer': `2001:db8:0:1${n.toString(16).padStart(2, '0')}::${n}` };
    const asked = ask('POST', '/pin', { fields: { pin: '000 000 000' }, headers });
    const timer = setInterval(() => at.clock.advance(1000), 1);
    statuses.push((await asked.finally(() => clearInterval(timer))).status);
  }
  t.true(statuses.includes(429), statuses.join(' '));
});

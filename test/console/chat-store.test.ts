import test from 'ava';
import fc from 'fast-check';
import { ChatStore, MAX_UNCONFIRMED } from '../../appliance/console/chat-store.ts';
import type { ChatLineView } from '../../appliance/protocol/console-api.ts';

const logged = (
  place: number,
  author: ChatLineView['author'],
  text: string | null = `line ${place}`,
): ChatLineView => ({
  ...{ lineId: `id-${place}`, place, author, at: place * 1000, text },
});
const idsOf = (lines: readonly { id: string }[]) => lines.map(({ id }) => id);

test('E-03 an own line is stored, sent and delivered in this order only', t => {
  const chat = new ChatStore();
  chat.addOwn('a', 'Good morning', 1);
  t.is(chat.find('a')?.delivery, 'storing');
  chat.sent('a');
  t.is(chat.find('a')?.delivery, 'storing', 'nothing is sent that is not in the log');
  chat.stored('a', 1);
  chat.sent('a');
  t.is(chat.find('a')?.delivery, 'sent');
  chat.delivered('a');
  t.is(chat.find('a')?.delivery, 'delivered');
  chat.stored('a', 1);
  t.is(chat.find('a')?.delivery, 'delivered');
});

test('E-03 after a new link, what was not confirmed waits to be sent again, in the order of the log', t => {
  const chat = new ChatStore();
  for (const [at, id] of ['a', 'b', 'c', 'd'].entries()) {
    chat.addOwn(id, id, at);
    if (id !== 'd') chat.stored(id, at + 1);
    chat.sent(id);
  }
  chat.delivered('b');
  t.deepEqual(idsOf(chat.waiting), []);
  chat.beginLink();
  t.deepEqual(idsOf(chat.waiting), ['a', 'c']);
});

test('E-03 after a reload the last own lines are sent again, as nobody knows whether they arrived', t => {
  const chat = new ChatStore();
  const lines = Array.from({ length: 200 }, (_, i) => logged(i + 1, i % 2 === 0 ? 'technician' : 'customer'));
  chat.merge(lines);
  t.is(chat.waiting.length, MAX_UNCONFIRMED);
  t.is(chat.waiting.at(-1)?.id, 'id-199');
  for (const { id } of chat.waiting) chat.delivered(id);
  chat.merge(lines);
  t.is(chat.waiting.length, 0, 'what is known to have arrived is not asked again');
});

test('E-03 a line whose text is not kept is not sent again without one', t => {
  const chat = new ChatStore();
  chat.merge([logged(1, 'technician', null)]);
  t.deepEqual(idsOf(chat.waiting), []);
  chat.addOwn('x', 'mine', 2);
  chat.stored('x', 2);
  chat.merge([{ ...logged(2, 'technician', null), lineId: 'x' }]);
  t.is(chat.find('x')?.text, 'mine');
});

test('E-03 attack: a known id with another text, or of an own line, is noticed', t => {
  const chat = new ChatStore();
  t.is(chat.addCustomer('a', 'one', 1), 'new');
  t.is(chat.addCustomer('a', 'one', 2), 'known');
  t.is(chat.addCustomer('a', 'two', 3), 'other');
  chat.addOwn('b', 'mine', 4);
  t.is(chat.addCustomer('b', 'mine', 5), 'other');
  chat.addCustomer('c', 'theirs', 6);
  chat.delivered('c');
  t.is(chat.find('c')?.delivery, 'storing', 'a customer confirms no line of his own');
});

test('E-03 attack: a flood of long lines does not fill the page', t => {
  const chat = new ChatStore();
  for (let i = 0; i < 1000; i++) {
    chat.addCustomer(`c${i}`, 'x'.repeat(8192), i);
    chat.stored(`c${i}`, i + 1);
  }
  const kept = chat.lines.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
  t.true(kept <= 2 * 1024 * 1024);
  t.is(chat.lines.at(-1)?.id, 'c999');
  t.is(chat.lines.length + chat.dropped, 1000);
});

test('E-03 whatever happens in whatever order, a line is shown once and none that is under way is lost', t => {
  const step = fc.record({
    what: fc.constantFrom('own', 'customer', 'stored', 'sent', 'delivered', 'link', 'merge'),
    id: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const chat = new ChatStore();
      const own = new Set<string>();
      const confirmed = new Set<string>();
      for (const { what, id: place } of steps) {
        const id = `id-${place}`;
        const isNew = chat.find(id) === undefined;
        if (what === 'own' && isNew) own.add(id);
        if (what === 'own' && isNew) chat.addOwn(id, 'text', place);
        if (what === 'customer') chat.addCustomer(id, 'text', place);
        if (what === 'stored') chat.stored(id, place);
        if (what === 'sent') chat.sent(id);
        if (what === 'delivered' && own.has(id)) confirmed.add(id);
        if (what === 'delivered') chat.delivered(id);
        if (what === 'link') chat.beginLink();
        if (what === 'merge' && !isNew) chat.merge([logged(place, own.has(id) ? 'technician' : 'customer')]);
      }
      const ids = idsOf(chat.lines);
      t.is(new Set(ids).size, ids.length);
      chat.beginLink();
      for (const id of own) {
        const { delivery } = chat.find(id) ?? {};
        if (!confirmed.has(id)) t.true(delivery === 'storing' || delivery === 'stored');
      }
    }),
  );
});

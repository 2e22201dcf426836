// The parts of input that need no X server: whose an event is, whose turn it is, which key is spare.
import test from 'ava';
import fc from 'fast-check';
import { CustomerPriority, QUIET_MS } from '../../appliance/applet/input/customer-priority.ts';
import { type EventKind, OwnEvents } from '../../appliance/applet/input/own-events.ts';
import { keycodeOfScanCode } from '../../appliance/applet/input/scan-codes.ts';
import { REST_MS, SpareKeys } from '../../appliance/applet/input/spare-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';

const KINDS: readonly EventKind[] = ['key-press', 'key-release', 'button-press', 'button-release', 'motion'];
const event = fc.record({ kind: fc.constantFrom(...KINDS), detail: fc.integer({ min: 0, max: 5 }) });

test('E-04 what we injected is ours, however late the server tells of it, and what came before it is not', t => {
  // The server tells of keyboard and pointer each in order, of some requests not at all, and at any later time.
  fc.assert(
    fc.property(fc.array(fc.record({ event, isTold: fc.boolean(), later: fc.nat({ max: 50 }) })), injected => {
      const own = new OwnEvents();
      injected.forEach(({ event: { kind, detail } }, at) => {
        own.sent(kind, detail, at + 1);
      });
      const isOurs = injected.map(
        ({ event: { kind, detail }, isTold, later }, at) => !isTold || own.isOurs(kind, detail, at + 1 + later),
      );
      return isOurs.every(Boolean);
    }),
  );
  const own = new OwnEvents();
  own.sent('key-press', 38, 10);
  t.false(own.isOurs('key-press', 38, 9));
  t.false(own.isOurs('key-press', 39, 10));
  t.false(own.isOurs('key-release', 38, 10));
  t.true(own.isOurs('key-press', 38, 10));
  t.false(own.isOurs('key-press', 38, 10)); // the same once more is somebody else's
});

function priority() {
  const clock = new ManualClock();
  const news: string[] = [];
  const customer = new CustomerPriority({ clock, changed: state => news.push(state) });
  return { clock, news, customer };
}

test('E-04 a knock against the table is no input of the customer, a moving hand is', t => {
  const { clock, news, customer } = priority();
  for (let knock = 0; knock < 10; knock++) {
    customer.moved(2);
    clock.advance(300);
  }
  t.deepEqual(news, []);
  for (let step = 0; step < 4; step++) {
    customer.moved(1);
    clock.advance(8);
  }
  t.deepEqual(news, ['customer-input']);
});

test("E-04 it stays the customer's turn as long as he goes on, and is told once", t => {
  const { clock, news, customer } = priority();
  for (let step = 0; step < 20; step++) {
    customer.moved(30);
    clock.advance(QUIET_MS / 2);
  }
  t.deepEqual(news, ['customer-input']);
  clock.advance(QUIET_MS / 2);
  t.deepEqual(news, ['customer-input', 'on']);
  t.false(customer.isCustomers);
  customer.used();
  customer.close();
  clock.advance(10 * QUIET_MS);
  t.deepEqual(news, ['customer-input', 'on', 'customer-input']);
});

test('E-04 a spare key rests before it types something else, the one that rested longest first', t => {
  const keys = [8, 93, 97].map(keycode => ({ keycode, groups: [], beyond: 'wrap' as const }));
  const spares = new SpareKeys();
  const next = (now: number, held: readonly number[] = []) => spares.next(keys, one => held.includes(one), now);
  t.deepEqual(next(0), { keycode: 93, restMs: 0 }); // 8 is no key at all
  spares.bind(93, 0xe4, 0);
  t.deepEqual(next(0), { keycode: 97, restMs: 0 });
  spares.bind(97, 0xf6, 1);
  t.deepEqual(next(2), { keycode: 93, restMs: REST_MS - 2 });
  spares.used(93, 5);
  t.deepEqual(next(REST_MS + 10), { keycode: 97, restMs: 0 });
  t.deepEqual(next(10, [97]), { keycode: 93, restMs: REST_MS - 5 });
  t.is(next(10, [93, 97]), null);
  spares.mapChanged([{ keycode: 93, groups: [{ type: { mask: 0, entries: [] }, keysyms: [0xe4] }], beyond: 'wrap' }]);
  t.deepEqual(spares.keycodes, [93]);
});

test('E-04 scan codes of a PC are the keys Linux means', t => {
  const keys = { Escape: [0x01, 9], KeyA: [0x1e, 38], Delete: [0xd3, 119], ArrowLeft: [0xcb, 113], F12: [0x58, 96] };
  const more = {
    IntlBackslash: [0x56, 94],
    ControlRight: [0x9d, 105],
    MetaLeft: [0xdb, 133],
    NumpadEnter: [0x9c, 104],
  };
  for (const [name, [scanCode = 0, keycode = 0]] of Object.entries({ ...keys, ...more })) {
    t.is(keycodeOfScanCode(scanCode), keycode, name);
  }
  for (const unknown of [0, 0xff, 0x54, 1000]) t.is(keycodeOfScanCode(unknown), null);
});

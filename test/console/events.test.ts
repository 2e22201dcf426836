import test from 'ava';
import { ConsoleEvents, type EventSocket } from '../../appliance/console/events.ts';
import type { ConsoleEvent } from '../../appliance/protocol/console-api.ts';
import { ManualClock } from '../support/manual-clock.ts';

function watch() {
  const clock = new ManualClock();
  const sockets: EventSocket[] = [];
  const heard: ConsoleEvent[] = [];
  let lost = 0;
  const events = new ConsoleEvents({
    clock,
    heard: event => heard.push(event),
    lost: () => lost++,
    open: () => {
      const socket: EventSocket = { onmessage: null, onclose: null, close: () => undefined };
      sockets.push(socket);
      return socket;
    },
  });
  const say = (event: ConsoleEvent) => sockets.at(-1)?.onmessage?.({ data: JSON.stringify(event) });
  const cut = () => sockets.at(-1)?.onclose?.({} as never);
  return { clock, sockets, heard, events, say, cut, lost: () => lost };
}

test('E-02 a lost socket is opened again, each time a little later, and at once after it had worked', t => {
  const { clock, sockets, say, cut, lost } = watch();
  say({ type: 'hello' });
  cut();
  t.is(lost(), 1);
  clock.advance(249);
  t.is(sockets.length, 1);
  clock.advance(1);
  t.is(sockets.length, 2);
  cut();
  clock.advance(499);
  t.is(sockets.length, 2);
  clock.advance(1);
  t.is(sockets.length, 3);
  say({ type: 'hello' });
  cut();
  clock.advance(250);
  t.is(sockets.length, 4);
});

test('E-02 thirty seconds of silence end a socket that looks alive', t => {
  const { clock, sockets, say, lost } = watch();
  say({ type: 'hello' });
  for (let i = 0; i < 10; i++) {
    clock.advance(29_000);
    say({ type: 'alive' });
  }
  t.is(lost(), 0);
  clock.advance(30_250);
  t.is(lost(), 1);
  t.is(sockets.length, 2);
});

test('E-02 what an old socket still says is not heard, and hurry waits for nothing', t => {
  const { sockets, heard, say, cut, events } = watch();
  say({ type: 'hello' });
  cut();
  sockets[0]?.onmessage?.({ data: '{"type":"permissions"}' });
  events.hurry();
  t.is(sockets.length, 2);
  t.deepEqual(heard, [{ type: 'hello' }]);
  events.close();
  cut();
  t.is(sockets.length, 2);
});

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import test from 'ava';
import { startRelay } from '../support/test-relay.ts';
import { clientFrame } from '../support/websocket-bytes.ts';

test('F-04 both legs of a pair meet, and messages cross both ways; the browser gets no masked frame', async t => {
  await using relay = await startRelay();
  const technician = await relay.attachBrowser('p'); // `ws` fails on masked, compressed or badly closed frames
  const applet = await relay.attach('applet', 'p');
  technician.send(Buffer.from('to the applet'));
  t.like(await applet.next(), { opcode: 2, fin: true, masked: true, payload: Buffer.from('to the applet') });
  applet.send('to the console');
  const [message, isBinary] = await once(technician, 'message');
  t.is(String(message), 'to the console');
  t.true(isBinary);
  t.is(technician.protocol, 'appliance.link.v1');
  t.is(technician.extensions, '');
  technician.close();
  t.is(await applet.closeCode(), 4001);
});

test('F-04 what one leg says before the other is there arrives first and once', async t => {
  await using relay = await startRelay();
  const applet = await relay.attach('applet', 'p');
  applet.send('one');
  applet.send('two');
  const technician = await relay.attach('console', 'p');
  applet.send('three');
  for (const text of ['one', 'two', 'three']) t.is(String((await technician.next())?.payload), text);
});

test('F-04 bytes that come with the request are not lost', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const first = Buffer.concat([Buffer.from('828500000000', 'hex'), Buffer.from('early')]);
  const applet = await relay.ask('applet', { token: relay.issueToken('applet', 'p'), first });
  t.regex(await applet.head(), /^HTTP\/1\.1 101 /);
  t.is(String((await technician.next())?.payload), 'early');
});

test('F-04 E-01 two browsers meet: neither is sent a masked frame, and messages of every size cross unchanged', async t => {
  await using relay = await startRelay();
  const technician = await relay.attachBrowser('p'); // `ws` fails on masked, compressed or badly closed frames
  technician.send(Buffer.from('before anybody was there'));
  const customer = await relay.attachBrowser('p', 'browser');
  t.is(String((await once(customer, 'message'))[0]), 'before anybody was there');
  for (const [from, to] of [
    [technician, customer],
    [customer, technician],
  ] as const) {
    for (const size of [1, 2, 3, 4, 5, 125, 126, 16_403, 65_535, 65_536, 81_920]) {
      const bytes = randomBytes(size);
      const arrived = once(to, 'message');
      from.send(bytes);
      t.true(bytes.equals((await arrived)[0]));
    }
  }
});

test('F-04 E-01 the console’s half frame of before the customer’s browser came is opened whole', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const frame = clientFrame({ opcode: 2, payload: Buffer.from('cut in half'), mask: Buffer.from('abcd') });
  technician.socket.write(frame.subarray(0, 9));
  const customer = await relay.attach('browser', 'p');
  technician.socket.write(frame.subarray(9));
  t.like(await customer.next(), { opcode: 2, masked: false, payload: Buffer.from('cut in half') });
});

test('F-04 pairs do not mix', async t => {
  await using relay = await startRelay();
  const [a, b] = [await relay.attach('console', 'a'), await relay.attach('console', 'b')];
  const [toB, toA] = [await relay.attach('applet', 'b'), await relay.attach('applet', 'a')];
  toA.send('for a');
  toB.send('for b');
  t.is(String((await a.next())?.payload), 'for a');
  t.is(String((await b.next())?.payload), 'for b');
});

test('F-04 16 MiB each way at once arrive unchanged, with every size of frame', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  const sizes = [1, 125, 126, 16_400, 65_535, 65_536, 65_569, 81_920];
  const carry = async (from: typeof applet, to: typeof applet, mask: Buffer) => {
    const [sent, got] = [createHash('sha256'), createHash('sha256')];
    let total = 0;
    const read = (async () => {
      for (let seen = 0; seen < 16 * 1024 * 1024; ) {
        const frame = await to.next();
        if (!frame) throw new Error('the relay ended');
        got.update(frame.payload);
        seen += frame.payload.length;
      }
    })();
    for (let turn = 0; total < 16 * 1024 * 1024; turn++) {
      const payload = randomBytes(sizes[turn % sizes.length] ?? 1);
      sent.update(payload);
      total += payload.length;
      if (!from.send(payload, mask)) await once(from.socket, 'drain');
    }
    await read;
    return sent.digest('hex') === got.digest('hex');
  };
  t.deepEqual(
    await Promise.all([carry(technician, applet, Buffer.alloc(4)), carry(applet, technician, Buffer.alloc(4))]),
    [true, true],
  );
});

test('F-04 fragments pass as fragments, since browsers make them', async t => {
  await using relay = await startRelay();
  const technician = await relay.attachBrowser('p');
  const applet = await relay.attach('applet', 'p');
  technician.send('ab', { binary: true, fin: false });
  technician.send('cd', { binary: true, fin: true });
  t.like(await applet.next(), { opcode: 2, fin: false, payload: Buffer.from('ab') });
  t.like(await applet.next(), { opcode: 0, fin: true, payload: Buffer.from('cd') });
});

test('F-04 a ping is answered by the gateway and never crosses', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  applet.control(9, 'are you there');
  t.like(await applet.next(), { opcode: 10, masked: false, payload: Buffer.from('are you there') });
  applet.send('after');
  t.like(await technician.next(), { opcode: 2, payload: Buffer.from('after') });
});

test('F-04 a leg that closes gets its close answered, and the other is told with 4001', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  applet.send('last words');
  applet.control(8, Buffer.of(3, 232));
  t.is(await applet.closeCode(), 1000);
  t.is(String((await technician.next())?.payload), 'last words');
  t.is(await technician.closeCode(), 4001);
  t.regex(relay.metrics.text(), /relay_pairs 0/);
});

test('F-04 a leg whose connection breaks takes the other one with it, in the middle of a frame too', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  applet.socket.write(Buffer.from('82fe200000000000', 'hex')); // 8192 bytes announced
  applet.socket.write(Buffer.alloc(100), () => applet.socket.destroy());
  t.is(await technician.closeCode(), 4001); // and not one byte of half a frame before it
});

test('F-04 a leg waits 30 s for the other one, and no longer', async t => {
  await using relay = await startRelay();
  const applet = await relay.attach('applet', 'p');
  relay.clock.advance(29_000);
  t.regex(relay.metrics.text(), /relay_legs 1/);
  relay.clock.advance(2000);
  t.is(await applet.closeCode(), 4002);
  t.regex(relay.metrics.text(), /relay_legs 0/);
});

test('F-04 a silent leg is asked after 10 s and given up after 30 s; one that answers stays', async t => {
  await using relay = await startRelay();
  const technician = await relay.attachBrowser('p'); // answers pings by itself
  const applet = await relay.attach('applet', 'p');
  const closed = once(technician, 'close');
  const asked = once(technician, 'ping');
  relay.clock.advance(11_000);
  await asked;
  t.like(await applet.next(), { opcode: 9 });
  technician.send(Buffer.from('still here'));
  t.like(await applet.next(), { opcode: 2 });
  relay.clock.advance(20_000); // the technician was heard at 11 s, the applet never
  t.is(await applet.closeCode(), 1008);
  t.is((await closed)[0], 4001);
  t.regex(relay.metrics.text(), /relay_ends_total\{reason="silent"\} 1/);
});

test('F-04 when the gateway ends, both legs are told so', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  relay.relay.close();
  t.is(await technician.closeCode(), 1001);
  t.is(await applet.closeCode(), 1001);
  const late = await relay.ask('applet', { token: relay.issueToken('applet', 'q') });
  t.regex(await late.head(), /^HTTP\/1\.1 503 /);
});

test('F-04 a leg that is not read from for a while is not taken for silent', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  technician.socket.pause();
  while (applet.send(Buffer.alloc(65_536))) await new Promise(setImmediate);
  relay.clock.advance(5000);
  technician.socket.resume();
  t.truthy(await technician.next());
  t.regex(relay.metrics.text(), /relay_legs 2/);
});

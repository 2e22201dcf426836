// Attacks on the relay: by who has no token, and by who has one.
import test from 'ava';
import { collectGarbage } from '../support/collect-garbage.ts';
import { startRelay, type TestRelay } from '../support/test-relay.ts';
import { clientFrame } from '../support/websocket-bytes.ts';

const KEY_WITHOUT_16_BYTES = 'YWJj';

async function refusal(
  relay: TestRelay,
  role: string,
  token: string,
  headers: Record<string, string | undefined> = {},
) {
  return (await relay.ask(role, { token, headers })).head();
}

test('F-04 a token works once, for its role, and every refusal reads the same', async t => {
  await using relay = await startRelay();
  const token = relay.issueToken('applet', 'p');
  const first = await relay.ask('applet', { token });
  t.regex(await first.head(), /^HTTP\/1\.1 101 /);
  const answers = [
    await refusal(relay, 'applet', token), // used
    await refusal(relay, 'console', relay.issueToken('applet', 'p')), // the other role
    await refusal(relay, 'applet', relay.issueToken('applet', 'p')), // that leg is there already
    await refusal(relay, 'applet', 'A'.repeat(43)), // never issued
    await refusal(relay, 'applet', 'short'),
    await refusal(relay, 'nobody', relay.issueToken('applet', 'p')),
  ];
  t.regex(answers[0] ?? '', /^HTTP\/1\.1 403 /);
  t.is(new Set(answers).size, 1);
  t.regex(relay.metrics.text(), /relay_legs 1/);
});

for (const [name, headers] of Object.entries<Record<string, string | undefined>>({
  'a foreign origin': { Origin: 'https://evil.example' },
  'no origin': { Origin: undefined },
  'the origin null': { Origin: 'null' },
  'its own origin over plain HTTP': { Origin: 'http://support.example.test' },
  'another version': { 'Sec-WebSocket-Version': '8' },
  'no key': { 'Sec-WebSocket-Key': undefined },
  'a key of three bytes': { 'Sec-WebSocket-Key': KEY_WITHOUT_16_BYTES },
  'no protocol': { 'Sec-WebSocket-Protocol': undefined },
})) {
  test(`F-04 an attachment with ${name} is refused, and its token is not used up`, async t => {
    await using relay = await startRelay();
    const token = relay.issueToken('console', 'p');
    t.regex(await refusal(relay, 'console', token, headers), /^HTTP\/1\.1 403 /);
    const good = await relay.ask('console', { token });
    t.regex(await good.head(), /^HTTP\/1\.1 101 /);
  });
}

for (const [name, bytes, code] of [
  ['a length of 2⁴⁸', Buffer.from('82ff000100000000000000000000', 'hex'), 1009],
  ['an empty message', Buffer.from('828000000000', 'hex'), 1002],
  ['a reserved bit', Buffer.from('c28100000000', 'hex'), 1002],
  ['a frame without mask', Buffer.from('820161', 'hex'), 1002],
  ['text', Buffer.from('818100000000', 'hex'), 1003],
  ['a mask that is not zero', Buffer.from('82810102030461', 'hex'), 1002],
] as const) {
  test(`B-03 an applet that sends ${name} is told ${code}, nothing of it crosses, and the console is told 4001`, async t => {
    await using relay = await startRelay();
    const technician = await relay.attach('console', 'p');
    const applet = await relay.attach('applet', 'p');
    applet.socket.write(bytes);
    t.is(await applet.closeCode(), code);
    t.is((await technician.next())?.opcode, 8);
  });
}

test('F-04 attack: an applet’s token opens no second applet’s leg as a browser, and a console’s none at all', async t => {
  await using relay = await startRelay();
  await relay.attach('applet', 'p');
  const answers = [
    await refusal(relay, 'browser', relay.issueToken('applet', 'p')),
    await refusal(relay, 'browser', relay.issueToken('console', 'p')),
    await refusal(relay, 'applet', 'A'.repeat(43)),
  ];
  t.is(new Set(answers).size, 1);
  t.regex(relay.metrics.text(), /relay_refusals_total\{reason="duplicate"\} 1/);
});

test('B-03 a first frame that is an attack ends the leg, and the other one with it', async t => {
  await using relay = await startRelay();
  const technician = await relay.attach('console', 'p');
  const applet = await relay.ask('applet', {
    token: relay.issueToken('applet', 'p'),
    first: Buffer.from('820161', 'hex'),
  });
  t.regex(await applet.head(), /^HTTP\/1\.1 101 /);
  t.is(await applet.closeCode(), 1002);
  t.is(await technician.closeCode(), 4001);
});

test('F-04 a flood of pings ends its leg', async t => {
  await using relay = await startRelay();
  const applet = await relay.attach('applet', 'p');
  const ping = clientFrame({ opcode: 9, payload: Buffer.alloc(125), mask: Buffer.alloc(4) });
  applet.socket.write(Buffer.concat(Array.from({ length: 1000 }, () => ping)));
  t.is(await applet.closeCode(), 1008);
});

/** Bytes outside the heap that are in use. Those of array buffers count twice: `external` has them too. */
function bytesHeld(): number {
  collectGarbage();
  const { external, arrayBuffers } = process.memoryUsage();
  return external + arrayBuffers;
}

for (const [reader, writer] of [
  ['console', 'applet'],
  ['applet', 'console'],
] as const) {
  test(`F-04 the ${reader} that never reads stops the ${writer}, in bounded memory, and is ended`, async t => {
    await using relay = await startRelay();
    const deaf = await relay.attach(reader, 'p');
    const talker = await relay.attach(writer, 'p');
    deaf.socket.pause();
    const before = bytesHeld();
    let sent = 0;
    // Until 300 turns in a row have moved nothing: kernel buffers, ours and the talker's own are full.
    for (let still = 0; still < 300; still++) {
      while (!talker.socket.writableNeedDrain) {
        talker.send(Buffer.alloc(65_536));
        sent += 65_536;
        still = 0;
      }
      await new Promise(setImmediate);
    }
    t.true(sent < 48 * 1024 * 1024, `${sent} bytes went in`);
    const held = bytesHeld() - before;
    t.true(held < 64 * 1024 * 1024, `${held} bytes are held`);
    relay.clock.advance(33_000);
    t.is(await talker.closeCode(), 4001);
    t.regex(relay.metrics.text(), /relay_ends_total\{reason="unread"\} 1/);
    relay.clock.advance(3000); // the close frame for the deaf leg does not get through: cut
    t.regex(relay.metrics.text(), /relay_legs 0/);
    deaf.socket.destroy();
  });
}

test('F-04 a hundred attachments with made-up tokens leave nothing behind', async t => {
  await using relay = await startRelay();
  for (let round = 0; round < 10; round++) {
    const asked = await Promise.all(Array.from({ length: 10 }, () => relay.ask('applet', { token: 'A'.repeat(43) })));
    for (const head of await Promise.all(asked.map(leg => leg.head()))) t.regex(head, /^HTTP\/1\.1 403 /);
  }
  t.regex(relay.metrics.text(), /relay_refusals_total\{reason="token"\} 100\n/);
  t.regex(relay.metrics.text(), /relay_legs 0/);
  t.regex(relay.metrics.text(), /relay_pairs 0/);
});

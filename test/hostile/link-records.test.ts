// Attacks on what travels after the handshake: by the relay, which has no key, and by a peer that has them all.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { LAST_SEQ, MAX_HELD_BYTES } from '../../appliance/link/limits.ts';
import { RecordReceiver } from '../../appliance/link/record-receiver.ts';
import { RecordSender } from '../../appliance/link/record-sender.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { DIRECTION, HEADER_BYTES, RECORD, writeHeader } from '../../appliance/protocol/record.ts';
import { writeDataHead, writeOpen } from '../../appliance/protocol/stream-frames.ts';
import { EvilPeer } from '../link/evil-peer.ts';
import {
  bytesOf,
  Collector,
  connectedLinks,
  cryptoModes,
  type Middle,
  nextStream,
  textBytes,
  turns,
  whenState,
} from '../link/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

const CHANGED = ['link.tampered', 'link.protocol', 'link.epoch', 'protocol.malformed'];
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const isData = (message: Bytes) => message[0] === RECORD.data;

/** Twenty lines from console to applet, with this in between. @returns how the applet's link ended, and what came before */
async function attacked(makeMiddle: (index: () => number) => Middle, makeCrypto = cryptoModes.sync) {
  await using links = await connectedLinks({ makeCrypto });
  const out = links.console.openStream('chat', 2);
  const there = new Collector(await nextStream(links.applet));
  let index = -1;
  const middle = makeMiddle(() => index);
  links.pair.middle = (message, side, at) => {
    if (side === 1 || !isData(message)) return [message];
    index++;
    return middle(message, side, at);
  };
  const ended = whenState(links.applet, 'closed');
  const closed = { code: '' };
  void ended.then(code => {
    closed.code = code ?? 'none';
  });
  for (let i = 0; i < 20 && closed.code === ''; i++) {
    out.send(textBytes(`line ${i}`));
    await turns(2);
  }
  await turns(10);
  return { code: closed.code, lines: there.messages.map(text) };
}

const expectedLines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`);

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  const attacks: Record<string, [number, (index: () => number) => Middle]> = {
    'cut short by a byte': [5, index => message => [index() === 5 ? message.slice(0, -1) : message]],
    'with a byte more': [
      5,
      index => message => [index() === 5 ? bytesOf(Buffer.concat([message, Buffer.of(0)])) : message],
    ],
    'cut to its header': [5, index => message => [index() === 5 ? message.slice(0, HEADER_BYTES) : message]],
    'replaced by nothing': [5, index => message => [index() === 5 ? new Uint8Array(0) : message]],
    'sent twice': [6, index => message => (index() === 5 ? [message, message] : [message])],
    'dropped (a gap)': [5, index => message => (index() === 5 ? [] : [message])],
    'swapped with the next one': [
      5,
      index => {
        let held: Bytes | null = null;
        return message => {
          if (index() === 5) {
            held = message.slice();
            return [];
          }
          return index() === 6 && held !== null ? [message, held] : [message];
        };
      },
    ],
    'replayed much later': [
      16,
      index => {
        let first: Bytes | null = null;
        return message => {
          if (index() === 5) first = message.slice();
          return index() === 15 && first !== null ? [message, first] : [message];
        };
      },
    ],
  };
  for (const [name, [delivered, middle]] of Object.entries(attacks)) {
    test(`B-03 ${mode} attack: a record ${name} ends the link, and nothing wrong was delivered`, async t => {
      const { code, lines } = await attacked(middle, makeCrypto);
      t.true(CHANGED.includes(code), code);
      // What is being opened as the link ends is not delivered either.
      t.true(lines.length === delivered || (mode !== 'sync' && lines.length === delivered - 1), `${lines.length}`);
      t.deepEqual(lines, expectedLines(lines.length));
    });
  }

  test(`B-03 ${mode} attack: a record of another session in its place ends the link (splice)`, async t => {
    await using other = await connectedLinks({ makeCrypto });
    const records: Bytes[] = [];
    other.pair.middle = (message, side) => {
      if (side === 0 && isData(message)) records.push(message.slice());
      return [message];
    };
    const out = other.console.openStream('chat', 2);
    for (let i = 0; i < 7; i++) {
      out.send(textBytes(`line ${i}`));
      await turns(6);
    }
    const { code, lines } = await attacked(
      index => message => [index() === 5 ? (records[6] ?? message) : message],
      makeCrypto,
    );
    t.true(records.length > 6);
    t.is(code, 'link.tampered');
    t.deepEqual(lines, expectedLines(5));
  });

  test(`B-03 ${mode} attack: a record sent back to its author ends the link (reflection)`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    let reflected = false;
    links.pair.middle = (message, side) => {
      if (side === 0 && isData(message) && !reflected) {
        reflected = true;
        links.pair.inject(1, message);
      }
      return [message];
    };
    links.console.openStream('chat', 2).send(textBytes('hello'));
    t.is(await whenState(links.console, 'closed'), 'link.tampered');
  });

  test(`B-03 ${mode} attack: a control record (ACK, PING, SWITCH) replayed, changed or left out ends the link`, async t => {
    const changes: Middle[] = [
      message => [message, message],
      (message, _, index) => (index === 0 ? [] : [message]),
      message => [Uint8Array.from(message, (byte, at) => (at === message.length - 1 ? byte ^ 1 : byte))],
      message => [Uint8Array.from(message, (byte, at) => (at === HEADER_BYTES ? byte ^ 1 : byte))],
      message => [Uint8Array.from(message, (byte, at) => (at === 1 ? 1 : byte))], // an epoch, which control records have none of
    ];
    for (const change of changes) {
      const clock = new ManualClock();
      await using links = await connectedLinks({ makeCrypto, both: { clock } });
      let seen = 0;
      links.pair.middle = (message, side) => {
        if (side === 1 || message[0] !== RECORD.control) return [message];
        return change(message, side, seen++);
      };
      for (let i = 0; i < 10 && links.applet.state.state === 'open'; i++) {
        clock.advance(100);
        await turns(8);
      }
      t.true(CHANGED.includes(links.applet.state.error?.code ?? ''), links.applet.state.state);
    }
  });
}

test('B-03 attack: a bit flipped in any byte of a record, header or body, ends the link and delivers nothing of it', async t => {
  let length = HEADER_BYTES;
  for (let at = 0; at < length; at++) {
    for (const bit of at < HEADER_BYTES ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
      const { code, lines } = await attacked(index => message => {
        if (index() !== 2) return [message];
        length = message.length;
        message[at] = (message[at] ?? 0) ^ (1 << bit);
        return [message];
      });
      t.true([...CHANGED, 'link.exhausted'].includes(code), `byte ${at} bit ${bit}: ${code}`);
      t.deepEqual(lines, expectedLines(2));
    }
  }
  t.true(length > HEADER_BYTES + 16);
});

const chat = (line: string): Bytes => bytesOf(Buffer.concat([writeDataHead(0, line.length, true), Buffer.from(line)]));

test('B-03 a peer with the keys that keeps to the rules is heard: the control of what follows', async t => {
  await using evil = await EvilPeer.connect();
  const there = nextStream(evil.honest);
  evil.send(evil.data(writeOpen(0, 2, 'chat')), evil.data(chat('hello')));
  const collector = new Collector(await there);
  await collector.until(1);
  t.deepEqual(collector.messages.map(text), ['hello']);
  evil.send(evil.control([{ type: 'ping', number: 7 }]));
  await turns(4);
  t.true(evil.controlFrames().some(frame => frame.type === 'pong' && frame.number === 7));
});

const forgeries: Record<string, [string, (evil: EvilPeer) => Bytes]> = {
  'a number that wraps round': ['link.protocol', evil => evil.data(chat('x'), { seq: LAST_SEQ })],
  'the largest number there is': ['link.protocol', evil => evil.data(chat('x'), { seq: 2 ** 48 - 1 })],
  'a number that leaves a gap': ['link.protocol', evil => evil.data(chat('x'), { seq: 2 })],
  'an epoch that was skipped': ['link.epoch', evil => evil.data(chat('x'), { epoch: 2 })],
  'the last epoch': ['link.exhausted', evil => evil.data(chat('x'), { epoch: 255 })],
  'the direction of the other side': [
    'link.tampered',
    evil => evil.data(chat('x'), { direction: DIRECTION.appletToConsole }),
  ],
  'the number of another link': ['link.tampered', evil => evil.data(chat('x'), { linkId: bytesOf(randomBytes(16)) })],
  'keys of another attachment': ['link.tampered', evil => evil.control([{ type: 'ping', number: 1 }], { attach: 1 })],
  'a control number that was skipped': [
    'link.protocol',
    evil => evil.control([{ type: 'ping', number: 1 }], { seq: 1 }),
  ],
  'an ACK beyond what was sent': ['link.protocol', evil => evil.control([{ type: 'ack', next: 1000 }])],
  'a SWITCH that acknowledges beyond what was sent': [
    'link.protocol',
    evil => evil.control([{ type: 'switch', generation: 1, lossy: false, from: 0, next: 1000 }]),
  ],
  'bytes that are no frame': ['protocol.malformed', evil => evil.data(bytesOf('ff00'))],
};
for (const [name, [code, forge]] of Object.entries(forgeries)) {
  test(`B-03 attack: a peer that holds the keys and sends ${name} ends its link`, async t => {
    await using evil = await EvilPeer.connect();
    evil.send(evil.data(writeOpen(0, 2, 'chat')));
    await turns(3);
    t.is(evil.honest.state.state, 'open');
    evil.send(forge(evil));
    t.is(await whenState(evil.honest, 'closed'), code);
  });
}

test('B-03 attack: an ACK that goes backwards is ignored', async t => {
  await using evil = await EvilPeer.connect();
  const stream = evil.honest.openStream('chat', 2);
  for (let i = 0; i < 5; i++) {
    stream.send(textBytes(`line ${i}`));
    await turns(2);
  }
  const sent = evil.received.filter(isData).length;
  t.true(sent >= 5);
  evil.send(evil.control([{ type: 'ack', next: sent }]));
  await turns(3);
  t.is(evil.honest.unacknowledgedBytes, 0);
  evil.send(
    evil.control([
      { type: 'ack', next: 1 },
      { type: 'ack', next: 0 },
    ]),
  );
  await turns(3);
  t.is(evil.honest.state.state, 'open');
  t.is(evil.honest.unacknowledgedBytes, 0);
});

test('B-03 attack: a length of zero, of 2³² − 1, and one that is not that of the message end the link', async t => {
  for (const length of [0, 2 ** 32 - 1, 64 * 1024 + 1, 3]) {
    await using evil = await EvilPeer.connect();
    const message = new Uint8Array(HEADER_BYTES + 16 + 4);
    writeHeader(message, { type: RECORD.data, epoch: 0, seq: 0, length });
    evil.send(message);
    t.is(await whenState(evil.honest, 'closed'), 'protocol.malformed');
  }
});

/** One direction without a link around it. */
function oneWay(rekeyRecords?: number) {
  const [secret, linkId] = [bytesOf(randomBytes(32)), bytesOf(randomBytes(16))];
  const direction = DIRECTION.consoleToApplet;
  const delivered: string[] = [];
  const fail = (error: unknown) => {
    throw error;
  };
  const clock = new ManualClock();
  const common = { crypto: nodeCrypto, linkId, direction, fail };
  const sender = new RecordSender({
    ...{ ...common, clock, secret: secret.slice(), sealed: () => undefined },
    ...(rekeyRecords === undefined ? {} : { rekeyRecords }),
  });
  const receiver = new RecordReceiver({
    ...{ ...common, secret: secret.slice(), deliver: (plain: Bytes) => void delivered.push(text(plain)) },
  });
  const seal = (line: string): Bytes => {
    sender.seal([textBytes(line)], line.length);
    const record = sender.next();
    if (record === null) throw new TypeError('not sealed at once');
    return record.slice();
  };
  const take = (record: Bytes, seq: number, epoch = record[1] ?? 0) =>
    receiver.accept({ type: RECORD.data, epoch, seq, length: record.length - HEADER_BYTES - 16 }, record);
  return { sender, receiver, delivered, seal, take, clock };
}

test('B-03 attack: the same number with another ciphertext never replaces a record, before it or after it', t => {
  const { seal, take, delivered, receiver } = oneWay();
  const [first, second] = [seal('one'), seal('two')];
  const forged = Uint8Array.from(second, (byte, at) => (at === HEADER_BYTES ? byte ^ 1 : byte));
  t.throws(() => take(forged, 1), { code: 'link.tampered' });
  const other = oneWay();
  const [real, next] = [other.seal('one'), other.seal('two')];
  other.take(real, 0);
  other.take(
    Uint8Array.from(real, byte => byte ^ 0xff),
    0,
    0,
  ); // over a slower path
  other.take(next, 1);
  t.deepEqual(other.delivered, ['one', 'two']);
  t.is(other.receiver.duplicates, 1);
  t.is(receiver.next, 0);
  t.deepEqual(delivered, []);
  t.is(first.length, second.length);
});

test('B-03 attack: records ahead of a missing one are held up to the window and no further', t => {
  const { take, sender, receiver } = oneWay();
  const plain = new Uint8Array(60_000);
  let held = 0;
  const error = t.throws(() => {
    for (let seq = 0; seq < 1000; seq++) {
      sender.seal([plain], plain.length);
      const record = sender.next();
      if (record === null || seq === 0) continue; // the first never comes
      take(record, seq);
      held = receiver.heldBytes;
    }
  });
  t.is((error as { code?: string }).code, 'link.window');
  t.true(held <= MAX_HELD_BYTES && held > MAX_HELD_BYTES - 100_000);
});

test('B-03 numbers and epochs run out before they wrap, and the link ends', t => {
  const { seal, take, sender, delivered } = oneWay(1);
  const error = t.throws(() => {
    for (let seq = 0; seq < 300; seq++) {
      take(seal(String(seq)), seq);
      sender.acknowledge(seq + 1);
    }
  });
  t.is((error as { code?: string }).code, 'link.exhausted');
  t.is(sender.epoch, 254);
  t.is(delivered.length, 255);
  t.throws(() => take(new Uint8Array(100), LAST_SEQ, 254), { code: 'link.exhausted' });
});

test('B-03 a third epoch waits until the first record of the second is acknowledged, and keys change after an hour', t => {
  const { seal, sender } = oneWay(2);
  const epochs = (count: number) => Array.from({ length: count }, () => seal('x')[1]);
  t.deepEqual(epochs(4), [0, 0, 0, 0]); // not even its own first record is acknowledged
  sender.acknowledge(4);
  t.deepEqual(epochs(3), [1, 1, 1]);
  sender.acknowledge(4); // all of epoch 0, nothing of epoch 1
  t.deepEqual(epochs(1), [1]);
  sender.acknowledge(5);
  t.deepEqual(epochs(2), [2, 2]);
  const slow = oneWay();
  t.is(slow.seal('x')[1], 0);
  slow.sender.acknowledge(1);
  slow.clock.advance(3_600_000);
  t.is(slow.seal('x')[1], 1);
});

test('B-03 attack: no number is ever sealed twice, whatever is lost: what is sent again is the stored record', async t => {
  await using links = await connectedLinks();
  const seen = new Map<string, string>();
  const watch = (pair: typeof links.pair) => {
    pair.middle = (message, side) => {
      if (isData(message)) {
        const [key, body] = [
          `${side} ${message[1]} ${Buffer.from(message.subarray(2, 8)).toString('hex')}`,
          text(message),
        ];
        t.is(seen.get(key) ?? body, body);
        seen.set(key, body);
      }
      return [message];
    };
  };
  watch(links.pair);
  const out = links.console.openStream('chat', 2);
  const there = new Collector(await nextStream(links.applet));
  let { pair } = links;
  for (let i = 0; i < 5; i++) {
    for (let line = 0; line < 10; line++) out.send(textBytes(`${i} ${line}`));
    await turns(1);
    pair.cut();
    await Promise.all([whenState(links.console, 'detached'), whenState(links.applet, 'detached')]);
    pair = (await links.attach()).pair;
    watch(pair);
  }
  await there.until(50);
  t.true(seen.size > 5);
});

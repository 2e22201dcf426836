// The applet's reader of relay frames: every way of cutting, fragments, masks, and what the relay never sends.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { FrameReader, MAX_MESSAGE_BYTES, OPCODE, writeHead } from '../../appliance/applet/relay-frames.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { clientFrame, readFrame, serverFrame } from '../support/websocket-bytes.ts';

const ZERO = Buffer.alloc(4);

function read(chunks: readonly Buffer[]) {
  const messages: string[] = [];
  const controls: number[] = [];
  const reader = new FrameReader({
    message: bytes => messages.push(Buffer.from(bytes).toString('hex')),
    control: opcode => controls.push(opcode),
  });
  for (const chunk of chunks) reader.push(chunk);
  return { messages, controls };
}

test('F-04 masked and bare frames, fragments and pings between them, however they are cut', t => {
  const payload = randomBytes(60_000);
  const [head, tail] = [payload.subarray(0, 300), payload.subarray(300)];
  const stream = Buffer.concat([
    serverFrame({ opcode: OPCODE.binary, payload: Buffer.from('ab'), mask: ZERO }),
    clientFrame({ opcode: OPCODE.binary, fin: false, payload: head, mask: randomBytes(4) }),
    serverFrame({ opcode: OPCODE.ping, payload: Buffer.from('?'), mask: ZERO }),
    clientFrame({ opcode: OPCODE.continuation, payload: tail, mask: randomBytes(4) }),
    clientFrame({ opcode: OPCODE.binary, payload: Buffer.alloc(0), mask: ZERO }),
  ]);
  const expected = { messages: ['6162', payload.toString('hex'), ''], controls: [OPCODE.ping] };
  t.deepEqual(read([stream.subarray(0)]).controls, expected.controls);
  const short = Math.min(400, stream.length);
  for (let cut = 1; cut < short; cut += 7) {
    t.deepEqual(read([stream.subarray(0, cut), stream.subarray(cut)]).messages[0], expected.messages[0]);
  }
  const bytewise = Array.from({ length: 320 }, (_, at) => stream.subarray(at, at + 1));
  t.deepEqual(read([...bytewise, stream.subarray(320)]), expected);
});

test('F-04 attack: what the relay never sends ends the path, and nothing is kept of it', t => {
  const long = Buffer.alloc(14);
  long.writeUInt8(0x82, 0);
  long.writeUInt8(127, 1);
  long.writeBigUInt64BE(2n ** 48n, 2);
  const bad = [
    long,
    writeHead(OPCODE.binary, MAX_MESSAGE_BYTES + 1),
    serverFrame({ opcode: 1, payload: Buffer.from('text'), mask: ZERO }),
    serverFrame({ opcode: 5, payload: Buffer.from('x'), mask: ZERO }),
    serverFrame({ opcode: OPCODE.continuation, payload: Buffer.from('x'), mask: ZERO }),
    serverFrame({ opcode: OPCODE.ping, payload: Buffer.alloc(126), mask: ZERO }),
    serverFrame({ opcode: OPCODE.ping, fin: false, payload: Buffer.alloc(1), mask: ZERO }),
    Buffer.from([0xc2, 0x01, 0x00]),
  ];
  for (const bytes of bad) t.throws(() => read([bytes]), { code: 'relay.protocol' });
  const part = serverFrame({ opcode: OPCODE.binary, fin: false, payload: Buffer.alloc(60_000), mask: ZERO });
  const more = serverFrame({ opcode: OPCODE.continuation, fin: false, payload: Buffer.alloc(60_000), mask: ZERO });
  t.throws(() => read([part, more]), { code: 'relay.protocol' });
  t.throws(() => read([part, part]), { code: 'relay.protocol' });
});

test('F-04 random bytes are read or refused, and what we write is what a server reads', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), chunks => {
      try {
        read(chunks.map(chunk => Buffer.from(chunk)));
      } catch (error) {
        t.true(error instanceof ApplianceError && error.code === 'relay.protocol');
      }
    }),
  );
  for (const size of [0, 1, 125, 126, 65_535, 65_536, MAX_MESSAGE_BYTES]) {
    const frame = readFrame(Buffer.concat([writeHead(OPCODE.binary, size), Buffer.alloc(size, 7)]));
    t.is(frame?.payload.length, size);
    t.true(frame?.masked);
    t.is(frame?.payload.at(-1) ?? 7, 7, 'a key of zeroes leaves the payload as it is');
  }
});

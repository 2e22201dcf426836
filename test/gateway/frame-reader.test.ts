import test from 'ava';
import fc from 'fast-check';
import { ApplianceError } from '../../appliance/errors.ts';
import { FrameReader, type MaskRule } from '../../appliance/gateway/frame-reader.ts';
import { MAX_FRAME_BYTES, OPCODE } from '../../appliance/gateway/websocket-frame.ts';
import { clientFrame, type FrameWish, serverFrame } from '../support/websocket-bytes.ts';

interface Read {
  data: Buffer;
  controls: { opcode: number; payload: string; after: number }[];
  error: string | undefined;
}

function readAll(rule: MaskRule, chunks: readonly Buffer[]): Read {
  const data: Buffer[] = [];
  const controls: Read['controls'] = [];
  const size = () => data.reduce((sum, one) => sum + one.length, 0);
  const reader = new FrameReader(rule, {
    data: frames => data.push(frames),
    control: (opcode, payload) => controls.push({ opcode, payload: payload.toString('latin1'), after: size() }),
  });
  let error: string | undefined;
  try {
    for (const chunk of chunks) reader.push(chunk);
  } catch (thrown) {
    error = thrown instanceof ApplianceError ? thrown.code : String(thrown);
  }
  return { data: Buffer.concat(data), controls, error };
}

/** Cuts a copy, since the reader rewrites headers in place. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, at) => Buffer.from(bytes.subarray(sorted[at], end)));
}

const payload = fc
  .oneof(fc.nat(300), fc.constantFrom(1, 125, 126, 127, 65_535, 65_536, MAX_FRAME_BYTES))
  .map(length => Buffer.alloc(Math.max(1, length), 'payload that is not all the same; '));
const anyRule = fc.constantFrom<MaskRule[]>('kept', 'cleared', 'opened');
const mask = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytes => Buffer.from(bytes));
const oneFrame = (zeroMask: boolean) =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        opcode: fc.constant<number>(OPCODE.binary),
        payload,
        mask: zeroMask ? fc.constant(Buffer.alloc(4)) : mask,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        opcode: fc.constantFrom<number>(OPCODE.ping, OPCODE.pong),
        payload: fc.uint8Array({ maxLength: 125 }).map(bytes => Buffer.from(bytes)),
        mask,
      }),
    },
  );

for (const rule of ['kept', 'cleared', 'opened'] as const) {
  test(`B-03 frames cut anywhere come out whole, in order and unchanged (mask ${rule})`, t => {
    const frames = fc.array(oneFrame(rule === 'cleared'), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 12 }), (wishes: FrameWish[], places) => {
        const read = readAll(rule, cut(Buffer.concat(wishes.map(clientFrame)), places));
        const data = wishes.filter(wish => wish.opcode === OPCODE.binary);
        t.is(read.error, undefined);
        t.true(read.data.equals(Buffer.concat(data.map(rule === 'kept' ? clientFrame : serverFrame))));
        const controls = wishes.filter(wish => wish.opcode !== OPCODE.binary);
        t.deepEqual(
          read.controls.map(({ opcode, payload: got }) => ({ opcode, got })),
          controls.map(wish => ({ opcode: wish.opcode, got: wish.payload.toString('latin1') })),
        );
      }),
      { numRuns: 60 },
    );
  });

  test(`B-03 a stream cut at each byte in turn, and fed byte by byte, reads the same (mask ${rule})`, t => {
    const zero = Buffer.alloc(4);
    const bytes = Buffer.concat([
      clientFrame({ opcode: OPCODE.binary, payload: Buffer.from('first'), mask: zero }),
      clientFrame({ opcode: OPCODE.ping, payload: Buffer.from('?'), mask: Buffer.from('abcd') }),
      clientFrame({ opcode: OPCODE.binary, payload: Buffer.alloc(200, 'x'), mask: zero }),
      clientFrame({ opcode: OPCODE.binary, fin: false, payload: Buffer.alloc(3, 'y'), mask: zero }),
      clientFrame({ opcode: OPCODE.pong, payload: Buffer.alloc(0), mask: zero }),
      clientFrame({ opcode: OPCODE.continuation, fin: false, payload: Buffer.alloc(0), mask: zero }),
      clientFrame({ opcode: OPCODE.continuation, payload: Buffer.alloc(2, 'z'), mask: zero }),
      clientFrame({ opcode: OPCODE.close, payload: Buffer.of(3, 232), mask: zero }),
    ]);
    const whole = readAll(rule, [Buffer.from(bytes)]);
    t.is(whole.error, undefined);
    t.is(whole.controls.length, 3);
    for (let at = 0; at <= bytes.length; at++) t.deepEqual(readAll(rule, cut(bytes, [at])), whole);
    t.deepEqual(
      readAll(
        rule,
        [...bytes].map(byte => Buffer.of(byte)),
      ),
      whole,
    );
  });
}

test('B-03 what is not whole yet is not given on', t => {
  const frame = clientFrame({ opcode: OPCODE.binary, payload: Buffer.alloc(50, 'x'), mask: Buffer.alloc(4) });
  for (let length = 0; length < frame.length; length++) {
    t.is(readAll('cleared', [Buffer.from(frame.subarray(0, length))]).data.length, 0);
  }
});

const zero = Buffer.alloc(4);
const good = clientFrame({ opcode: OPCODE.binary, payload: Buffer.from('good'), mask: zero });
const attacks: readonly [name: string, bytes: Buffer, code: string][] = [
  ['a length of 2⁴⁸', Buffer.from('82ff0001000000000000', 'hex'), 'relay.too-large'],
  ['a length of 2⁶³', Buffer.from('82ff8000000000000000', 'hex'), 'relay.too-large'],
  ['one byte too many', Buffer.from('82ff0000000000014001', 'hex'), 'relay.too-large'],
  ['a 16-bit length that fits in seven', Buffer.from('82fe007d', 'hex'), 'relay.protocol'],
  ['a 64-bit length that fits in sixteen', Buffer.from('82ff000000000000ffff', 'hex'), 'relay.protocol'],
  ['an empty message', Buffer.from('828000000000', 'hex'), 'relay.protocol'],
  ['RSV1', Buffer.from('c281', 'hex'), 'relay.protocol'],
  ['RSV2', Buffer.from('a281', 'hex'), 'relay.protocol'],
  ['RSV3', Buffer.from('9281', 'hex'), 'relay.protocol'],
  ['no mask', Buffer.from('8201', 'hex'), 'relay.protocol'],
  ['a ping without mask', Buffer.from('8900', 'hex'), 'relay.protocol'],
  ['text', Buffer.from('8181', 'hex'), 'relay.text'],
  ['an unknown data opcode', Buffer.from('8381', 'hex'), 'relay.protocol'],
  ['an unknown control opcode', Buffer.from('8b80', 'hex'), 'relay.protocol'],
  ['a ping of 126 bytes', Buffer.from('89fe', 'hex'), 'relay.protocol'],
  ['a fragmented ping', Buffer.from('0980', 'hex'), 'relay.protocol'],
  ['a continuation of nothing', Buffer.from('8081', 'hex'), 'relay.protocol'],
  ['a message within a message', Buffer.from('02810000000061' + '8281', 'hex'), 'relay.protocol'],
];

for (const [name, bytes, code] of attacks) {
  test(`B-03 ${name} is refused as soon as it shows, after what was good before it`, t => {
    for (const rule of ['kept', 'cleared', 'opened'] as const) {
      // Padded, since a reader must not wait for the rest of what it refuses; a longest header is 14 bytes.
      const lengthened = bytes.length >= 10 || bytes.length === 4 ? Buffer.concat([bytes, zero]) : bytes;
      const read = readAll(rule, [Buffer.from(good), Buffer.from(lengthened)]);
      t.is(read.error, code);
      const before = rule === 'kept' ? good : serverFrame({ opcode: 2, payload: Buffer.from('good'), mask: zero });
      t.true(read.data.subarray(0, before.length).equals(before));
    }
  });
}

test('B-03 a leg that must mask with zeros and does not is refused', t => {
  const bytes = clientFrame({ opcode: OPCODE.binary, payload: Buffer.from('x'), mask: Buffer.from('abcd') });
  t.is(readAll('cleared', [bytes]).error, 'relay.protocol');
});

test('B-03 fragments together have a frame’s limit, and their number has one too', t => {
  const part = (fin: boolean, opcode: number, size: number) =>
    clientFrame({ fin, opcode, payload: Buffer.alloc(size, 'x'), mask: zero });
  const big = [part(false, 2, MAX_FRAME_BYTES), part(true, 0, 1)];
  t.is(readAll('kept', big).error, 'relay.too-large');
  const many = [part(false, 2, 1), ...Array.from({ length: 70 }, () => part(false, 0, 0))];
  t.is(readAll('kept', many).error, 'relay.protocol');
});

test('B-03 any bytes at all either read or are refused; what comes out is never longer than what went in', t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), anyRule, (chunks, rule) => {
      const read = readAll(
        rule,
        chunks.map(chunk => Buffer.from(chunk)),
      );
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      return read.data.length <= size && (read.error === undefined || read.error.startsWith('relay.'));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('B-03 masks are opened from any moment on, in the middle of a frame too, and nothing is lost or opened twice', t => {
  const frames = fc.array(oneFrame(false), { minLength: 1, maxLength: 5 });
  const places = fc.array(fc.nat(), { maxLength: 8 });
  fc.assert(
    fc.property(frames, places, fc.nat(), (wishes: FrameWish[], cuts, turn) => {
      const chunks = cut(Buffer.concat(wishes.map(clientFrame)), cuts);
      const got: Buffer[] = [];
      const reader = new FrameReader('kept', { data: bytes => got.push(bytes), control: () => undefined });
      const before = chunks.slice(0, turn % (chunks.length + 1));
      for (const chunk of before) reader.push(chunk);
      const masked = got.splice(0).reduce((sum, one) => sum + one.length, 0);
      reader.openMasks();
      for (const chunk of chunks.slice(before.length)) reader.push(chunk);
      const data = wishes.filter(wish => wish.opcode === OPCODE.binary);
      const ends = data.map((_, at) => Buffer.concat(data.slice(0, at + 1).map(clientFrame)).length);
      const opened = data.filter((_, at) => (ends[at] ?? 0) > masked);
      t.true(Buffer.concat(got).equals(Buffer.concat(opened.map(serverFrame))));
    }),
    { numRuns: 100 },
  );
});

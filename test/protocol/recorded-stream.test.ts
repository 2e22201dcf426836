// The hashed stream, its marks, and what is said about it.
import test from 'ava';
import fc from 'fast-check';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { type Bytes, ByteWriter, concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import {
  MAX_RECORDED_MESSAGE_BYTES,
  type RecordedPiece,
  RecordedReader,
  recordedBytes,
} from '../../appliance/protocol/recorded-stream.ts';
import {
  type FromRecorder,
  parseFromRecorder,
  parseToRecorder,
  type ToRecorder,
  writeFromRecorder,
  writeToRecorder,
} from '../../appliance/protocol/recorder-socket.ts';
import {
  parseRecording,
  parseRecordingNews,
  type RecordingMessage,
  type RecordingNews,
  writeRecording,
  writeRecordingNews,
} from '../../appliance/protocol/recording.ts';
import { type BeginMark, type Mark, parseMark, writeMark } from '../../appliance/protocol/recording-marks.ts';
import {
  parseAttestation,
  parseRecordingReceipt,
  type RecordingAttestation,
  type RecordingReceipt,
  receiptObject,
  writeAttestation,
} from '../../appliance/protocol/recording-receipt.ts';
import { OWN_PIXEL_FORMAT } from '../../appliance/protocol/rfb.ts';
import { parseScreenNews, writeScreenMark, writeScreenRfb } from '../../appliance/protocol/screen.ts';
import { bytesOfLength, decoderTests, lines, names, tried } from './decoder-rules.ts';

const id = bytesOfLength(16);
const at = fc.maxSafeNat();
const side = fc.integer({ min: 1, max: 16_384 });
const sids = id.map(bytes => sessionIdFrom(bytes));
const encodings = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 64 });
const format = fc.constantFrom(OWN_PIXEL_FORMAT, { ...OWN_PIXEL_FORMAT, redShift: 0, blueShift: 16 });
const monitors = fc.array(
  fc.record({
    ...{ id: fc.integer({ min: 1, max: 16 }), name: lines, primary: fc.boolean() },
    ...{ x: side, y: side, width: side, height: side },
  }),
  { maxLength: 16 },
);
const of = <T extends string>(type: T) => ({ type: fc.constant(type), at });
const begins: fc.Arbitrary<BeginMark> = fc.record({
  ...{ ...of('begin'), version: fc.constant(1), nonce: id, sid: sids, linkId: id, sub: names, technician: lines },
  ...{ forced: fc.boolean(), width: side, height: side, format, encodings },
  ...{ after: fc.option(id), pausedMs: fc.nat() },
});
const marks: fc.Arbitrary<Exclude<Mark, BeginMark | { type: 'end' }>> = fc.oneof(
  fc.record({ ...of('beat'), keys: fc.nat(100_000) }),
  fc.record({ ...of('format'), format, encodings }),
  fc.record({ ...of('monitors'), monitors, monitor: fc.nat(16) }),
  fc.record({ ...of('pointer'), x: fc.nat(16_384), y: fc.nat(16_384), buttons: fc.nat(255) }),
  fc.record({ ...of('action'), action: names, stage: fc.constantFrom('asked' as const, 'ended' as const) }),
  fc.record({ ...of('chat'), line: id, by: fc.constantFrom('customer' as const, 'technician' as const) }),
  fc.record({ ...of('state'), state: fc.constantFrom('live' as const, 'unrecorded' as const) }),
  fc.record({ ...of('loss'), nonce: id, sent: fc.maxSafeNat(), covered: fc.maxSafeNat() }),
);
const ends = fc.record({ ...of('end'), why: names });

decoderTests<Mark>('a mark of a recording', {
  ...{ parse: parseMark, write: writeMark, values: fc.oneof(begins, marks, ends) },
});
const places = { sid: sids, linkId: id, nonce: id, offset: fc.integer({ min: 1 }), digest: bytesOfLength(32) };
decoderTests<RecordingReceipt>('a receipt of the recorder', {
  ...{
    parse: parseRecordingReceipt,
    write: ({ kid, ...receipt }) => canonicalBytes({ ...receiptObject(receipt), kid }),
  },
  values: fc.record({ ...places, time: at, kid: fc.stringMatching(/^[A-Za-z0-9_-]{16}$/) }),
});
decoderTests<RecordingAttestation>('an attestation of an applet', {
  ...{ parse: parseAttestation, write: writeAttestation, values: fc.record({ ...places, at }) },
});
decoderTests<RecordingMessage>('a console’s message about the recording', {
  ...{ parse: parseRecording, write: writeRecording, cutsAreMessages: true },
  values: fc.oneof(
    fc.record({ type: fc.constant('receipt' as const), signature: bytesOfLength(64), payload: bytesOfLength(1, 300) }),
    fc.record({ type: fc.constant('lost' as const), nonce: id }),
    fc.record({ type: fc.constant('pause' as const), paused: fc.boolean() }),
  ),
});
const pause = { mayPause: fc.boolean(), pausedAt: fc.option(at) };
decoderTests<RecordingNews>('what an applet says about the recording', {
  ...{ parse: parseRecordingNews, write: writeRecordingNews },
  values: fc.oneof(
    fc.record({ state: fc.constantFrom('idle' as const, 'proved' as const), nonce: fc.constant(null), ...pause }),
    fc.record({ state: fc.constantFrom('debt' as const, 'lost' as const), nonce: id, ...pause }),
  ),
});

decoderTests<ToRecorder>('a console’s message to the recorder', {
  ...{ parse: parseToRecorder, write: writeToRecorder, cutsAreMessages: true },
  values: fc.oneof(
    fc.record({ type: fc.constant('stream' as const), nonce: id }),
    fc.record({ type: fc.constant('data' as const), bytes: bytesOfLength(1, 300) }),
  ),
});
decoderTests<FromRecorder>('a message of the recorder', {
  ...{ parse: parseFromRecorder, write: writeFromRecorder, cutsAreMessages: true },
  values: fc.oneof(
    fc.record({ type: fc.constant('receipt' as const), signature: bytesOfLength(64), payload: bytesOfLength(1, 300) }),
    fc.record({ type: fc.constant('at' as const), offset: fc.maxSafeNat() }),
    fc.record({ type: fc.constant('state' as const), state: fc.constantFrom('recording' as const, 'lost' as const) }),
  ),
});

const pictures = fc.uint8Array({ minLength: 1, maxLength: 300 }).map(bytes => Uint8Array.from(bytes));
/** Messages of `screen`, from the first to the last. */
const streams = fc
  .tuple(begins, fc.array(fc.oneof(pictures.map(writeScreenRfb), marks.map(asMessage)), { maxLength: 20 }), ends)
  .map(([begin, between, end]) => [asMessage(begin), ...between, asMessage(end)]);

function asMessage(mark: Mark): Bytes {
  return writeScreenMark(writeMark(mark));
}

function readAll(bytes: Bytes, lengths: readonly number[]): RecordedPiece[] {
  const reader = new RecordedReader();
  const pieces: RecordedPiece[] = [];
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    pieces.push(...reader.push(bytes.slice(from, from + length)));
    from += length;
  }
  return pieces;
}

test('H-05 a recorded stream is read as it was sent, wherever it is cut, and its offsets lie between messages', t => {
  fc.assert(
    fc.property(
      streams,
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
      (messages, lengths) => {
        const all = concat(...messages.map(recordedBytes));
        const pieces = readAll(all, lengths);
        t.deepEqual(concat(...pieces.map(({ whole }) => whole)), all);
        let end = 0;
        for (const [index, piece] of pieces.entries()) {
          end += recordedBytes(messages[index] ?? new Uint8Array()).length;
          t.is(piece.end, end);
          const news = parseScreenNews(messages[index] ?? new Uint8Array());
          if (piece.type === 'rfb') t.deepEqual(news, { type: 'rfb', bytes: piece.bytes });
          else t.deepEqual(news, { type: 'mark', bytes: writeMark(piece.mark) });
        }
        t.is(pieces.length, messages.length);
      },
    ),
    { numRuns: 200 },
  );
});

const [begin] = fc.sample(begins, 1).map(asMessage);
const [end] = fc.sample(ends, 1).map(asMessage);
const picture = writeScreenRfb(utf8Bytes('RFB 003.008\n'));
const length = (size: number, ...bytes: number[]) => Uint8Array.of(size, ...bytes);
const refusals: Record<string, Bytes[]> = {
  'that begins with a picture': [recordedBytes(picture)],
  'that begins twice': [recordedBytes(begin ?? picture), recordedBytes(begin ?? picture)],
  'that goes on after its end': [begin, end, picture].map(message => recordedBytes(message ?? picture)),
  'with a message of control in it': [recordedBytes(begin ?? picture), recordedBytes(Uint8Array.of(1, 0x7b, 0x7d))],
  'with an empty picture': [recordedBytes(begin ?? picture), recordedBytes(Uint8Array.of(0))],
  'with an empty message': [length(0)],
  'with a length in more bytes than it needs': [length(0x40, 1, 2)],
  'with a message of eight bytes of length': [length(0xc0, 0, 0, 0, 0, 0, 0, 1)],
  'with a message that is too long': [new ByteWriter().varint(MAX_RECORDED_MESSAGE_BYTES + 1).done()],
};
for (const [what, parts] of Object.entries(refusals)) {
  test(`H-05 attack: a stream ${what} is refused, whole or byte by byte`, t => {
    t.throws(() => readAll(concat(...parts), [1]), { code: 'protocol.malformed' });
    t.throws(() => readAll(concat(...parts), [100_000]), { code: 'protocol.malformed' });
  });
}

test('H-05 attack: a stream of anything at all is read or refused, and never more than a message is held', t => {
  const message = writeScreenRfb(new Uint8Array(MAX_RECORDED_MESSAGE_BYTES - 1));
  t.throws(() => recordedBytes(new Uint8Array(MAX_RECORDED_MESSAGE_BYTES + 1)), { code: 'protocol.malformed' });
  const reader = new RecordedReader();
  reader.push(recordedBytes(begin ?? picture));
  const bytes = recordedBytes(message);
  for (let from = 0; from < bytes.length - 1; from += 1000) {
    reader.push(bytes.subarray(from, Math.min(from + 1000, bytes.length - 1)));
    t.true(reader.heldBytes <= MAX_RECORDED_MESSAGE_BYTES + 4);
  }
  t.is(reader.push(bytes.subarray(-1)).length, 1);
  t.is(reader.heldBytes, 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (noise, size) => {
      tried(all => readAll(all, [size]), concat(recordedBytes(begin ?? picture), noise));
    }),
    { numRuns: 500 },
  );
});

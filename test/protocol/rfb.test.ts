import test from 'ava';
import fc from 'fast-check';
import { ByteReader, ByteWriter, concat } from '../../appliance/protocol/bytes.ts';
import {
  MAX_CUT_TEXT_BYTES,
  MAX_ENCODINGS,
  OWN_PIXEL_FORMAT,
  type PixelFormat,
  readPixelFormat,
  writePixelFormat,
} from '../../appliance/protocol/rfb.ts';
import {
  parseClientMessage,
  parseInputEvent,
  type RfbClientMessage,
} from '../../appliance/protocol/rfb-client-messages.ts';
import { ClientMessageSplitter, type ClientPiece } from '../../appliance/protocol/rfb-splitter.ts';
import { OPENING, writeClientMessage } from '../support/rfb-messages.ts';
import { bytesOfLength, decoderTests, tried } from './decoder-rules.ts';

const short = fc.nat(0xffff);
const area = fc.record({ x: short, y: short, width: short, height: short });
const flags = fc.nat(0xffff_ffff);
const formats: fc.Arbitrary<PixelFormat> = fc.constantFrom(
  OWN_PIXEL_FORMAT,
  { ...OWN_PIXEL_FORMAT, redShift: 0, blueShift: 16 },
  { ...OWN_PIXEL_FORMAT, bigEndian: true, depth: 32 },
  {
    ...{ bitsPerPixel: 16, depth: 16, bigEndian: false, redMax: 31, greenMax: 63, blueMax: 31 },
    ...{ redShift: 11, greenShift: 5, blueShift: 0 },
  },
  {
    ...{ bitsPerPixel: 8, depth: 8, bigEndian: false, redMax: 7, greenMax: 7, blueMax: 3 },
    ...{ redShift: 0, greenShift: 3, blueShift: 6 },
  },
);
const key = fc.record({
  ...{ type: fc.constant('key' as const), down: fc.boolean() },
  ...{ keysym: fc.nat(0x1fff_ffff), scanCode: fc.nat(0xff) },
});
const pointer = fc.record({ type: fc.constant('pointer' as const), x: short, y: short, buttons: fc.nat(255) });
// A cut text of no bytes has no sign: it reads as one that isn't extended.
const cutText = fc
  .record({ type: fc.constant('cut-text' as const), extended: fc.boolean(), bytes: bytesOfLength(0, 300) })
  .map(message => ({ ...message, extended: message.extended && message.bytes.length > 0 }));
const messages: fc.Arbitrary<RfbClientMessage> = fc.oneof(
  ...[key, pointer, cutText],
  fc.record({ type: fc.constant('pixel-format' as const), format: formats }),
  fc.record({
    type: fc.constant('encodings' as const),
    encodings: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: MAX_ENCODINGS }),
  }),
  fc.record({ type: fc.constant('update-request' as const), incremental: fc.boolean(), area }),
  fc.record({ type: fc.constant('continuous-updates' as const), on: fc.boolean(), area }),
  fc.record({ type: fc.constant('fence' as const), flags, payload: bytesOfLength(0, 64) }),
  fc.record({
    ...{ type: fc.constant('desktop-size' as const), width: short, height: short },
    screens: fc.array(
      fc.tuple(area, flags, flags).map(([at, id, bits]) => ({ id, ...at, flags: bits })),
      { maxLength: 16 },
    ),
  }),
);

decoderTests('a message of a viewer', { parse: parseClientMessage, write: writeClientMessage, values: messages });
decoderTests('an input event of a viewer', {
  ...{ parse: parseInputEvent, write: writeClientMessage, values: fc.oneof(key, pointer) },
});

test('E-04 a pixel format is written as it is read', t => {
  fc.assert(
    fc.property(formats, format => {
      const reader = new ByteReader(writePixelFormat(new ByteWriter(), format).done());
      t.deepEqual(readPixelFormat(reader), format);
      reader.end();
    }),
  );
});

test('E-04 attack: a colour map and colours that overlap or leave the pixel are refused', t => {
  const bytes = (format: PixelFormat) => writePixelFormat(new ByteWriter(), format).done();
  const bad = [
    bytes({ ...OWN_PIXEL_FORMAT, redShift: 8 }),
    bytes({ ...OWN_PIXEL_FORMAT, redShift: 25 }),
    bytes({ ...OWN_PIXEL_FORMAT, redMax: 254 }),
    bytes({ ...OWN_PIXEL_FORMAT, redMax: 0 }),
    bytes({ ...OWN_PIXEL_FORMAT, redMax: 511 }),
    bytes({ ...OWN_PIXEL_FORMAT, depth: 33 }),
    bytes(OWN_PIXEL_FORMAT).with(3, 0),
    bytes(OWN_PIXEL_FORMAT).with(0, 24),
  ];
  for (const format of bad) {
    t.throws(() => readPixelFormat(new ByteReader(format)), { code: 'protocol.malformed' });
  }
});

/** What a splitter makes of bytes that come in pieces of these lengths, over and over. */
function split(bytes: Uint8Array<ArrayBuffer>, lengths: readonly number[]): ClientPiece[] {
  const splitter = new ClientMessageSplitter();
  const pieces: ClientPiece[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1;
    pieces.push(...splitter.push(bytes.slice(at, at + length)));
    at += length;
  }
  return pieces;
}

function kindOf(message: RfbClientMessage): string {
  if (message.type === 'cut-text') return 'clipboard';
  return message.type === 'key' || message.type === 'pointer' ? 'event' : 'screen';
}

test('E-04 what a viewer sends is cut into its messages, wherever it was cut before, each with its kind', t => {
  fc.assert(
    fc.property(
      fc.array(messages, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      (sent, lengths) => {
        const all = concat(OPENING, ...sent.map(writeClientMessage));
        const pieces = split(all, lengths);
        t.deepEqual(
          pieces.slice(0, 3).map(({ kind }) => kind),
          ['screen', 'screen', 'screen'],
        );
        t.deepEqual(concat(...pieces.map(({ bytes }) => bytes)), all);
        t.deepEqual(
          pieces.slice(3).map(({ bytes }) => parseClientMessage(bytes)),
          sent,
        );
        t.deepEqual(
          pieces.slice(3).map(({ kind }) => kind),
          sent.map(kindOf),
        );
      },
    ),
  );
});

test('E-04 the largest clipboard comes through byte by byte in linear time, and is the only thing held', t => {
  const text = new Uint8Array(MAX_CUT_TEXT_BYTES).fill(65);
  const message = writeClientMessage({ type: 'cut-text', extended: false, bytes: text });
  const splitter = new ClientMessageSplitter();
  splitter.push(OPENING);
  for (let at = 0; at < message.length - 1; at++) t.assert(splitter.push(message.subarray(at, at + 1)).length === 0);
  t.is(splitter.heldBytes, message.length - 1);
  const [piece] = splitter.push(message.subarray(-1));
  t.is(piece?.kind, 'clipboard');
  t.deepEqual(piece?.bytes, message);
  t.is(splitter.heldBytes, 0);
});

const refusals: Record<string, number[]> = {
  'another version': [...Buffer.from('RFB 003.003\n')],
  'a security type nobody offered': [...OPENING.slice(0, 12), 2],
  'a message nobody knows': [...OPENING, 77],
  'one encoding too many': [...OPENING, 2, 0, 0, MAX_ENCODINGS + 1],
  'a clipboard that is too long': [...OPENING, 6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
  'an extended clipboard that is too long': [...OPENING, 6, 0, 0, 0, 0x80, 0, 0, 0],
  'a fence that is too long': [...OPENING, 248, 0, 0, 0, 0, 0, 0, 0, 65],
  'too many screens': [...OPENING, 251, 0, 0, 9, 0, 9, 17],
  'a QEMU message nobody knows': [...OPENING, 255, 1],
};
for (const [what, bytes] of Object.entries(refusals)) {
  test(`E-04 attack: ${what} is refused as soon as it shows, whole or byte by byte`, t => {
    t.throws(() => split(Uint8Array.from(bytes), [1]), { code: 'protocol.malformed' });
    t.throws(() => split(Uint8Array.from(bytes), [bytes.length]), { code: 'protocol.malformed' });
    const before = Uint8Array.from(bytes.slice(0, -1));
    if (what !== 'another version' && !what.includes('clipboard')) t.notThrows(() => split(before, [1]));
  });
}

test('E-04 attack: a viewer that sends anything at all is split or refused, and never more than a message is held', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (noise, length) => {
      tried(bytes => split(concat(OPENING, bytes), [length]), Uint8Array.from(noise));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

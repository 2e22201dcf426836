// Headers, flights, ATTACH, control frames and stream frames: what is in binary.
import test from 'ava';
import fc from 'fast-check';
import {
  attachTranscript,
  PATH_KINDS,
  parseAttachBegin,
  parseAttachConfirm,
  parseAttachProve,
  writeAttachBegin,
  writeAttachConfirm,
  writeAttachProve,
} from '../../appliance/protocol/attach.ts';
import { concat } from '../../appliance/protocol/bytes.ts';
import { type ControlFrame, readControl, writeControl } from '../../appliance/protocol/control-frames.ts';
import {
  parseFlight1,
  parseFlight2,
  parseFlight3,
  parseHello,
  writeFlight1,
  writeFlight2,
  writeFlight3,
  writeHello,
} from '../../appliance/protocol/handshake.ts';
import {
  HEADER_BYTES,
  MAX_BULK_BYTES,
  nonceOf,
  parseRecord,
  plainRecord,
  RECORD,
  type RecordHeader,
  type RecordType,
  TAG_BYTES,
  writeHeader,
} from '../../appliance/protocol/record.ts';
import {
  isStreamKind,
  readStreamFrames,
  type StreamFrame,
  writeDataHead,
  writeEnd,
  writeOpen,
  writeReset,
  writeWindow,
} from '../../appliance/protocol/stream-frames.ts';
import { bytesOfLength, counters, decoderTests, textOf } from './decoder-rules.ts';

const malformed = { code: 'protocol.malformed' };
const nonces = bytesOfLength(16);
const macs = bytesOfLength(32);
const randoms = bytesOfLength(32);
const credentials = fc.record({ payload: bytesOfLength(0, 200), signature: bytesOfLength(64) });
const caps = fc.array(textOf(32), { maxLength: 16 });
const suites = fc.array(fc.nat(0xffff), { maxLength: 5 });
const bytewise = fc.array(fc.nat(255), { maxLength: 5 });

decoderTests('Hello', {
  parse: parseHello,
  write: writeHello,
  values: fc.record({ versions: bytewise, suites, sid: nonces, commit: macs }),
});
decoderTests('flight 1', { parse: parseFlight1, write: writeFlight1, values: fc.record({ suites, random: randoms }) });
decoderTests('flight 2', {
  parse: parseFlight2,
  write: writeFlight2,
  values: fc.record({ random: randoms, credential: credentials, caps, linkId: nonces }),
});
decoderTests('flight 3', {
  parse: parseFlight3,
  write: writeFlight3,
  values: fc.record({ credential: credentials, caps }),
});
decoderTests('ATTACH 1', {
  parse: parseAttachBegin,
  write: writeAttachBegin,
  values: fc.record({ linkId: nonces, attach: counters, generation: counters, next: counters, nonce: nonces }),
});
decoderTests('ATTACH 2', {
  parse: parseAttachProve,
  write: writeAttachProve,
  values: fc.record({ attach: counters, next: counters, nonce: nonces, mac: macs }),
});
decoderTests('ATTACH 3', {
  parse: parseAttachConfirm,
  write: writeAttachConfirm,
  values: fc.record({ attach: counters, mac: macs }),
});

const controlFrames: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ type: fc.constant('ack' as const), next: counters }),
  fc.record({ type: fc.constantFrom('ping' as const, 'pong' as const), number: counters }),
  fc.record({
    ...{ type: fc.constant('switch' as const), generation: counters, lossy: fc.boolean() },
    ...{ from: counters, next: counters },
  }),
  fc.record({ type: fc.constant('close' as const), code: counters }),
);

decoderTests<ControlFrame[]>('a control record', {
  parse: readControl,
  write: frames => concat(...frames.map(writeControl)),
  values: fc.array(controlFrames, { minLength: 1, maxLength: 6 }),
  cutsAreMessages: true,
});

const kinds = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);
const streamFrames: fc.Arbitrary<StreamFrame> = fc.oneof(
  fc.record({ type: fc.constant('open' as const), stream: counters, priority: fc.nat(4), kind: kinds }),
  fc.record({
    ...{ type: fc.constant('data' as const), stream: counters, last: fc.boolean() },
    bytes: bytesOfLength(1, 100),
  }),
  fc.record({ type: fc.constant('window' as const), stream: counters, limit: counters }),
  fc.record({ type: fc.constant('reset' as const), stream: counters, code: counters }),
  fc.record({ type: fc.constant('end' as const), stream: counters }),
);

function writeStreamFrame(frame: StreamFrame) {
  switch (frame.type) {
    case 'open':
      return writeOpen(frame.stream, frame.priority, frame.kind);
    case 'data':
      return concat(writeDataHead(frame.stream, frame.bytes.length, frame.last), frame.bytes);
    case 'window':
      return writeWindow(frame.stream, frame.limit);
    case 'reset':
      return writeReset(frame.stream, frame.code);
    case 'end':
      return writeEnd(frame.stream);
  }
}

decoderTests<StreamFrame[]>('a data record', {
  parse: bytes => [...readStreamFrames(bytes)],
  write: frames => concat(...frames.map(writeStreamFrame)),
  values: fc.array(streamFrames, { minLength: 1, maxLength: 6 }),
  cutsAreMessages: true,
});

const headers: fc.Arbitrary<RecordHeader> = fc.record({
  type: fc.constantFrom(...(Object.values(RECORD) as RecordType[])),
  epoch: fc.nat(255),
  seq: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  length: fc.integer({ min: 1, max: 200 }),
});

decoderTests<RecordHeader>('a record', {
  parse: parseRecord,
  write: header => {
    const tag = header.type <= RECORD.control ? TAG_BYTES : 0;
    const message = new Uint8Array(HEADER_BYTES + header.length + tag);
    writeHeader(message, header);
    return message;
  },
  values: headers,
});

const FOREIGN_TYPES = Array.from({ length: 256 }, (_, type) => type).filter(
  type => !(Object.values(RECORD) as number[]).includes(type),
);

test('B-03 attack: records of no type we know, of length zero or beyond the most of their type are refused', t => {
  for (const type of FOREIGN_TYPES) {
    const message = plainRecord(RECORD.hello, new Uint8Array(1));
    message[0] = type;
    t.throws(() => parseRecord(message), malformed);
  }
  for (const type of Object.values(RECORD)) {
    const empty = new Uint8Array(HEADER_BYTES + (type <= RECORD.control ? TAG_BYTES : 0));
    writeHeader(empty, { type, epoch: 0, seq: 0, length: 0 });
    t.throws(() => parseRecord(empty), malformed);
  }
  for (const length of [MAX_BULK_BYTES + 1, 2 ** 24, 2 ** 32 - 1]) {
    const message = new Uint8Array(HEADER_BYTES + Math.min(length, MAX_BULK_BYTES + 1) + TAG_BYTES);
    writeHeader(message, { type: RECORD.data, epoch: 0, seq: 0, length });
    t.throws(() => parseRecord(message), malformed);
  }
});

test('B-03 a header and a nonce stand byte for byte where the README puts them', t => {
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, { type: RECORD.data, epoch: 0xfe, seq: 0x0102_0304_0506, length: 0xa1b2 });
  t.is(Buffer.from(header).toString('hex'), '01fe0102030405060000a1b2');
  t.is(Buffer.from(nonceOf(0x0102_0304_0506)).toString('hex'), '000000000000010203040506');
});

test('B-03 OPEN takes lower-case words with hyphens and five priorities', t => {
  for (const kind of ['', '1', 'A', 'a b', 'ä', '-a', 'a_', 'a'.repeat(33), 'a\n']) t.false(isStreamKind(kind), kind);
  for (const kind of ['a', 'chat', 'screen-2', 'a'.repeat(32)]) t.true(isStreamKind(kind));
  t.throws(() => [...readStreamFrames(writeOpen(0, 5, 'chat'))], malformed);
  t.throws(() => [...readStreamFrames(writeOpen(0, 0, 'Chat'))], malformed);
  t.throws(() => [...readStreamFrames(writeDataHead(0, 0, true))], malformed);
});

test('B-03 attack: a SWITCH with a flag nobody knows, a seventeenth capability and a long one are refused', t => {
  const frame = writeControl({ type: 'switch', generation: 1, lossy: true, from: 2, next: 3 });
  frame[2] = 2;
  t.throws(() => readControl(frame), malformed);
  const credential = { payload: new Uint8Array(4), signature: new Uint8Array(64) };
  t.throws(() => writeFlight3({ credential, caps: Array.from({ length: 17 }, () => 'a') }), malformed);
  t.throws(() => parseFlight3(writeFlight3({ credential, caps: ['a'.repeat(33)] })), malformed);
});

test('F-05 the MAC of ATTACH covers every field: a change of any changes what it is over', t => {
  const begin = { linkId: new Uint8Array(16), attach: 1, generation: 2, next: 3, nonce: new Uint8Array(16) };
  const base = {
    sid: new Uint8Array(16),
    kind: 'relay' as const,
    begin,
    appletNext: 4,
    appletNonce: new Uint8Array(16),
  };
  const one = new Uint8Array(16).fill(1);
  const texts = [
    attachTranscript(1, base),
    attachTranscript(2, base),
    ...PATH_KINDS.slice(1).map(kind => attachTranscript(1, { ...base, kind })),
    attachTranscript(1, { ...base, sid: one }),
    attachTranscript(1, { ...base, appletNext: 5 }),
    attachTranscript(1, { ...base, appletNonce: one }),
    ...[{ linkId: one }, { attach: 9 }, { generation: 9 }, { next: 9 }, { nonce: one }].map(change =>
      attachTranscript(1, { ...base, begin: { ...begin, ...change } }),
    ),
  ].map(bytes => Buffer.from(bytes).toString('hex'));
  t.is(new Set(texts).size, texts.length);
});

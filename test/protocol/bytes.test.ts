import test from 'ava';
import fc from 'fast-check';
import { sessionIdFrom } from '../../appliance/guid.ts';
import {
  ByteReader,
  type Bytes,
  ByteWriter,
  concat,
  equalBytes,
  utf8Bytes,
  utf8Text,
  varintBytes,
} from '../../appliance/protocol/bytes.ts';
import { bytesOfLength, counters, decoderTests } from './decoder-rules.ts';

const SIZES = [1, 2, 4, 5, 6] as const;
const malformed = { code: 'protocol.malformed' };

decoderTests<number>('a varint', {
  parse: bytes => {
    const reader = new ByteReader(bytes);
    const value = reader.varint();
    reader.end();
    return value;
  },
  write: value => new ByteWriter().varint(value).done(),
  values: counters,
});

decoderTests<Bytes>('a block', {
  parse: bytes => {
    const reader = new ByteReader(bytes);
    const block = reader.block(100).slice();
    reader.end();
    return block;
  },
  write: value => new ByteWriter().block(value).done(),
  values: bytesOfLength(0, 100),
});

test('B-03 varints are those of RFC 9000 §16', t => {
  // RFC 9000 appendix A.1
  const examples: [string, number][] = [
    ['9d7f3e7d', 494_878_333],
    ['7bbd', 15_293],
    ['25', 37],
    ['4025', 37], // longer than it must be: QUIC reads it, and so do we
  ];
  for (const [hex, value] of examples) {
    const reader = new ByteReader(Uint8Array.from(Buffer.from(hex, 'hex')));
    t.is(reader.varint(), value);
  }
  const large = new ByteReader(Uint8Array.from(Buffer.from('c2197c5eff14e88c', 'hex'))); // beyond 2^53 − 1
  t.throws(() => large.varint(), malformed);
  t.is(varintBytes(2 ** 30 - 1), 4);
  t.throws(() => varintBytes(-1), malformed);
  t.throws(() => varintBytes(0.5), malformed);
});

test('B-03 numbers of fixed size are read as they were written, and what does not fit is not written', t => {
  fc.assert(
    fc.property(fc.constantFrom(...SIZES), fc.maxSafeNat(), (size, any) => {
      const value = any % 256 ** size;
      const bytes = new ByteWriter(1).uint(size, value).done();
      t.is(bytes.length, size);
      const reader = new ByteReader(bytes);
      t.is(reader.uint(size), value);
      t.is(reader.left, 0);
    }),
  );
  for (const size of SIZES) {
    t.throws(() => new ByteWriter().uint(size, 256 ** size), malformed);
    t.throws(() => new ByteWriter().uint(size, -1), malformed);
    t.throws(() => new ByteWriter().uint(size, 1.5), malformed);
  }
});

test('B-03 a reader never goes beyond its bytes, whatever it is asked for', t => {
  fc.assert(
    fc.property(
      bytesOfLength(0, 20),
      fc.array(fc.constantFrom('uint', 'varint', 'block', 'bytes', 'text')),
      (bytes, asks) => {
        const reader = new ByteReader(bytes);
        for (const ask of asks) {
          const before = reader.left;
          try {
            if (ask === 'uint') reader.uint(4);
            else if (ask === 'varint') reader.varint();
            else if (ask === 'bytes') t.is(reader.bytes(3).length, 3);
            else if (ask === 'block') reader.block(10);
            else reader.text(10);
          } catch (error) {
            t.is((error as { code?: string }).code, 'protocol.malformed');
            return;
          }
          t.true(reader.left < before && reader.left >= 0);
        }
      },
    ),
  );
});

test('B-03 text is UTF-8 to the letter: no broken, overlong or surrogate bytes, and a BOM stays', t => {
  for (const bad of ['ff', 'c080', 'eda080', 'f4908080', 'e282'])
    t.throws(() => utf8Text(Uint8Array.from(Buffer.from(bad, 'hex'))), malformed);
  t.is(utf8Text(utf8Bytes('\ufeffü€𝄞')), '\ufeffü€𝄞');
});

test('B-03 bytes are compared to the last one', t => {
  fc.assert(
    fc.property(bytesOfLength(1, 40), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, place, change) => {
      const other = bytes.slice();
      t.true(equalBytes(bytes, other));
      other[place % other.length] = (other[place % other.length] ?? 0) ^ change;
      t.false(equalBytes(bytes, other));
      t.false(equalBytes(bytes, concat(bytes, Uint8Array.of(0))));
    }),
  );
  t.is(sessionIdFrom(new Uint8Array(16)).length, 22);
});

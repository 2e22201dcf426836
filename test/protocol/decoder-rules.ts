// What every decoder of the protocol must do with what a peer may send. Decoders take whole messages, so "byte by byte"
// means each of a message's beginnings.
import test from 'ava';
import fc from 'fast-check';
import { ApplianceError } from '../../appliance/errors.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';

export interface Decoder<T> {
  readonly parse: (bytes: Bytes) => T;
  readonly write: (value: T) => Bytes;
  readonly values: fc.Arbitrary<T>;
  /** Whether a whole frame may stand where a message is cut: what is left is a shorter message then. */
  readonly cutsAreMessages?: boolean;
}

const RUNS = 200;
const OVERSIZED = [64 * 1024 + 1, 2 ** 20];

/** Ends well or with a refusal of the peer; anything else is our mistake. @returns the value, or undefined */
export function tried<T>(parse: (bytes: Bytes) => T, bytes: Bytes): T | undefined {
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof ApplianceError && error.kind === 'malformed') return undefined;
    throw error;
  }
}

/** Registers the rules for one decoder, each as a test. */
export function decoderTests<T>(name: string, { parse, write, values, cutsAreMessages = false }: Decoder<T>): void {
  test(`B-03 ${name}: what was written is read again`, t => {
    fc.assert(
      fc.property(values, value => {
        t.deepEqual(parse(write(value)), value);
      }),
      { numRuns: RUNS },
    );
  });

  test(`B-03 attack: ${name} cut at any length, or with a byte more, is refused or is a shorter message`, t => {
    fc.assert(
      fc.property(values, fc.nat(255), (value, extra) => {
        const whole = write(value);
        for (let length = 0; length < whole.length; length++) {
          const read = tried(parse, whole.slice(0, length));
          if (!cutsAreMessages) t.is(read, undefined, `${length} of ${whole.length} bytes`);
        }
        const longer = Uint8Array.from([...whole, extra]);
        const read = tried(parse, longer);
        if (!cutsAreMessages) t.is(read, undefined, 'one byte more');
      }),
      { numRuns: 20 },
    );
    t.pass();
  });

  test(`B-03 attack: ${name} with any bit flipped is refused or is another good message`, t => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(7), (value, place, bit) => {
        const bytes = write(value);
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        const read = tried(parse, bytes);
        if (read !== undefined) t.deepEqual(parse(write(read)), read);
      }),
      { numRuns: RUNS },
    );
    t.pass();
  });

  test(`B-03 attack: ${name} at random or far too long is refused or is a good message, and takes no time`, t => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        const read = tried(parse, Uint8Array.from(bytes));
        if (read !== undefined) t.deepEqual(parse(write(read)), read);
      }),
      { numRuns: RUNS },
    );
    for (const size of OVERSIZED) {
      for (const fill of [0, 0x7b, 0xff]) tried(parse, new Uint8Array(size).fill(fill));
      const [first] = fc.sample(values, 1);
      if (first === undefined) continue;
      const padded = new Uint8Array(size).fill(0x20);
      padded.set(write(first));
      if (!cutsAreMessages) t.is(tried(parse, padded), undefined);
    }
    t.pass();
  });
}

/** Bytes of their own, of that many. */
export function bytesOfLength(least: number, most = least): fc.Arbitrary<Bytes> {
  return fc.uint8Array({ minLength: least, maxLength: most }).map(bytes => Uint8Array.from(bytes));
}

/** Text without lone surrogates, of at most so many bytes of UTF-8. */
export function textOf(maxBytes: number, least = 0): fc.Arbitrary<string> {
  return fc
    .string({ unit: 'grapheme', minLength: least, maxLength: maxBytes })
    .filter(text => Buffer.byteLength(text) <= maxBytes && Buffer.byteLength(text) >= least);
}

export const names: fc.Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
/** Text of one line. */
export const lines: fc.Arbitrary<string> = fc
  .stringMatching(/^[A-Za-z0-9 äß€.-]{1,20}$/)
  .filter(text => text.length > 0);
export const safeIntegers: fc.Arbitrary<number> = fc.maxSafeNat();
/** Numbers of up to 48 bits, and those at the edges of a varint. */
export const counters: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 40, 2 ** 48, Number.MAX_SAFE_INTEGER),
);

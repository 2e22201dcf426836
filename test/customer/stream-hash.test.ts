// The hash of a recorded stream as a browser has it, against that of the runtime.
import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { newStreamHash } from '../../appliance/customer/stream-hash.ts';

test('H-03 however a stream is cut, and whenever it is asked for, its digest in a browser is SHA-256 of all that came', t => {
  const pieces = fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean()), { maxLength: 20 });
  fc.assert(
    fc.property(pieces, all => {
      const [ours, theirs] = [newStreamHash(), createHash('sha256')];
      for (const [bytes, isAsked] of all) {
        ours.add(Uint8Array.from(bytes));
        theirs.update(bytes);
        if (isAsked) t.deepEqual(ours.digest(), new Uint8Array(theirs.copy().digest()));
      }
      t.deepEqual(ours.digest(), new Uint8Array(theirs.digest()));
    }),
  );
});

test('H-03 a digest that is kept is not changed by what comes after it', t => {
  const hash = newStreamHash();
  hash.add(Uint8Array.of(1, 2, 3));
  const before = hash.digest();
  const kept = before.slice();
  hash.add(new Uint8Array(1000));
  hash.digest();
  t.deepEqual(before, kept);
});

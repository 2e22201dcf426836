import test from 'ava';
import fc from 'fast-check';
import { sessionGuidFrom } from '../../appliance/guid.ts';
import { concat } from '../../appliance/protocol/bytes.ts';
import {
  parseTag,
  parseTagBlob,
  type SessionTag,
  TAG_BLOB_SIZE,
  TAG_SIZE,
  tagMessage,
  writeTag,
  writeTagBlob,
  writeTagHead,
} from '../../appliance/protocol/tag.ts';
import { bytesOfLength, decoderTests } from './decoder-rules.ts';

interface WholeTag {
  readonly tag: SessionTag;
  readonly signature: Uint8Array<ArrayBuffer>;
}

const tags: fc.Arbitrary<WholeTag> = fc.record({
  tag: fc.record({
    guid: bytesOfLength(16).map(bytes => sessionGuidFrom(bytes)),
    expiresAt: fc.integer({ min: 0, max: 2 ** 40 - 1 }).map(seconds => seconds * 1000),
    language: fc.stringMatching(/^[a-z]{2}$/),
  }),
  signature: bytesOfLength(64),
});
const write = ({ tag, signature }: WholeTag) => writeTag(writeTagHead(tag), signature);
const only = ({ tag, signature }: WholeTag): WholeTag => ({ tag, signature: signature.slice() });

decoderTests<WholeTag>('a tag', { parse: bytes => only(parseTag(bytes)), write, values: tags });
decoderTests<WholeTag>('a blob with a tag', {
  parse: bytes => only(parseTagBlob(bytes)),
  write: tag => writeTagBlob(write(tag)),
  values: tags,
});

test('F-01 what the tag key signs is everything in the tag but the signature', t => {
  fc.assert(
    fc.property(tags, whole => {
      const bytes = write(whole);
      t.deepEqual(parseTag(bytes).message, tagMessage(bytes.slice(0, TAG_SIZE - 64)));
    }),
  );
});

test('F-01 attack: a blob holds a tag and zeroes, nothing a server, path or text could hide in', t => {
  const [whole] = fc.sample(tags, 1);
  if (whole === undefined) return t.fail();
  const good = writeTagBlob(write(whole));
  for (let at = TAG_SIZE; at < TAG_BLOB_SIZE; at++) {
    const bad = good.slice();
    bad[at] = 1;
    t.throws(() => parseTagBlob(bad), { code: 'protocol.malformed' });
  }
  t.throws(() => parseTagBlob(concat(good, Uint8Array.of(0))), { code: 'protocol.malformed' });
  t.throws(() => parseTagBlob(writeTagBlob()), { code: 'protocol.malformed' }); // still without a tag
});

import test from 'ava';
import fc from 'fast-check';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import {
  CLIPBOARD_FORMAT,
  type ClipboardMessage,
  formatsOf,
  type Provided,
  parseClipboardMessage,
  parseProvided,
  writeClipboardAsk,
  writeClipboardCaps,
  writeClipboardProvide,
  writeProvided,
} from '../../appliance/protocol/rfb-clipboard.ts';
import { bytesOfLength, decoderTests, textOf } from './decoder-rules.ts';

const formats = fc.nat(0xffff);
const messages: fc.Arbitrary<ClipboardMessage> = fc.oneof(
  fc.record({ type: fc.constant('caps' as const), formats }),
  fc.record({ type: fc.constantFrom('request' as const, 'peek' as const, 'notify' as const), formats }),
  fc.record({ type: fc.constant('provide' as const), formats, zlib: bytesOfLength(0, 50) }),
);

decoderTests('a clipboard message', {
  ...{ parse: parseClipboardMessage, values: messages },
  cutsAreMessages: true, // what stands behind a `provide` has no length of its own
  write: message => {
    if (message.type === 'provide') return writeClipboardProvide(message.formats, message.zlib);
    if (message.type !== 'caps') return writeClipboardAsk(message.type, message.formats);
    const bits = Array.from({ length: 16 }, (_, i) => 1 << i).filter(bit => (message.formats & bit) !== 0);
    return writeClipboardCaps(new Map(bits.map(bit => [bit, 7])));
  },
});

const PNG: Bytes = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const provided: fc.Arbitrary<Provided> = fc
  .record({
    text: fc.option(textOf(200).map(text => text.replaceAll(/[\r\0]/g, ''))),
    png: fc.option(bytesOfLength(0, 100).map(rest => concat(PNG, rest))),
  })
  .filter(({ text, png }) => text !== null || png !== null);

decoderTests('what a clipboard holds', {
  // The formats come in front of it in another message: here in two bytes.
  parse: bytes => parseProvided((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0), bytes.slice(2)),
  write: content => {
    const bits = formatsOf(content);
    return concat(Uint8Array.of(bits >> 8, bits & 255), writeProvided(content));
  },
  values: provided,
  cutsAreMessages: true,
});

test('E-04 text crosses with the line ends of the protocol, and has those of text again', t => {
  const wire = writeProvided({ text: 'a\r\nb\nc\rd', png: null });
  t.is(Buffer.from(wire.subarray(4)).toString(), 'a\r\nb\r\nc\r\nd\0');
  t.is(parseProvided(CLIPBOARD_FORMAT.text, wire).text, 'a\nb\nc\nd');
  const alone = writeProvided({ text: 'a_b', png: null }); // a peer that leaves a CR alone
  alone[alone.indexOf(0x5f)] = 0x0d;
  t.is(parseProvided(CLIPBOARD_FORMAT.text, alone).text, 'a\nb');
});

test('E-04 attack: formats nobody asked for are passed over, and a picture that is none is refused', t => {
  const html = Uint8Array.from([0, 0, 0, 2, 60, 62]);
  const text = writeProvided({ text: 'x', png: null });
  t.deepEqual(parseProvided(CLIPBOARD_FORMAT.text | 4, concat(text, html)), { text: 'x', png: null });
  const fake = concat(Uint8Array.of(0, 0, 0, 9), PNG.with(1, 0x51), Uint8Array.of(0));
  t.throws(() => parseProvided(CLIPBOARD_FORMAT.png, fake), { code: 'protocol.malformed' });
});

// Canonical JSON and what is written in it: chat, consent, signed objects, the applet's own leg.
import test from 'ava';
import fc from 'fast-check';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import {
  ATTACH_PURPOSES,
  type FromApplet,
  type FromAppliance,
  LEG_PLATFORMS,
  MAX_LEG_MESSAGE_BYTES,
  parseFromApplet,
  parseFromAppliance,
  writeLegMessage,
} from '../../appliance/protocol/applet-leg.ts';
import { type Bytes, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { type CanonicalValue, canonicalBytes, canonicalJson } from '../../appliance/protocol/canonical-json.ts';
import { type ChatMessage, MAX_LINE_BYTES, parseChat, writeChat } from '../../appliance/protocol/chat.ts';
import { type ConsentMessage, parseConsent, writeConsent } from '../../appliance/protocol/consent.ts';
import { Fields } from '../../appliance/protocol/fields.ts';
import { logSealAad } from '../../appliance/protocol/log-seal.ts';
import { parseCredential, parseGrant, parseLease, parseTime } from '../../appliance/protocol/signed.ts';
import { bytesOfLength, decoderTests, lines, names, safeIntegers, textOf } from './decoder-rules.ts';

const malformed = { code: 'protocol.malformed' };
const ids = bytesOfLength(16);
const keys = bytesOfLength(32);
const sids = ids.map(bytes => sessionIdFrom(bytes));
const kid = fc.stringMatching(/^[A-Za-z0-9_-]{16}$/);
const typed = <T extends string>(type: T) => fc.constant(type);
const record = <T extends string, F>(type: T, fields: { [K in keyof F]: fc.Arbitrary<F[K]> }) =>
  fc.record({ type: typed(type), ...fields }) as unknown as fc.Arbitrary<{ type: T } & F>;

const values = fc.letrec<{ value: CanonicalValue }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.boolean(),
    fc.maxSafeInteger().map(n => (n === 0 ? 0 : n)),
    textOf(20),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(textOf(8), tie('value'), { maxKeys: 4 }),
  ) as fc.Arbitrary<CanonicalValue>,
})).value;

test('B-02 canonical JSON has one text for one value, and JSON reads it as the same value', t => {
  fc.assert(
    fc.property(values, value => {
      const text = canonicalJson(value);
      t.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      t.is(canonicalJson(JSON.parse(text)), text);
    }),
  );
  t.is(canonicalJson({ b: 1, a: [true, 'ü'], '\u20ac': -0 }), '{"a":[true,"ü"],"b":1,"€":0}');
  // RFC 8785 §3.2.3: keys by UTF-16 code units
  t.is(
    canonicalJson({ '\ufb33': 1, '\ud83d\ude00': 2, '€': 3, '\r': 4, '1': 5 }),
    '{"\\r":4,"1":5,"€":3,"😀":2,"\ufb33":1}',
  );
});

test('B-02 attack: fractions, null, lone surrogates and too many levels have no canonical text', t => {
  const deep = (levels: number): CanonicalValue => (levels === 0 ? 1 : [deep(levels - 1)]);
  t.notThrows(() => canonicalJson(deep(16)));
  const bad: unknown[] = [0.5, Number.NaN, 2 ** 53, null, undefined, '\ud800', { '\udfff': 1 }, deep(17), () => 1, 1n];
  for (const value of bad) t.throws(() => canonicalJson(value as CanonicalValue), { code: 'canonical-json.unfit' });
});

test('B-02 attack: an object in any text but its canonical one is refused', t => {
  t.is(Fields.fromCanonical(utf8Bytes('{"a":1,"b":2}')).integer('a', 0), 1);
  const texts = ['{"b":2,"a":1}', '{"a": 1}', '{"a":1.0}', '{"a":1e0}', '{"a":1,"a":1}', '{"\\u0061":1}', '{"a":-0}'];
  const others = ['[]', '1', '"a"', 'null', '', '{', '{"a":null}', '\ufeff{}', '{}\n', '{"a":9007199254740993}'];
  for (const text of [...texts, ...others, `${'['.repeat(50_000)}`, `{"a":${'['.repeat(20)}${']'.repeat(20)}}`])
    t.throws(() => Fields.fromCanonical(utf8Bytes(text)), malformed, text.slice(0, 40));
  t.throws(() => Fields.fromCanonical(Uint8Array.of(0x7b, 0xff, 0x7d)), malformed);
});

test('B-02 fields are what their reader says, and nothing else may be there', t => {
  const fields = (value: CanonicalValue) => Fields.fromCanonical(canonicalBytes(value));
  t.throws(() => fields({ a: 1 }).end(), malformed);
  t.throws(() => fields({}).text('a', 9), malformed);
  t.throws(() => fields({ a: 'ü' }).text('a', 1), malformed); // bytes count, not characters
  for (const bad of ['', 'a\nb', 'a\u2028b', 'a\u0000', 'aa'])
    t.throws(() => fields({ a: bad }).line('a', 1), malformed);
  for (const bad of ['', 'A', '1', 'a b', `a${'b'.repeat(64)}`, 1])
    t.throws(() => fields({ a: bad }).name('a'), malformed);
  for (const bad of ['1', true, -1, 11]) t.throws(() => fields({ a: bad }).integer('a', 0, 10), malformed);
  for (const bad of ['', 'AA', 'AAAA', 'AA==', 'A', 'AB', 'A*', 1])
    t.throws(() => fields({ a: bad }).bytes('a', 2), malformed);
  t.deepEqual(fields({ a: 'AAA' }).bytes('a', 2), new Uint8Array(2));
  for (const bad of [['a', 'a'], ['A'], 'a', ['a', 'b', 'c'], [1]])
    t.throws(() => fields({ a: bad }).names('a', 2), malformed);
  for (const bad of ['', 'A'.repeat(22).slice(1), `${'A'.repeat(21)}B`])
    t.throws(() => fields({ a: bad }).sessionId('a'), malformed);
  t.throws(() => fields({ a: 'no' }).boolean('a'), malformed);
  t.throws(() => fields({ a: 'c' }).oneOf('a', ['a', 'b']), malformed);
  const proto = Fields.fromCanonical(utf8Bytes('{"__proto__":1}'));
  t.throws(() => proto.end(), malformed); // a name like any other
});

decoderTests<ChatMessage>('a chat message', {
  parse: parseChat,
  write: writeChat,
  values: fc.oneof(
    record('line', { id: ids, text: textOf(60, 1) }),
    record('received', { id: ids }),
    record('typing', { typing: fc.boolean() }),
  ),
});

test('E-03 a chat line has 1 to 8,192 bytes', t => {
  const line = (text: string): Bytes => writeChat({ type: 'line', id: new Uint8Array(16), text });
  t.notThrows(() => parseChat(line('ü'.repeat(MAX_LINE_BYTES / 2))));
  for (const text of ['', 'ü'.repeat(MAX_LINE_BYTES / 2 + 1), 'x'.repeat(MAX_LINE_BYTES + 1)])
    t.throws(() => parseChat(line(text)), malformed);
  t.throws(() => writeChat({ type: 'received', id: new Uint8Array(15) }), malformed);
});

decoderTests<ConsentMessage>('a consent message', {
  parse: parseConsent,
  write: writeConsent,
  values: fc.oneof(
    record('request', { request: ids, action: names, scope: textOf(40) }),
    record('asked', { request: ids, consent: ids }),
    record('answer', { request: ids, consent: ids, answer: typed('yes'), ttlMs: fc.integer({ min: 1, max: 1000 }) }),
    record('answer', { request: ids, consent: ids, answer: fc.constantFrom('no', 'silence'), ttlMs: fc.constant(0) }),
    record('started', { request: ids, grantNumber: fc.integer({ min: 1, max: 9999 }) }),
    record('end', { request: ids, by: fc.constantFrom('customer', 'technician', 'appliance', 'time'), reason: names }),
  ) as fc.Arbitrary<ConsentMessage>,
});

test('D-06 attack: a no that lasts, and a yes that does not, are no answers', t => {
  const base = { type: 'answer', request: new Uint8Array(16), consent: new Uint8Array(16) } as const;
  for (const [answer, ttlMs] of [
    ['no', 1],
    ['silence', 1000],
    ['yes', 0],
    ['yes', 12 * 3_600_000 + 1],
  ] as const)
    t.throws(() => parseConsent(writeConsent({ ...base, answer, ttlMs })), malformed);
});

const signedLimits = { payload: bytesOfLength(1, 100), signature: bytesOfLength(64) };
const apk = bytesOfLength(64, 128);
const fromApplet: { [T in FromApplet['type']]: fc.Arbitrary<unknown> } = {
  pin: record('pin', { pin: lines }),
  claim: record('claim', { token: keys, apk, platform: fc.constantFrom(...LEG_PLATFORMS), language: lines }),
  return: record('return', { token: keys, signature: bytesOfLength(64) }),
  ticket: record('ticket', { token: keys, ticket: keys, apk, platform: fc.constantFrom(...LEG_PLATFORMS) }),
  'ask-time': record('ask-time', { nonce: ids }),
  certify: record('certify', { spk: keys, nonce: ids }),
  'link-started': record('link-started', { linkId: ids, handshake: keys }),
  'ask-lease': record('ask-lease', { linkId: ids, nonce: ids }),
  report: record('report', signedLimits),
  receipt: record('receipt', signedLimits),
  attestation: record('attestation', signedLimits),
  stopped: record('stopped', { consent: ids }),
  codes: record('codes', { linkId: ids, match: fc.boolean() }),
  end: record('end', { reason: names }),
  alive: record('alive', {}),
};
const fromAppliance: { [T in FromAppliance['type']]: fc.Arbitrary<unknown> } = {
  challenge: record('challenge', { nonce: ids }),
  entered: record('entered', { sid: sids, guid: ids }),
  claimed: record('claimed', {
    sid: sids,
    organisation: textOf(60),
    silenceMs: fc.integer({ min: 1000, max: 600_000 }),
  }),
  refused: record('refused', { reason: names }),
  state: record('state', { state: names, technician: textOf(40) }),
  time: record('time', signedLimits),
  credential: record('credential', { ...signedLimits, policy: bytesOfLength(1, 60) }),
  'credential-refused': record('credential-refused', { reason: names }),
  lease: record('lease', signedLimits),
  'lease-refused': record('lease-refused', { reason: names }),
  acknowledged: record('acknowledged', { count: safeIntegers }),
  grant: record('grant', { consent: ids, ...signedLimits }),
  'grant-refused': record('grant-refused', { consent: ids, reason: names }),
  attach: record('attach', { gateway: lines, token: keys, purpose: fc.constantFrom(...ATTACH_PURPOSES) }),
  narrowed: record('narrowed', { policy: bytesOfLength(1, 60) }),
  revoked: record('revoked', { reason: names }),
  stop: record('stop', { reason: names }),
  compared: record('compared', { linkId: ids }),
  'claimed-twice': record('claimed-twice', {}),
  ended: record('ended', { reason: names, head: textOf(60) }),
  alive: record('alive', {}),
};

decoderTests<FromApplet>('what an applet says on its own leg', {
  parse: parseFromApplet,
  write: writeLegMessage,
  values: fc.oneof(...Object.values(fromApplet)) as fc.Arbitrary<FromApplet>,
});
decoderTests<FromAppliance>('what the appliance says on the leg', {
  parse: parseFromAppliance,
  write: writeLegMessage,
  values: fc.oneof(...Object.values(fromAppliance)) as fc.Arbitrary<FromAppliance>,
});

test('F-03 attack: neither side of the leg takes the words of the other, a foreign type, or more than 16 KiB', t => {
  t.throws(() => parseFromApplet(writeLegMessage({ type: 'claimed-twice' })), malformed);
  t.throws(() => parseFromAppliance(writeLegMessage({ type: 'end', reason: 'left' })), malformed);
  for (const type of ['toString', '__proto__', 'constructor', '', 'PIN'])
    t.throws(() => parseFromApplet(canonicalBytes({ type })), malformed);
  const padded = utf8Bytes(`{"type":"alive"${' '.repeat(MAX_LEG_MESSAGE_BYTES)}}`);
  t.throws(() => parseFromApplet(padded), malformed);
});

const credential = fc.record({
  ...{ role: typed('console'), sid: sids, spk: keys, sub: lines, nbf: safeIntegers, exp: safeIntegers },
  ...{
    features: fc.uniqueArray(names, { maxLength: 4 }),
    policy: keys,
    jti: ids,
    kid,
    nonce: ids,
    apk: fc.constant(null),
  },
});

/** As the signer writes it: bytes as base64url, and no field that is null. */
function signedBytes(type: string, value: object): Bytes {
  const entries = Object.entries(value).flatMap(([name, field]): [string, CanonicalValue][] => {
    if (field === null) return [];
    return [[name, field instanceof Uint8Array ? toBase64Url(field) : (field as CanonicalValue)]];
  });
  return canonicalBytes({ v: 1, type, ...Object.fromEntries(entries) });
}

const common = { sid: sids, linkId: ids, sub: lines, kid };
decoderTests('a credential', { parse: parseCredential, write: c => signedBytes('credential', c), values: credential });
decoderTests('a grant', {
  parse: parseGrant,
  write: grant => signedBytes('grant', grant),
  values: fc.record({
    ...{ ...common, handshake: keys, action: names, scope: textOf(40), consentId: ids },
    ttlMs: fc.integer({ min: 1, max: 1000 }),
  }),
});
decoderTests('a lease', {
  parse: parseLease,
  write: lease => signedBytes('lease', lease),
  values: fc.record({ ...common, counter: safeIntegers, nonce: ids, ttlMs: fc.integer({ min: 1, max: 60_000 }) }),
});
decoderTests('a signed time', {
  parse: parseTime,
  write: time => signedBytes('time', time),
  values: fc.record({ nonce: ids, time: safeIntegers, kid }),
});

test('D-04 attack: an object of one type is none of another, and a console has no signing key', t => {
  const [one] = fc.sample(credential, 1);
  const bytes = signedBytes('credential', { ...one });
  for (const parse of [parseGrant, parseLease, parseTime]) t.throws(() => parse(bytes), malformed);
  t.throws(() => parseCredential(signedBytes('lease', { ...one })), malformed);
  t.throws(() => parseCredential(signedBytes('credential', { ...one, apk: new Uint8Array(91) })), malformed);
  t.throws(() => parseCredential(signedBytes('credential', { ...one, role: 'applet' })), malformed);
  t.throws(() => parseCredential(signedBytes('credential', { ...one, role: 'auditor' })), malformed);
});

test('E-03 what seals a chat line to the log tells sessions and lines apart', t => {
  const [one, two] = [sessionIdFrom(new Uint8Array(16)), sessionIdFrom(new Uint8Array(16).fill(1))];
  const [first, second] = [toBase64Url(new Uint8Array(16)), toBase64Url(new Uint8Array(16).fill(1))];
  const all = [logSealAad(one, first), logSealAad(one, second), logSealAad(two, first)];
  t.is(new Set(all.map(bytes => Buffer.from(bytes).toString('hex'))).size, 3);
  t.true(all.every(bytes => bytes.length === 'log-seal-v1'.length + 1 + 32));
});

// Lines sealed for the log, opened by another implementation: node:crypto, as the portal has it.
import {
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { sealForLog } from '../../appliance/browser/log-seal.ts';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { logSealAad } from '../../appliance/protocol/log-seal.ts';
import { bytesOf } from '../link/support.ts';

const portal = generateKeyPairSync('x25519');
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
const logKey = bytesOf(portal.publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length));
const sessionId = sessionIdFrom(randomBytes(16));
const newLineId = () => toBase64Url(randomBytes(16));

function open(sealed: Uint8Array, id: string, session = sessionId): string {
  const ephemeral = sealed.subarray(0, 32);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_HEAD, ephemeral]), format: 'der', type: 'spki' });
  const shared = diffieHellman({ privateKey: portal.privateKey, publicKey });
  const key = Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, logKey]), 'log-seal-v1', 32));
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12));
  decipher.setAAD(logSealAad(session, id));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(32, -16)), decipher.final()]).toString('utf8');
}

test('G-01 B-03 the portal opens what a console has sealed, whatever the text', async t => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), async text => {
      const lineId = newLineId();
      t.is(open(await sealForLog(logKey, { sessionId, lineId, text }), lineId), text.toWellFormed());
    }),
    { numRuns: 25 },
  );
});

test('B-03 no two lines share a key, and nothing of the text stands in the sealed bytes', async t => {
  const line = { sessionId, lineId: newLineId(), text: 'marker-of-the-chat' };
  const [one, two] = await Promise.all([sealForLog(logKey, line), sealForLog(logKey, line)]);
  t.notDeepEqual(one.subarray(0, 32), two.subarray(0, 32));
  t.false(Buffer.from(one).includes('marker'));
});

test('B-03 attack: a sealed line moved to another session or id, or changed anywhere, does not open', async t => {
  const lineId = newLineId();
  const sealed = await sealForLog(logKey, { sessionId, lineId, text: 'hello' });
  t.throws(() => open(sealed, newLineId()));
  t.throws(() => open(sealed, lineId, sessionIdFrom(randomBytes(16))));
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    t.throws(() => open(changed, lineId));
  }
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { DhKeyPair, LinkCrypto } from '../../appliance/link/crypto.ts';
import { NoiseHandshake, type NoisePattern } from '../../appliance/link/noise.ts';
import { nonceOf } from '../../appliance/protocol/record.ts';
import { bytesOf, cryptoModes, fixedKeyPair, hex } from './support.ts';

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: readonly string[];
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
  readonly source: string;
}

const FILE = join(import.meta.dirname, '../fixtures/noise-xx-25519-aesgcm-sha256.json');
const { vectors } = JSON.parse(readFileSync(FILE, 'utf8')) as { vectors: readonly Vector[] };

/** The pairs of the vector work with every kind of cryptography: only what is secret is fixed. */
function start(crypto: LinkCrypto, vector: Vector, initiator: boolean): Promise<NoiseHandshake> {
  const pattern = vector.protocol_name.split('_')[1] as NoisePattern;
  const pair = (secret: string): DhKeyPair => fixedKeyPair(bytesOf(secret));
  return NoiseHandshake.start({
    ...{ crypto, pattern, initiator, prologue: bytesOf(vector.init_prologue) },
    psks: (vector.init_psks ?? []).map(bytesOf),
    staticKey: pair(initiator ? vector.init_static : vector.resp_static),
    ephemeralKey: pair(initiator ? vector.init_ephemeral : vector.resp_ephemeral),
  });
}

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  for (const vector of vectors) {
    test(`B-02 ${mode}: ${vector.protocol_name} as in ${vector.source}`, async t => {
      const crypto = makeCrypto();
      const sides = [await start(crypto, vector, true), await start(crypto, vector, false)] as const;
      for (const [i, message] of vector.messages.slice(0, 3).entries()) {
        const [writer, reader] = i % 2 === 0 ? sides : [sides[1], sides[0]];
        const written = await writer.write(bytesOf(message.payload));
        t.is(hex(written), message.ciphertext);
        t.is(hex(await reader.read(written)), message.payload);
      }
      const [initiator, responder] = [await sides[0].split(), await sides[1].split()];
      t.deepEqual(initiator, responder);
      if (vector.handshake_hash !== undefined) t.is(hex(initiator.handshakeHash), vector.handshake_hash);
      const counters = [0, 0];
      for (const [i, message] of vector.messages.slice(3).entries()) {
        // Messages go on in turn; the fourth is the responder's.
        const side = i % 2 === 0 ? 1 : 0;
        const key = await crypto.aeadKey(side === 0 ? initiator.initiatorKey : initiator.responderKey);
        const nonce = nonceOf(counters[side] ?? 0);
        counters[side] = (counters[side] ?? 0) + 1;
        const sealed = await key.seal(nonce, new Uint8Array(0), [bytesOf(message.payload)], 0);
        t.is(hex(sealed), message.ciphertext);
      }
    });
  }
}

test('B-02 the vectors cover every pattern but the one that has none', t => {
  const covered = new Set(vectors.map(({ protocol_name: name }) => name.split('_')[1]));
  t.deepEqual([...covered].sort(), ['XX', 'XXpsk0+psk1', 'XXpsk3']);
});

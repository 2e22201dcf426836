// The key schedule after the handshake.
//   A→C secret 0 = first key of Noise Split      C→A secret 0 = second key
//   secret e+1 = Expand(secret e, "link-v1 rekey")        record key e = Expand(secret e, "link-v1 record")
//   export = HKDF(salt = ck, input = h, "link-v1 export")
//   K_res = Expand(export, "link-v1 resume")              K_att = Expand(export, "link-v1 control")
//   control key = Expand(K_att, "link-v1 attachment", attach 6, direction 1)
import { type Bytes, ByteWriter } from '../protocol/bytes.ts';
import { DIRECTION, type Direction } from '../protocol/record.ts';
import { type AeadKey, expand, hkdf, type Later, type LinkCrypto, whenReady } from './crypto.ts';
import type { NoiseResult } from './noise.ts';

export interface LinkKeys {
  readonly secrets: Readonly<Record<Direction, Bytes>>;
  /** K_res. */
  readonly resume: Bytes;
  /** K_att. */
  readonly control: Bytes;
}

/** Everything in `noise` but the handshake hash is used up. */
export async function linkKeys(crypto: LinkCrypto, noise: NoiseResult): Promise<LinkKeys> {
  const exported = await hkdf(crypto, noise.chainingKey, noise.handshakeHash, 'link-v1 export');
  const resume = await expand(crypto, exported, 'link-v1 resume');
  const control = await expand(crypto, exported, 'link-v1 control');
  exported.fill(0);
  noise.chainingKey.fill(0);
  const secrets = {
    [DIRECTION.appletToConsole]: noise.initiatorKey,
    [DIRECTION.consoleToApplet]: noise.responderKey,
  };
  return { secrets, resume, control };
}

export function controlKey(crypto: LinkCrypto, control: Bytes, attach: number, direction: Direction): Later<AeadKey> {
  const context = new ByteWriter(7).uint(6, attach).uint(1, direction).done();
  return whenReady(expand(crypto, control, 'link-v1 attachment', context), key => crypto.aeadKey(key));
}

/** One epoch of one direction. */
export interface EpochKeys {
  readonly epoch: number;
  readonly secret: Later<Bytes>;
  readonly key: Later<AeadKey>;
}

export function firstEpoch(crypto: LinkCrypto, secret: Later<Bytes>, epoch = 0): EpochKeys {
  const derive = (from: Bytes) => whenReady(expand(crypto, from, 'link-v1 record'), key => crypto.aeadKey(key));
  return { epoch, secret, key: whenReady(secret, derive) };
}

export function nextEpoch(crypto: LinkCrypto, current: EpochKeys): EpochKeys {
  const secret = whenReady(current.secret, from => expand(crypto, from, 'link-v1 rekey'));
  return firstEpoch(crypto, secret, current.epoch + 1);
}

/** Whatever was asked of the keys before still gets done. */
export function eraseEpoch({ secret, key }: EpochKeys): Later<void> {
  const erased = whenReady(key, aead => aead.erase());
  return whenReady(erased, () => whenReady(secret, bytes => void bytes.fill(0)));
}

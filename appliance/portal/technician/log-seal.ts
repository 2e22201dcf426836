// The portal's end of protocol/log-seal.ts: a pair of keys for one start of the portal, which opens what consoles seal to it.
import { createDecipheriv, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { ApplianceError } from '../../errors.ts';
import { fromBase64Url, type SessionId } from '../../guid.ts';
import { MAX_LINE_BYTES } from '../../protocol/chat.ts';
import {
  LOG_SEAL_KEY_BYTES,
  LOG_SEAL_LABEL,
  LOG_SEAL_NONCE,
  LOG_SEAL_OVERHEAD_BYTES,
  logSealAad,
} from '../../protocol/log-seal.ts';

const TAG_BYTES = 16;
/** What stands before the 32 bytes of an X25519 public key in its SPKI (RFC 8410 §4). */
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex');

export class LogSeal {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    this.publicKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(SPKI_HEAD.length);
    this.#privateKey = privateKey;
  }

  /** @param sealed base64url; @throws ApplianceError `chat.not-sealed` for anything but a line of that id sealed to us */
  open(sessionId: SessionId, lineId: string, sealed: string): string {
    try {
      const bytes = fromBase64Url(sealed);
      if (bytes.length > MAX_LINE_BYTES + LOG_SEAL_OVERHEAD_BYTES) throw new RangeError('too long');
      const ephemeral = bytes.subarray(0, LOG_SEAL_KEY_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', this.#key(ephemeral), LOG_SEAL_NONCE);
      decipher.setAAD(logSealAad(sessionId, lineId));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = Buffer.concat([decipher.update(bytes.subarray(LOG_SEAL_KEY_BYTES, -TAG_BYTES)), decipher.final()]);
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain);
    } catch (cause) {
      throw new ApplianceError('malformed', 'chat.not-sealed', 'that line is not sealed to this portal', {
        hint: 'The key is new with each start of the portal: the console asks for it again by itself.',
        cause,
      });
    }
  }

  // A point of low order makes OpenSSL refuse: the secret would be zero.
  #key(ephemeral: Uint8Array): Uint8Array {
    const spki = Buffer.concat([SPKI_HEAD, ephemeral]);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const shared = diffieHellman({ privateKey: this.#privateKey, publicKey });
    const salt = Buffer.concat([ephemeral, this.publicKey]);
    return new Uint8Array(hkdfSync('sha256', shared, salt, LOG_SEAL_LABEL, 32));
  }
}

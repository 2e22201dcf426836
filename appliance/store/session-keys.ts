// A key per support session (B-05), in a file of its own that no general backup holds. What is sealed under it — chat
// lines, custom fields — can be read by nobody once the key is destroyed. AES-256-GCM (NIST SP 800-38D), random nonces:
// far fewer than 2^32 messages are sealed under one session's key.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { ErasureLedger } from './erasure-ledger.ts';
import type { DatabaseFile } from './sqlite/database-file.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_CACHED_KEYS = 1000;

export class SessionKeys {
  readonly #database: DatabaseFile;
  readonly #keyEncryptionKey: Uint8Array;
  readonly #clock: Clock;
  readonly #ledger: ErasureLedger;
  readonly #cache = new Map<SessionId, Uint8Array>();
  /** In the ledger: their destruction has begun at least, and nothing is opened for them any more. */
  readonly #erased: Set<SessionId>;
  readonly #copies: ((sessionId: SessionId) => Promise<void>)[] = [];

  /** @param erased what the ledger says is destroyed */
  constructor(
    database: DatabaseFile,
    keyEncryptionKey: Uint8Array,
    clock: Clock,
    { ledger, erased }: { readonly ledger: ErasureLedger; readonly erased: ReadonlySet<SessionId> },
  ) {
    this.#database = database;
    this.#keyEncryptionKey = keyEncryptionKey;
    this.#clock = clock;
    this.#ledger = ledger;
    this.#erased = new Set(erased);
  }

  /** Whose keys were destroyed, ever. */
  get erased(): ReadonlySet<SessionId> {
    return this.#erased;
  }

  /** Before anything is opened: a key that a copy of the file brought back, or a kill left, goes again. */
  async applyLedger(): Promise<void> {
    const ids = JSON.stringify([...this.#erased]);
    const { changes } = await this.#database.transaction(tx =>
      tx.run('DELETE FROM session_key WHERE session_id IN (SELECT value FROM json_each(?))', [ids]),
    );
    if (changes > 0) await this.#database.checkpoint();
  }

  /** Makes the session's key and commits it. To be called before the session's own row is written. */
  async create(sessionId: SessionId): Promise<void> {
    const key = randomBytes(KEY_BYTES);
    const wrapped = encrypt(this.#keyEncryptionKey, sessionId, key);
    await this.#database.transaction(tx =>
      tx.run('INSERT INTO session_key (session_id, wrapped, created_at) VALUES (?, ?, ?)', [
        sessionId,
        wrapped,
        this.#clock.now(),
      ]),
    );
    this.#remember(sessionId, key);
  }

  /**
   * @param aad what the sealed bytes belong to; the same text opens them
   * @returns nonce (12 bytes), ciphertext, tag (16 bytes)
   * @throws ApplianceError `session-key.destroyed`
   */
  async seal(sessionId: SessionId, aad: string, plain: Uint8Array): Promise<Uint8Array> {
    return encrypt(await this.#key(sessionId), aad, plain);
  }

  /** @throws ApplianceError `session-key.destroyed`, `session-key.tampered` */
  async open(sessionId: SessionId, aad: string, sealed: Uint8Array): Promise<Uint8Array> {
    return decrypt(await this.#key(sessionId), aad, sealed);
  }

  /** @param erase takes away what was made of opened bytes; called before the key is gone, so that a kill leaves none behind */
  keepCopies(erase: (sessionId: SessionId) => Promise<void>): void {
    this.#copies.push(erase);
  }

  /**
   * Destroys the key for good: entered in the ledger, overwritten in the file, and gone from its write-ahead log; before it, what
   * was made of what it opened. Where that fails, it is to be called again.
   */
  async destroy(sessionId: SessionId): Promise<void> {
    if (!this.#erased.has(sessionId)) this.#ledger.append({ sessionId, at: this.#clock.now() });
    this.#erased.add(sessionId);
    this.#cache.get(sessionId)?.fill(0);
    this.#cache.delete(sessionId);
    for (const erase of this.#copies) await erase(sessionId);
    await this.#database.transaction(tx => tx.run('DELETE FROM session_key WHERE session_id = ?', [sessionId]));
    await this.#database.checkpoint();
  }

  async #key(sessionId: SessionId): Promise<Uint8Array> {
    if (this.#erased.has(sessionId)) throw destroyed();
    const cached = this.#cache.get(sessionId);
    if (cached !== undefined) return cached;
    const row = await this.#database.read.get('SELECT wrapped FROM session_key WHERE session_id = ?', [sessionId]);
    const wrapped = row?.wrapped;
    if (!(wrapped instanceof Uint8Array) || this.#erased.has(sessionId)) throw destroyed();
    const key = decrypt(this.#keyEncryptionKey, sessionId, wrapped);
    this.#remember(sessionId, key);
    return key;
  }

  #remember(sessionId: SessionId, key: Uint8Array): void {
    this.#cache.set(sessionId, key);
    const [oldest] = this.#cache;
    if (oldest !== undefined && this.#cache.size > MAX_CACHED_KEYS) this.#cache.delete(oldest[0]);
  }
}

function destroyed(): ApplianceError {
  return new ApplianceError('missing', 'session-key.destroyed', 'the key of that session was destroyed');
}

function encrypt(key: Uint8Array, aad: string, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(aad, 'utf8'));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, aad: string, sealed: Uint8Array): Uint8Array {
  const tampered = (cause?: unknown) =>
    new ApplianceError('malformed', 'session-key.tampered', 'sealed bytes did not open', { cause });
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw tampered();
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(aad, 'utf8'));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw tampered(cause);
  }
}

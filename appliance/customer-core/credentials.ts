// The applet's credential for a handshake, asked for on its own leg, and the policy that comes with it. The policy holds by
// its SHA-256 in the credential; it is put in force with the link the credential made, never before.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { checkCredential, type PinnedKey } from '../link/credential-check.ts';
import type { LinkCrypto } from '../link/crypto.ts';
import type { FromApplet, FromAppliance } from '../protocol/applet-leg.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import type { Signed } from '../protocol/signed.ts';
import { type Narrowing, narrow, parsePolicy } from './narrowing.ts';

const NONCE_BYTES = 16;
/** Less than the handshake has. */
const ANSWER_MS = 8000;

type CredentialMessage = Extract<FromAppliance, { type: 'credential' }>;

export interface CredentialsOptions {
  readonly clock: Clock;
  readonly crypto: LinkCrypto;
  readonly sid: SessionId;
  readonly keys: readonly PinnedKey[];
  /** The applet's own signing key, SPKI. */
  readonly spki: Bytes;
  readonly trustedNow: () => number;
  /** @returns false when there is no leg */
  readonly send: (message: FromApplet) => boolean;
}

export type CredentialPurpose = 'handshake' | 'renewal';

interface Asked {
  readonly purpose: CredentialPurpose;
  readonly nonce: Bytes;
  readonly staticKey: Bytes;
  readonly cancel: Cancel;
  readonly resolve: (signed: Signed) => void;
  readonly reject: (error: ApplianceError) => void;
  /** What was taken away since it was asked for: the answer may have been made before. */
  notice: Narrowing | null;
}

export class Credentials {
  readonly #options: CredentialsOptions;
  #asked: Asked | null = null;
  #policy: Narrowing | null = null;
  /** Of the last credential. */
  #staticKey: Bytes | null = null;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  /** What the last credential allows. */
  get policy(): Narrowing | null {
    return this.#policy;
  }

  /** What the last credential was made for. */
  get staticKey(): Bytes | null {
    return this.#staticKey;
  }

  get isAsking(): CredentialPurpose | null {
    return this.#asked?.purpose ?? null;
  }

  /**
   * What was asked for before is dropped.
   * @throws ApplianceError `credential.refused`, `credential.unavailable`
   */
  async certify(staticKey: Bytes, purpose: CredentialPurpose): Promise<Signed> {
    this.#drop(unavailable('another one is asked for'));
    const nonce = this.#options.crypto.randomBytes(NONCE_BYTES);
    if (!this.#options.send({ type: 'certify', spk: staticKey, nonce })) throw unavailable('no leg to the appliance');
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(ANSWER_MS, () => this.#drop(unavailable('no answer')));
      this.#asked = { purpose, nonce, staticKey, cancel, resolve, reject, notice: null };
    });
  }

  /** @throws ApplianceError for anything but the answer to what was asked */
  async accept({ payload, signature, policy }: CredentialMessage): Promise<void> {
    const { crypto, sid, keys, spki, trustedNow } = this.#options;
    const asked = this.#asked;
    if (asked === null) throw refused('nobody asked');
    const expected = { sid, keys, role: 'applet', staticKey: asked.staticKey, now: trustedNow() } as const;
    const credential = await checkCredential(crypto, { payload, signature }, expected);
    if (!equalBytes(credential.nonce, asked.nonce)) throw refused('not the answer to what was asked');
    if (credential.apk === null || !equalBytes(credential.apk, spki)) throw refused('another signing key');
    if (!equalBytes(await crypto.sha256(policy), credential.policy)) throw refused('another policy than it names');
    if (this.#asked !== asked) throw refused('too late');
    this.#staticKey = asked.staticKey;
    const signed = parsePolicy(policy); // the appliance's word: it stands in what was signed
    this.#policy = asked.notice === null ? signed : narrow(signed, asked.notice);
    this.#asked = null;
    asked.cancel();
    asked.resolve({ payload, signature });
  }

  /** The appliance makes none. */
  refuse(): void {
    this.#drop(refused('the appliance makes none'));
  }

  narrowed(policy: Narrowing): void {
    if (this.#policy !== null) this.#policy = narrow(this.#policy, policy);
    const asked = this.#asked;
    if (asked !== null) asked.notice = asked.notice === null ? policy : narrow(asked.notice, policy);
  }

  close(): void {
    this.#drop(unavailable('the session has ended'));
  }

  #drop(error: ApplianceError): void {
    const asked = this.#asked;
    this.#asked = null;
    asked?.cancel();
    asked?.reject(error);
  }
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'credential.refused', why);
}

function unavailable(why: string): ApplianceError {
  return new ApplianceError('unavailable', 'credential.unavailable', why);
}

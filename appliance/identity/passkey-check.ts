// Asks for a passkey and checks what comes back (C-03). The signature is checked before the transaction, which must not
// wait for it; that the passkey is still there, whose it is and its counter are looked at inside.
import type { AuditLog } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { actorOf } from './login-book.ts';
import type { KnownMember } from './member-store.ts';
import { type PasskeyPlace, PasskeyPolicy } from './passkey.ts';
import { type Asked, checkAssertion, parseAssertion } from './passkey-answers.ts';
import { CHALLENGE_MS, type ChallengePurpose, PasskeyChallenges } from './passkey-challenges.ts';
import { findPasskeyByCredential, listPasskeys, type StoredPasskey, usePasskey } from './passkey-store.ts';

export const PASSKEY_POLICY_SETTING = 'identity.passkey-policy';

/** For `navigator.credentials.get`, binary values in base64url (WebAuthn §5.5). */
export interface PasskeyRequest {
  readonly challenge: string;
  readonly rpId: string;
  readonly timeout: number;
  readonly userVerification: 'required' | 'preferred';
  /** Empty: whichever of its passkeys the person chooses. Nothing is told of who has one. */
  readonly allowCredentials: readonly { type: 'public-key'; id: string; transports: readonly string[] }[];
}

/** What came of an answer; to be accepted inside the act's transaction. */
export interface PasskeyProof {
  readonly purpose: ChallengePurpose;
  /** Undefined when no member has that passkey. */
  readonly passkey: StoredPasskey | undefined;
  /** Undefined when the answer proves nothing. */
  readonly counter: number | undefined;
}

export interface PasskeyAnswer {
  /** JSON as the page made it. */
  readonly answer: string;
  /** Of the page, as the request says. */
  readonly origin: string;
}

export interface PasskeyCheckOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Of our pages. */
  readonly origins: readonly string[];
}

export class PasskeyCheck {
  readonly challenges: PasskeyChallenges;
  readonly #parts: PasskeyCheckOptions;

  constructor(parts: PasskeyCheckOptions) {
    this.#parts = parts;
    this.challenges = new PasskeyChallenges(parts.clock);
  }

  /** @returns undefined where passkeys don't work: under an address, or a name that isn't configured */
  findPlace(origin: string): PasskeyPlace | undefined {
    return this.#parts.origins.includes(origin) ? { origin, rpId: new URL(origin).hostname } : undefined;
  }

  /** @throws ApplianceError `passkey.no-place` */
  place(origin: string): PasskeyPlace {
    const place = this.findPlace(origin);
    if (place !== undefined) return place;
    throw new ApplianceError('refused', 'passkey.no-place', 'passkeys do not work under this address', {
      hint: `Open the page under a name of the appliance: ${this.#parts.origins.join(', ') || 'none is configured'}.`,
    });
  }

  async policy(from: Reader = this.#parts.store.core.read): Promise<PasskeyPolicy> {
    return (
      (await this.#parts.store.settings.get(PASSKEY_POLICY_SETTING, PasskeyPolicy, from)) ?? { aloneAllowed: false }
    );
  }

  /**
   * @param holder login or browser the challenge is bound to
   * @param memberId whose passkeys may answer; null before a name was proven
   * @throws ApplianceError `passkey.no-place`
   */
  async ask(
    purpose: ChallengePurpose,
    holder: string,
    origin: string,
    memberId: string | null,
  ): Promise<PasskeyRequest> {
    const { rpId } = this.place(origin);
    const all = memberId === null ? [] : await listPasskeys(this.#parts.store.core.read, memberId);
    const here = all.filter(one => one.rpId === rpId);
    return {
      challenge: this.challenges.give(purpose, holder),
      rpId,
      timeout: CHALLENGE_MS,
      // Beside a password a key without a PIN is a whole second factor; alone it must verify who holds it.
      userVerification: purpose === 'alone' ? 'required' : 'preferred',
      allowCredentials: here.map(describe),
    };
  }

  /**
   * Uses up the holder's challenge, whatever the answer is worth.
   * @throws ApplianceError `passkey.too-late`, `passkey.no-answer`, `passkey.answer-malformed`, `passkey.no-place`
   */
  async prove(purpose: ChallengePurpose, holder: string, { answer, origin }: PasskeyAnswer): Promise<PasskeyProof> {
    const place = this.place(origin);
    const assertion = parseAssertion(answer);
    const asked: Asked = { ...place, challenge: this.take(purpose, holder) };
    const credentialId = Buffer.from(assertion.id, 'base64url');
    const passkey = await findPasskeyByCredential(this.#parts.store.core.read, credentialId);
    const { userHandle } = assertion.response;
    // Who is not named yet is named by the passkey itself, under its signature's key (§7.2 step 6).
    const isNamed = userHandle == null ? purpose !== 'alone' : userHandle === passkey?.memberId;
    if (passkey === undefined || passkey.rpId !== place.rpId || !isNamed)
      return { purpose, passkey, counter: undefined };
    return { purpose, passkey, counter: await checkAssertion(assertion, passkey, asked, purpose === 'alone') };
  }

  /** @throws ApplianceError `passkey.too-late` */
  take(purpose: ChallengePurpose, holder: string): string {
    const challenge = this.challenges.take(purpose, holder);
    if (challenge !== undefined) return challenge;
    throw new ApplianceError('conflict', 'passkey.too-late', 'that took too long, or was sent twice; try again');
  }

  /** Accepts a proof for this member, and keeps its counter. */
  async accept(tx: Transaction, { member }: KnownMember, proof: PasskeyProof, source: string): Promise<boolean> {
    const { audit, clock } = this.#parts;
    const { passkey, counter, purpose } = proof;
    if (passkey?.memberId !== member.id || counter === undefined) return false;
    // Read again: it may have been removed or used since.
    const now = await findPasskeyByCredential(tx, passkey.credentialId);
    if (now?.id !== passkey.id || now.memberId !== member.id) return false;
    const actor = actorOf(member, source);
    if ((counter > 0 || now.counter > 0) && counter <= now.counter) {
      const detail = { passkey: now.id, before: now.counter, given: counter };
      await audit.append(tx, { event: 'passkey.counter-went-back', actor, subject: member.id, detail });
      return false;
    }
    await usePasskey(tx, now.id, counter, clock.now());
    await audit.append(tx, { event: 'passkey.used', actor, subject: member.id, detail: { passkey: now.id, purpose } });
    return true;
  }
}

export function describe({ credentialId, transports }: StoredPasskey) {
  return { type: 'public-key' as const, id: Buffer.from(credentialId).toString('base64url'), transports };
}

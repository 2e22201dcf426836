// A member's passkeys: adding, naming and removing them, and whether one may stand alone (C-03).
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { requireSeen } from '../store/seen.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { LockOut } from './lock-out.ts';
import { type IssuedLogin, type Login, stageAfterTwoStep } from './login.ts';
import { type Act, actorOf, type LoginBook, refusedLogin } from './login-book.ts';
import { findLogin } from './login-store.ts';
import { findMember, type KnownMember, replaceRecoveryCodes } from './member-store.ts';
import { MAX_PASSKEYS, type Passkey, PasskeyPolicy, parsePasskeyName } from './passkey.ts';
import { ALGORITHMS, checkRegistration, parseRegistration } from './passkey-answers.ts';
import { CHALLENGE_MS } from './passkey-challenges.ts';
import { describe, PASSKEY_POLICY_SETTING, type PasskeyAnswer, type PasskeyCheck } from './passkey-check.ts';
import { deletePasskey, insertPasskey, listPasskeys, renamePasskey, type StoredPasskey } from './passkey-store.ts';
import type { Passwords } from './passwords.ts';
import type { SecondStep } from './second-step.ts';
import type { StepUp } from './step-up.ts';

export interface PasskeysOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly passwords: Passwords;
  readonly secondStep: SecondStep;
  readonly passkeyCheck: PasskeyCheck;
  readonly stepUp: StepUp;
  readonly organisation: string;
}

export class Passkeys {
  readonly #parts: PasskeysOptions;

  constructor(parts: PasskeysOptions) {
    this.#parts = parts;
  }

  /** @returns oldest first */
  async list(memberId: string): Promise<Passkey[]> {
    const stored = await listPasskeys(this.#parts.store.core.read, memberId);
    return stored.map(({ id, name, rpId, createdAt, lastUsedAt }) => ({ id, name, rpId, createdAt, lastUsedAt }));
  }

  /** Whether the member has one that answers a page of this origin. */
  async answersAt(memberId: string, origin: string): Promise<boolean> {
    const place = this.#parts.passkeyCheck.findPlace(origin);
    return place !== undefined && (await this.list(memberId)).some(({ rpId }) => rpId === place.rpId);
  }

  /** Whether passkeys work on pages of this origin at all. */
  areAt(origin: string): boolean {
    return this.#parts.passkeyCheck.findPlace(origin) !== undefined;
  }

  /** Whether a page of this origin may offer to sign in with a passkey alone. */
  async mayStandAloneAt(origin: string): Promise<boolean> {
    const { passkeyCheck } = this.#parts;
    return passkeyCheck.findPlace(origin) !== undefined && (await passkeyCheck.policy()).aloneAllowed;
  }

  policy(): Promise<PasskeyPolicy> {
    return this.#parts.passkeyCheck.policy();
  }

  /** @throws ApplianceError `identity.not-allowed`, `changed-meanwhile` */
  async setPolicy(actor: Actor, policy: PasskeyPolicy, seen?: string): Promise<void> {
    const { store, audit, passkeyCheck } = this.#parts;
    const after = PasskeyPolicy.parse(policy);
    await store.core.transaction(async tx => {
      await requireMasterAdmin(tx, actor);
      const before = await passkeyCheck.policy(tx);
      requireSeen(before, seen);
      const detail = { before: JSON.stringify(before), after: JSON.stringify(after) };
      await store.settings.set(tx, PASSKEY_POLICY_SETTING, after);
      await audit.append(tx, { event: 'passkey-policy.changed', actor, detail });
    });
  }

  /**
   * Asks the browser for a new one.
   * @returns options for `navigator.credentials.create`, binary values in base64url (WebAuthn §5.4)
   * @throws ApplianceError `step-up.needed`, `passkey.too-many`, `passkey.no-place`
   */
  async begin(login: Login, origin: string) {
    const { store, passkeyCheck, organisation } = this.#parts;
    const { rpId } = passkeyCheck.place(origin);
    const { known, stored } = await this.#requireRoom(store.core.read, login);
    const { id, loginId, name } = known.member;
    return {
      challenge: passkeyCheck.challenges.give('register', login.id),
      rp: { id: rpId, name: organisation || 'Remote support' },
      // The member's id says nothing of him, as WebAuthn §14.6.1 asks.
      user: { id, name: loginId, displayName: name },
      pubKeyCredParams: ALGORITHMS.map(alg => ({ type: 'public-key', alg })),
      timeout: CHALLENGE_MS,
      attestation: 'none',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      excludeCredentials: stored.map(describe),
    };
  }

  /**
   * Adds what the browser made; the login gets a new token, and steps up when that was its stage. All other logins end.
   * @returns ten recovery codes when it is the member's first second step, to be shown once; else none
   * @throws ApplianceError `step-up.needed`, `passkey.…`, `login.refused`
   */
  async add(
    login: Login,
    { name: typed, answer, origin }: PasskeyAnswer & { readonly name: string },
  ): Promise<IssuedLogin & { recoveryCodes: string[] }> {
    const { passkeyCheck, clock } = this.#parts;
    const name = parsePasskeyName(typed);
    const place = passkeyCheck.place(origin);
    const registration = parseRegistration(answer);
    const asked = { ...place, challenge: passkeyCheck.take('register', login.id) };
    const made = await checkRegistration(registration, asked);
    const passkey: StoredPasskey = {
      ...made,
      id: randomBytes(16).toString('base64url'),
      memberId: login.memberId,
      rpId: place.rpId,
      name,
      createdAt: clock.now(),
      lastUsedAt: null,
    };
    return this.#parts.book.act(act => this.#insert(act, login, passkey));
  }

  /** @throws ApplianceError `passkey.missing`, `passkey.name-malformed` */
  async rename(login: Login, id: string, typed: string): Promise<void> {
    const name = parsePasskeyName(typed);
    const { store } = this.#parts;
    await store.core.transaction(async tx => {
      const known = await this.#getHolder(tx, login);
      const passkey = await getOwn(tx, known, id);
      if (passkey.name === name) return;
      await renamePasskey(tx, id, name);
      await this.#tell(tx, known, login, 'passkey.renamed', { passkey: id, before: passkey.name, after: name });
    });
  }

  /** Ends all other logins. @throws ApplianceError `step-up.needed`, `passkey.missing`, `two-step.required` */
  remove(login: Login, id: string): Promise<void> {
    const { book, stepUp } = this.#parts;
    return book.act(async act => {
      const known = await this.#getHolder(act.tx, login);
      await stepUp.require(login.id, act.tx);
      const passkey = await getOwn(act.tx, known, id);
      const { member } = known;
      const isLast = member.passkeys === 1 && !member.hasAuthenticatorApp;
      if (isLast && member.twoStepRequired) {
        throw new ApplianceError('refused', 'two-step.required', 'a master admin requires two-step of you', {
          hint: 'Set up an authenticator app or another passkey first.',
        });
      }
      await deletePasskey(act.tx, id);
      if (isLast) await replaceRecoveryCodes(act.tx, member.id, []);
      await this.#tell(act.tx, known, login, 'passkey.removed', { passkey: id, name: passkey.name });
      await book.endAll(act, member.id, 'two-step-changed', actorOf(member, login.address), login.id);
    });
  }

  async #insert(act: Act, login: Login, passkey: StoredPasskey): Promise<IssuedLogin & { recoveryCodes: string[] }> {
    const { book, passwords, secondStep, lockOut } = this.#parts;
    const { known } = await this.#requireRoom(act.tx, login);
    const { member } = known;
    await insertUnique(act.tx, passkey);
    const recoveryCodes = member.twoStepEnrolled ? [] : await secondStep.renewCodes(act.tx, member.id);
    await this.#tell(act.tx, known, login, 'passkey.added', { passkey: passkey.id, name: passkey.name });
    await book.endAll(act, member.id, 'two-step-changed', actorOf(member, login.address), login.id);
    const passwordDue = passwords.isDue(member, await passwords.policy(act.tx));
    const to = login.stage === 'full' ? 'full' : stageAfterTwoStep({ ...member, twoStepEnrolled: true, passwordDue });
    if (to === 'full') await lockOut.clear(act.tx, known);
    return { ...(await book.step(act, member, login, to)), recoveryCodes };
  }

  /** Who may add one now: at forced set-up the password was right in this very login, else it is confirmed. */
  async #requireRoom(from: Reader, login: Login): Promise<{ known: KnownMember; stored: StoredPasskey[] }> {
    const known = await this.#getHolder(from, login);
    if (login.stage === 'full') await this.#parts.stepUp.require(login.id, from);
    else if (known.member.twoStepEnrolled) throw refusedLogin();
    const stored = await listPasskeys(from, known.member.id);
    if (stored.length < MAX_PASSKEYS) return { known, stored };
    throw new ApplianceError('conflict', 'passkey.too-many', `a member has at most ${MAX_PASSKEYS} passkeys`, {
      hint: 'Remove one you no longer use.',
    });
  }

  /** The member whose login it still is. */
  async #getHolder(from: Reader, login: Login): Promise<KnownMember> {
    const live = await findLogin(from, login.id);
    const known = await findMember(from, login.memberId);
    const isThere = live !== undefined && live.stage === login.stage && known?.member.state === 'enabled';
    if (!isThere || (live.stage !== 'full' && live.stage !== 'enrol-two-step')) throw refusedLogin();
    return known;
  }

  async #tell(
    tx: Transaction,
    { member }: KnownMember,
    login: Login,
    event: string,
    detail: Readonly<Record<string, string>>,
  ): Promise<void> {
    const actor = actorOf(member, login.address);
    await this.#parts.audit.append(tx, { event, actor, subject: member.id, detail: { ...detail, login: login.id } });
  }
}

/** Another member's is as missing as one that never was. @throws ApplianceError `passkey.missing` */
async function getOwn(tx: Transaction, { member }: KnownMember, id: string): Promise<StoredPasskey> {
  const found = (await listPasskeys(tx, member.id)).find(one => one.id === id);
  if (found === undefined) throw new ApplianceError('missing', 'passkey.missing', 'you have no such passkey');
  return found;
}

async function insertUnique(tx: Transaction, passkey: StoredPasskey): Promise<void> {
  try {
    await insertPasskey(tx, passkey);
  } catch (cause) {
    if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
    throw new ApplianceError('conflict', 'passkey.taken', 'that passkey is registered already', { cause });
  }
}

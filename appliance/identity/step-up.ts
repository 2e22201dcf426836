// Whoever changes second steps proves once more that it is he, not somebody at a browser left open (C-03): by a second
// step where there is one, else by the password or at his identity provider. It holds for five minutes.
import type { AuditLog } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { DirectoryDoor } from './directory-door.ts';
import { findLink } from './directory-store.ts';
import { isLocked, type LockOut, type RefusalReason } from './lock-out.ts';
import type { IssuedLogin, Login } from './login.ts';
import { type Act, actorOf, type LoginBook, refusedLogin } from './login-book.ts';
import { confirmedAt, confirmLogin, findLogin } from './login-store.ts';
import { findMember, type KnownMember } from './member-store.ts';
import type { PasskeyAnswer, PasskeyCheck, PasskeyRequest } from './passkey-check.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { MAX_PASSWORD_CHARACTERS } from './password-policy.ts';
import type { SecondStep } from './second-step.ts';

export const CONFIRMED_MS = 5 * 60_000;

export interface StepUpOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly hasher: PasswordHasher;
  readonly secondStep: SecondStep;
  readonly passkeyCheck: PasskeyCheck;
  readonly directory: DirectoryDoor | null;
}

type Means = 'password' | 'code' | 'passkey' | 'single-sign-on';

export class StepUp {
  readonly #parts: StepUpOptions;
  /** Members whose password is being hashed here: each has one under way at most. */
  readonly #hashing = new Set<string>();

  constructor(parts: StepUpOptions) {
    this.#parts = parts;
  }

  /** Whether the login was confirmed within the last five minutes. */
  async isFresh(loginId: string, from: Reader = this.#parts.store.core.read): Promise<boolean> {
    const at = await confirmedAt(from, loginId);
    const now = this.#parts.clock.now();
    return at !== null && at <= now && now - at < CONFIRMED_MS;
  }

  /** @throws ApplianceError `step-up.needed` */
  async require(loginId: string, from: Reader): Promise<void> {
    if (await this.isFresh(loginId, from)) return;
    throw new ApplianceError('refused', 'step-up.needed', 'confirm first that it is you');
  }

  /** By a code, or a recovery code. @throws ApplianceError `step-up.wrong`, `login.refused` */
  byCode(login: Login, code: string): Promise<IssuedLogin> {
    const { secondStep } = this.#parts;
    return this.#confirm(login, 'code', (act, known) => secondStep.accept(act.tx, known, code, login.address));
  }

  /** Only for a member without a second step. @throws ApplianceError `step-up.wrong`, `login.refused`, `login.limited`, `step-up.no-directory` */
  async byPassword(login: Login, password: string): Promise<IssuedLogin> {
    const { store, hasher } = this.#parts;
    const seen = await findMember(store.core.read, login.memberId);
    if (seen === undefined || this.#hashing.has(login.memberId)) throw refusedLogin();
    this.#hashing.add(login.memberId);
    const hash = seen.secrets.passwordHash;
    const typed = password.slice(0, MAX_PASSWORD_CHARACTERS + 1);
    try {
      if (seen.member.inDirectory) return await this.#byDirectory(login, typed, seen);
      const isRight = await hasher.verify(typed, hash);
      return await this.#confirm(login, 'password', async (_act, { member, secrets }) => {
        return isRight && secrets.passwordHash === hash && !member.twoStepEnrolled;
      });
    } finally {
      this.#hashing.delete(login.memberId);
    }
  }

  async #byDirectory(login: Login, password: string, seen: KnownMember): Promise<IssuedLogin> {
    const answer = await this.#parts.directory?.ask(seen.member.loginId, password, seen);
    // Nobody's password was wrong: that counts for nothing.
    if (answer === undefined || answer.fault !== null) throw unanswered();
    return this.#confirm(login, 'password', async ({ tx }, { member }) => {
      const link = answer.person && (await findLink(tx, answer.person.id));
      return link?.memberId === member.id && !member.twoStepEnrolled;
    });
  }

  /** @throws ApplianceError `passkey.no-place` */
  askPasskey(login: Login, origin: string): Promise<PasskeyRequest> {
    return this.#parts.passkeyCheck.ask('confirm', login.id, origin, login.memberId);
  }

  /** @throws ApplianceError `step-up.wrong`, `login.refused`, `passkey.…` */
  async byPasskey(login: Login, given: PasskeyAnswer): Promise<IssuedLogin> {
    const { passkeyCheck } = this.#parts;
    const proof = await passkeyCheck.prove('confirm', login.id, given);
    return this.#confirm(login, 'passkey', (act, known) => passkeyCheck.accept(act.tx, known, proof, login.address));
  }

  /** He has just signed in at his identity provider once more. @throws ApplianceError `login.refused` */
  bySingleSignOn(login: Login): Promise<IssuedLogin> {
    return this.#confirm(login, 'single-sign-on', async (_act, { member }) => !member.twoStepEnrolled);
  }

  /** The login gets a new token: one seen before is not confirmed with it. */
  async #confirm(
    login: Login,
    by: Means & RefusalReason,
    accept: (act: Act, known: KnownMember) => Promise<boolean>,
  ): Promise<IssuedLogin> {
    const { book, audit, clock, lockOut } = this.#parts;
    const done = await book.act(async act => {
      const known = await findMember(act.tx, login.memberId);
      const live = await findLogin(act.tx, login.id);
      const isIn = known?.member.state === 'enabled' && live?.stage === 'full';
      if (!isIn || isLocked(known.member, clock.now())) throw refusedLogin();
      const actor = actorOf(known.member, login.address);
      if (!(await accept(act, known))) {
        const isLockedNow = await lockOut.fail(act.tx, known, login.address, by);
        if (isLockedNow) await book.end(act, live, 'too-many-failures', actor);
        return null; // the failure is committed
      }
      await confirmLogin(act.tx, login.id, clock.now());
      const detail = { by, login: login.id };
      await audit.append(act.tx, { event: 'login.confirmed', actor, subject: login.memberId, detail });
      return book.step(act, known.member, live, 'full');
    });
    if (done === null) throw new ApplianceError('refused', 'step-up.wrong', 'that was not right');
    return done;
  }
}

function unanswered(): ApplianceError {
  return new ApplianceError('unavailable', 'step-up.no-directory', 'the directory did not answer', {
    hint: 'Your password is kept there. Try again; an admin finds the reason on the page of the directory.',
  });
}

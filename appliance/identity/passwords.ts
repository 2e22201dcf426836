// Passwords: the policy, the verdict on one, and the change by its owner (C-02, C-03).
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { requireSeen } from '../store/seen.ts';
import type { Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { JudgeThread } from './judge-thread.ts';
import { isLocked, type LockOut } from './lock-out.ts';
import type { IssuedLogin, Login } from './login.ts';
import { type Act, actorOf, type LoginBook, refusedLogin } from './login-book.ts';
import { findLogin } from './login-store.ts';
import { type Member, requireOwnPassword } from './member.ts';
import { findMember, type KnownMember, listFormerPasswords, replacePassword } from './member-store.ts';
import { type PasswordHasher, tooMany } from './password-hasher.ts';
import {
  type Assessment,
  DEFAULT_PASSWORD_POLICY,
  MAX_PASSWORD_CHARACTERS,
  PasswordPolicy,
} from './password-policy.ts';
import type { SecondStep } from './second-step.ts';
import type { StepUp } from './step-up.ts';

const POLICY_SETTING = 'identity.password-policy';
const DAY_MS = 86_400_000;

export interface PasswordChange {
  readonly current: string;
  readonly next: string;
  /** From the authenticator app or a recovery code; needed from a member with two-step unless he gave one, or a passkey, just now. */
  readonly code?: string;
  /** Address the request came from. */
  readonly source: string;
}

export interface PasswordsOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly hasher: PasswordHasher;
  readonly judge: JudgeThread;
  readonly secondStep: SecondStep;
  readonly stepUp: StepUp;
  /** Name of the organisation: a password made of it is weak. */
  readonly organisation: string;
}

export class Passwords {
  readonly #parts: PasswordsOptions;
  /** Members whose password is being changed: a change costs several hashes, so each has one under way at most. */
  readonly #changing = new Set<string>();

  constructor(parts: PasswordsOptions) {
    this.#parts = parts;
  }

  /** The server's verdict, to be shown by the meter. @param words login id and name of whom it is for */
  async assess(password: string, words: readonly string[]): Promise<Assessment> {
    const { judge, organisation } = this.#parts;
    return judge.assess(password, [...words, organisation], await this.policy());
  }

  /** @throws ApplianceError `password.unacceptable`, with the advice as its hint */
  async requireAcceptable(password: string, words: readonly string[]): Promise<void> {
    const { acceptable, advice } = await this.assess(password, words);
    if (acceptable) return;
    const hint = advice.join(' ');
    throw new ApplianceError('malformed', 'password.unacceptable', 'that password is not strong enough', { hint });
  }

  policy(from?: Reader): Promise<PasswordPolicy> {
    const { settings } = this.#parts.store;
    const stored = from
      ? settings.get(POLICY_SETTING, PasswordPolicy, from)
      : settings.get(POLICY_SETTING, PasswordPolicy);
    return stored.then(policy => policy ?? DEFAULT_PASSWORD_POLICY);
  }

  /** Holds for passwords chosen from now on. @throws ApplianceError `password-policy.malformed`, `identity.not-allowed` */
  async setPolicy(actor: Actor, policy: PasswordPolicy, seen?: string): Promise<void> {
    const parsed = PasswordPolicy.safeParse(policy);
    if (!parsed.success) {
      throw new ApplianceError('malformed', 'password-policy.malformed', parsed.error.message);
    }
    const { store, audit } = this.#parts;
    await store.core.transaction(async tx => {
      await requireMasterAdmin(tx, actor);
      const before = await this.policy(tx);
      requireSeen(before, seen);
      const detail = { before: JSON.stringify(before), after: JSON.stringify(parsed.data) };
      await store.settings.set(tx, POLICY_SETTING, parsed.data);
      await audit.append(tx, { event: 'password-policy.changed', actor, detail });
    });
  }

  /** When a password that was given to the member runs out, ms UTC; null for his own, or one that is kept elsewhere. */
  temporaryUntil(
    { inDirectory, singleSignOn, passwordGivenAt }: Member,
    { temporaryDays }: PasswordPolicy,
  ): number | null {
    if (inDirectory || singleSignOn === 'only' || passwordGivenAt === null) return null;
    return passwordGivenAt + temporaryDays * DAY_MS;
  }

  hasRunOut(member: Member, policy: PasswordPolicy): boolean {
    const until = this.temporaryUntil(member, policy);
    return until !== null && until <= this.#parts.clock.now();
  }

  /** Whether the member has to choose a new one at this login. */
  isDue(member: Member, { maxAgeDays }: PasswordPolicy): boolean {
    if (member.inDirectory || member.singleSignOn === 'only') return false;
    if (member.mustChangePassword || member.passwordChangedAt === null) return true;
    return maxAgeDays !== null && member.passwordChangedAt + maxAgeDays * DAY_MS <= this.#parts.clock.now();
  }

  /**
   * Changes the password of whoever holds the login, ends all other logins and gives this one a new token.
   * A wrong password or code counts towards the lock, as at sign-in.
   * @throws ApplianceError `password.unacceptable`, `password.used-before`, `password.not-changed` (wrong current one or
   *   code), `password.in-directory`, `login.refused`, `login.limited`
   */
  async change(login: Login, request: PasswordChange): Promise<IssuedLogin> {
    if (this.#changing.has(login.memberId)) throw tooMany();
    this.#changing.add(login.memberId);
    try {
      return await this.#change(login, request);
    } finally {
      this.#changing.delete(login.memberId);
    }
  }

  async #change(login: Login, request: PasswordChange): Promise<IssuedLogin> {
    const { store, hasher } = this.#parts;
    if (login.stage !== 'full' && login.stage !== 'change-password') throw refusedLogin();
    const known = await findMember(store.core.read, login.memberId);
    if (known === undefined || isLocked(known.member, this.#parts.clock.now())) throw refusedLogin();
    const { member, secrets } = known;
    requireOwnPassword(member);
    const current = request.current.slice(0, MAX_PASSWORD_CHARACTERS);
    const isRight = await hasher.verify(current, secrets.passwordHash);
    if (isRight) {
      await this.requireAcceptable(request.next, [member.loginId, member.name]);
      await this.#requireNew(request.next, known);
    }
    const after = isRight ? await hasher.hash(request.next) : null;
    const issued = await this.#parts.book.act(act => this.#replace(act, login, secrets.passwordHash, after, request));
    if (issued === null) throw notChanged();
    return issued;
  }

  /** @returns null when current password or code were wrong; that is counted, so it must be committed */
  async #replace(act: Act, login: Login, before: string, after: string | null, { code, source }: PasswordChange) {
    const { book, lockOut, secondStep, stepUp, audit, clock } = this.#parts;
    const known = await findMember(act.tx, login.memberId);
    const now = clock.now();
    const live = await findLogin(act.tx, login.id);
    if (known?.member.state !== 'enabled' || isLocked(known.member, now) || live === undefined) throw refusedLogin();
    const { member } = known;
    // At a forced change the second step was taken moments ago, in this very login; its code can't be used again.
    const isAsked = member.twoStepEnrolled && login.stage === 'full';
    const needsCode = isAsked && !(await stepUp.isFresh(login.id, act.tx));
    const isCodeRight = !needsCode || (after !== null && (await secondStep.accept(act.tx, known, code ?? '', source)));
    if (after === null || !isCodeRight) {
      const isLockedNow = await lockOut.fail(act.tx, known, source, after === null ? 'password' : 'code');
      if (isLockedNow) await book.end(act, live, 'too-many-failures', actorOf(member, source));
      return null;
    }
    const { history } = await this.policy(act.tx);
    if (!(await replacePassword(act.tx, { id: member.id, before, after, mustChange: false, at: now, keep: history }))) {
      throw refusedLogin();
    }
    const actor = actorOf(member, source);
    await lockOut.clear(act.tx, known);
    await audit.append(act.tx, { event: 'member.password-changed', actor, subject: member.id });
    await book.endAll(act, member.id, 'password-changed', actor, login.id);
    return book.step(act, member, login, 'full');
  }

  /** The present one, and as many former ones as the policy says. */
  async #requireNew(next: string, { member, secrets }: KnownMember): Promise<void> {
    const { store, hasher } = this.#parts;
    const { history } = await this.policy();
    const former = await listFormerPasswords(store.core.read, member.id, history);
    for (const hash of [secrets.passwordHash, ...former]) {
      if (!(await hasher.verify(next, hash))) continue;
      throw new ApplianceError('malformed', 'password.used-before', 'that password was used before', {
        hint: `The present one and the last ${history} can't be chosen again.`,
      });
    }
  }
}

function notChanged(): ApplianceError {
  return new ApplianceError('refused', 'password.not-changed', 'the present password or the code is not right');
}

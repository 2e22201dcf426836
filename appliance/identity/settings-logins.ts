// Signing in to the settings, and what becomes of such a login (A-05 C-07 C-08): the members' rules, hashes, limits and locks, and
// accounts of its own. Unknown, wrong, locked and disabled get one answer after the same work.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { countFailure, type LockRules } from './lock-out.ts';
import { isToken, type LoginStage, newToken, stageAfterPassword, stageAfterTwoStep, tokenDigest } from './login.ts';
import { refusedLogin } from './login-book.ts';
import type { LoginLimiter } from './login-limiter.ts';
import type { LoginRules } from './logins.ts';
import { foldLoginId } from './member.ts';
import { type PasswordHasher, tooMany } from './password-hasher.ts';
import { MAX_PASSWORD_CHARACTERS } from './password-policy.ts';
import type { SecondStep } from './second-step.ts';
import {
  type IssuedSettingsLogin,
  type SettingsAccount,
  type SettingsLogin,
  settingsActor,
} from './settings-account.ts';
import {
  deleteSettingsLogin,
  findAccount,
  findAccountByName,
  findSettingsLogin,
  insertSettingsLogin,
  type KnownSettingsAccount,
  setAccount,
  stepSettingsLogin,
  touchSettingsLogin,
} from './settings-account-store.ts';

const MINUTE_MS = 60_000;
const UNFINISHED_MS = 15 * MINUTE_MS;
const MAX_TOUCH_EVERY_MS = 10_000;
const MAX_TYPED_CHARACTERS = 256;

export interface SettingsLoginsParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  readonly limiter: LoginLimiter;
  readonly secondStep: SecondStep;
  readonly rules: LoginRules & LockRules;
}

export class SettingsLogins {
  readonly #parts: SettingsLoginsParts;

  constructor(parts: SettingsLoginsParts) {
    this.#parts = parts;
  }

  /** @throws ApplianceError `login.refused` for unknown, wrong, locked, disabled alike; `login.limited` */
  async signIn(request: { name: string; password: string; source: string }): Promise<IssuedSettingsLogin> {
    const { store, hasher, limiter } = this.#parts;
    const name = foldLoginId(request.name.slice(0, MAX_TYPED_CHARACTERS));
    await this.#admit(request.source, `settings ${name}`);
    const seen = await findAccountByName(store.core.read, name);
    const password = request.password.slice(0, MAX_PASSWORD_CHARACTERS + 1);
    const isRight = await hasher.verify(password, seen?.secrets.passwordHash ?? hasher.decoy);
    const issued = await store.core.transaction(tx => this.#enter(tx, request.source, seen, isRight));
    if (issued === null) throw refusedLogin();
    await limiter.giveBack(request.source, `settings ${name}`);
    return issued;
  }

  /** @param code six digits of the app @throws ApplianceError `login.refused`, `login.limited` */
  async verifyTwoStep(token: string, code: string, source: string): Promise<IssuedSettingsLogin> {
    await this.#admit(source, null);
    const issued = await this.#parts.store.core.transaction(async tx => {
      const found = await this.#live(tx, token);
      if (found?.login.stage !== 'two-step') return null;
      const { known, login } = found;
      if (!(await this.acceptCode(tx, known, code))) {
        if (await this.fail(tx, known, source, 'code')) await this.end(tx, login, 'too-many-failures', applianceActor);
        return null;
      }
      return this.step(tx, known, login, stageAfterTwoStep(needsOf(known.account)));
    });
    if (issued === null) throw refusedLogin();
    await this.#parts.limiter.giveBack(source, null);
    return issued;
  }

  /** @param options `touch` false for what a page asks by itself @returns undefined when there is none, or it has just run out */
  async find(
    token: string,
    { touch }: { touch: boolean },
  ): Promise<{ login: SettingsLogin; account: SettingsAccount } | undefined> {
    const { store, clock } = this.#parts;
    if (!isToken(token)) return undefined;
    const login = await findSettingsLogin(store.core.read, tokenDigest(token));
    if (login === undefined) return undefined;
    const reason = this.#expiry(login);
    if (reason !== undefined) {
      await store.core.transaction(tx => this.end(tx, login, reason, applianceActor));
      return undefined;
    }
    const known = await findAccount(store.core.read, login.accountId);
    if (known === undefined || known.account.isDisabled) return undefined;
    const now = clock.now();
    const every = Math.min((this.#parts.rules.idleMinutes * MINUTE_MS) / 60, MAX_TOUCH_EVERY_MS);
    if (touch && now - login.lastSeenAt >= every) {
      await store.core.transaction(tx => touchSettingsLogin(tx, login.id, now));
    }
    return { login, account: known.account };
  }

  async signOut(token: string): Promise<void> {
    await this.#parts.store.core.transaction(async tx => {
      const found = await this.#live(tx, token);
      if (found === undefined) return;
      await this.end(tx, found.login, 'signed-out', settingsActor(found.known.account, found.login.address));
    });
  }

  /** Uses the code up. */
  async acceptCode(tx: Transaction, { account, secrets }: KnownSettingsAccount, code: string): Promise<boolean> {
    const step = this.#parts.secondStep.stepOf(secrets.twoStepSecret, code, secrets.twoStepLast);
    if (step === undefined) return false;
    await setAccount(tx, account.id, { two_step_last: step });
    return true;
  }

  /** Logs and counts a wrong password or code. @returns whether that locked the account */
  async fail(tx: Transaction, known: KnownSettingsAccount, source: string, reason: 'password' | 'code') {
    const { account, secrets } = known;
    const { clock, rules, audit } = this.#parts;
    await this.#refuse(tx, source, reason, account.id);
    const now = clock.now();
    const before = { failures: secrets.failures, locks: secrets.locks, lockedUntil: account.lockedUntil };
    const { failures, locks, lockedUntil } = countFailure(before, rules, now);
    await setAccount(tx, account.id, { failures, locks, locked_until: lockedUntil });
    if (lockedUntil === null) return false;
    const detail = { until: lockedUntil, minutes: Math.round((lockedUntil - now) / MINUTE_MS), address: source };
    const event = 'settings-account.locked';
    await audit.append(tx, { event, actor: applianceActor, subject: account.id, detail });
    return true;
  }

  isLocked({ lockedUntil }: SettingsAccount): boolean {
    return lockedUntil !== null && lockedUntil > this.#parts.clock.now();
  }

  /** A new token, for the stage the login goes on to. @throws ApplianceError `login.refused` when it is gone or was moved */
  async step(
    tx: Transaction,
    { account, secrets }: KnownSettingsAccount,
    login: SettingsLogin,
    to: LoginStage,
  ): Promise<IssuedSettingsLogin> {
    const { token, digest } = newToken();
    const at = this.#parts.clock.now();
    const isMoved = await stepSettingsLogin(tx, { id: login.id, from: login.stage, to, digest, at });
    if (!isMoved) throw refusedLogin();
    if (to === 'full' && (secrets.failures > 0 || secrets.locks > 0)) {
      await setAccount(tx, account.id, { failures: 0, locks: 0, locked_until: null });
    }
    if (to === 'full' && login.stage !== 'full') await this.#tellOfSuccess(tx, account, login);
    return { token, login: { ...login, stage: to, lastSeenAt: at } };
  }

  async end(tx: Transaction, login: SettingsLogin, reason: string, actor: Actor): Promise<void> {
    await deleteSettingsLogin(tx, login.id);
    const detail = { login: login.id, reason };
    await this.#parts.audit.append(tx, { event: 'settings-login.ended', actor, subject: login.accountId, detail });
  }

  /** @returns null when refused; that is counted and logged, so it must be committed */
  async #enter(
    tx: Transaction,
    source: string,
    seen: KnownSettingsAccount | undefined,
    isRight: boolean,
  ): Promise<IssuedSettingsLogin | null> {
    const known = seen && (await findAccount(tx, seen.account.id));
    if (known === undefined) return this.#refuse(tx, source, 'unknown');
    const { account, secrets } = known;
    if (account.isDisabled) return this.#refuse(tx, source, 'disabled', account.id);
    if (this.isLocked(account)) return this.#refuse(tx, source, 'locked', account.id);
    if (secrets.passwordHash !== seen?.secrets.passwordHash)
      return this.#refuse(tx, source, 'changed-meanwhile', account.id);
    if (!isRight) {
      await this.fail(tx, known, source, 'password');
      return null;
    }
    return this.issue(tx, known, stageAfterPassword(needsOf(account)), source);
  }

  async issue(
    tx: Transaction,
    { account }: KnownSettingsAccount,
    stage: LoginStage,
    address: string,
  ): Promise<IssuedSettingsLogin> {
    const now = this.#parts.clock.now();
    const { token, digest } = newToken();
    const id = randomBytes(16).toString('base64url');
    const login = { id, accountId: account.id, stage, createdAt: now, lastSeenAt: now, address };
    await insertSettingsLogin(tx, login, digest);
    if (stage === 'full') {
      await setAccount(tx, account.id, { failures: 0, locks: 0, locked_until: null });
      await this.#tellOfSuccess(tx, account, login);
    }
    return { token, login };
  }

  async #tellOfSuccess(tx: Transaction, account: SettingsAccount, login: SettingsLogin): Promise<void> {
    await setAccount(tx, account.id, { last_login_at: this.#parts.clock.now() });
    const actor = settingsActor(account, login.address);
    const detail = { login: login.id };
    await this.#parts.audit.append(tx, { event: 'settings-login.succeeded', actor, subject: account.id, detail });
  }

  async #refuse(tx: Transaction, source: string, reason: string, id?: string): Promise<null> {
    const actor: Actor = { kind: 'anyone', id: null, name: null, address: source };
    const subject = id === undefined ? {} : { subject: id };
    await this.#parts.audit.append(tx, { event: 'settings-login.refused', actor, ...subject, detail: { reason } });
    return null;
  }

  async #live(tx: Transaction, token: string) {
    const login = isToken(token) ? await findSettingsLogin(tx, tokenDigest(token)) : undefined;
    const known = login && (await findAccount(tx, login.accountId));
    if (login === undefined || known === undefined || known.account.isDisabled) return undefined;
    return this.#expiry(login) === undefined && !this.isLocked(known.account) ? { login, known } : undefined;
  }

  async #admit(source: string, name: string | null): Promise<void> {
    const { limiter, store, audit } = this.#parts;
    const refusal = await limiter.admit(source, name);
    if (refusal === undefined) return;
    if (refusal.isFirst) {
      const actor: Actor = { kind: 'anyone', id: null, name: null, address: source };
      const detail = { by: refusal.by };
      await store.core.transaction(tx => audit.append(tx, { event: 'settings-login.limited', actor, detail }));
    }
    throw tooMany();
  }

  #expiry({ stage, createdAt, lastSeenAt }: SettingsLogin): string | undefined {
    const { idleMinutes, absoluteHours } = this.#parts.rules;
    const now = this.#parts.clock.now();
    if (createdAt <= now - absoluteHours * 60 * MINUTE_MS) return 'too-old';
    if (stage !== 'full' && createdAt <= now - UNFINISHED_MS) return 'unfinished';
    return lastSeenAt <= now - idleMinutes * MINUTE_MS ? 'idle' : undefined;
  }
}

export function needsOf({ twoStepEnrolled, twoStepRequired, mustChangePassword }: SettingsAccount) {
  return { twoStepEnrolled, twoStepRequired, passwordDue: mustChangePassword };
}

export function settingsCodeWrong(): ApplianceError {
  return new ApplianceError('refused', 'two-step.code-wrong', 'that code is not right, or was used already');
}

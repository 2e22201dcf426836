// Signing in, step by step, and what becomes of a login (C-01 C-03 C-07 C-08). Unknown, wrong, locked and disabled get
// one answer after the same work: limiter, one password hash, one transaction with its audit entry.
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { AllowLists } from './allow-lists.ts';
import { requireMayManage } from './authority.ts';
import { type DirectoryAnswer, type DirectoryDoor, notAsked } from './directory-door.ts';
import { isLocked, type LockOut, type RefusalReason } from './lock-out.ts';
import {
  type EndReason,
  type IssuedLogin,
  isToken,
  type Login,
  stageAfterPassword,
  stageAfterTwoStep,
  tokenDigest,
} from './login.ts';
import { type Act, actorOf, type EndedListener, type LoginBook, refusedLogin } from './login-book.ts';
import type { LoginLimiter, Refusal } from './login-limiter.ts';
import { findLogin, findLoginByDigest, listExpired, listLogins, listSignedIn, touchLogin } from './login-store.ts';
import { foldLoginId, type Member, type Role } from './member.ts';
import { findMember, findMemberByLoginId, type KnownMember } from './member-store.ts';
import type { PasskeyAnswer, PasskeyCheck, PasskeyProof, PasskeyRequest } from './passkey-check.ts';
import { type PasswordHasher, tooMany } from './password-hasher.ts';
import { MAX_PASSWORD_CHARACTERS } from './password-policy.ts';
import type { Passwords } from './passwords.ts';
import type { SsoRules } from './saml-rule.ts';
import type { SecondStep } from './second-step.ts';

const MINUTE_MS = 60_000;
/** Time to get from the password to `full`. */
const UNFINISHED_MS = 15 * MINUTE_MS;
const SWEEP_EVERY_MS = 15_000;
const MAX_TOUCH_EVERY_MS = 10_000;
const MAX_TYPED_CHARACTERS = 256;
const DIGEST_KEY_SETTING = 'identity.login-id-digest-key';
const DigestKey = z.string().length(43);

export interface SignInRequest {
  readonly loginId: string;
  readonly password: string;
  /** Address the request came from. */
  readonly source: string;
  readonly userAgent: string;
}

export interface LoginRules {
  readonly idleMinutes: number;
  readonly absoluteHours: number;
}

export interface LoginsOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly limiter: LoginLimiter;
  readonly hasher: PasswordHasher;
  readonly passwords: Passwords;
  readonly secondStep: SecondStep;
  readonly passkeyCheck: PasskeyCheck;
  /** Asked for who has no account here, or one that came from there. */
  readonly directory: DirectoryDoor | null;
  readonly allowLists: AllowLists;
  readonly ssoRules: SsoRules;
  readonly rules: LoginRules;
}

/** Looks at a second step, and uses it up. */
type Accept = (tx: Transaction, known: KnownMember) => Promise<boolean>;

interface Verdict {
  /** The account as it was before the password was judged. */
  readonly seen: KnownMember | undefined;
  readonly isRight: boolean;
  readonly answer: DirectoryAnswer;
}

/** Null when refused; that is counted and logged, so it must be committed. */
type Entered = IssuedLogin | 'run-out' | null;

export class Logins {
  readonly #parts: LoginsOptions;
  readonly #idleMs: number;
  readonly #absoluteMs: number;
  readonly #cancelSweep: Cancel;
  #sweeping: Promise<void> | null = null;

  constructor(parts: LoginsOptions) {
    this.#parts = parts;
    this.#idleMs = parts.rules.idleMinutes * MINUTE_MS;
    this.#absoluteMs = parts.rules.absoluteHours * 60 * MINUTE_MS;
    this.#cancelSweep = parts.clock.every(SWEEP_EVERY_MS, () => this.#sweepSoon());
  }

  async close(): Promise<void> {
    this.#cancelSweep();
    await this.#sweeping;
  }

  /** Called after the end of a login is on the disk, so that its live sockets are closed. */
  onEnded(listener: EndedListener): Cancel {
    return this.#parts.book.onEnded(listener);
  }

  /**
   * @returns a login at the stage the member has to take next; `full` when nothing is missing
   * @throws ApplianceError `login.refused` for unknown, wrong, locked, disabled alike; `login.limited`;
   *   `password.run-out` for the right password alone
   */
  async signIn(request: SignInRequest): Promise<IssuedLogin> {
    const { store, book, limiter, directory } = this.#parts;
    const loginId = foldLoginId(request.loginId.slice(0, MAX_TYPED_CHARACTERS));
    await this.#admit(request.source, loginId);
    const known = await findMemberByLoginId(store.core.read, loginId);
    // A password too long to be one is cut, not skipped: the work is the same, and it can't match.
    const password = request.password.slice(0, MAX_PASSWORD_CHARACTERS + 1);
    const asking = directory?.ask(loginId, password, known) ?? notAsked;
    const isOwn = await this.#verify(password, known, request.source);
    const isLocal = known !== undefined && !known.member.inDirectory;
    // Who is right waits for no directory; who is refused waits as long as everyone else who is.
    const answer = isLocal && isOwn ? notAsked : await asking;
    const verdict = { seen: known, isRight: isLocal ? isOwn : answer.person !== null, answer };
    const issued = await book.act(act => this.#enter(act, request, loginId, verdict));
    if (issued === null) throw refusedLogin();
    if (issued === 'run-out') throw runOut();
    if (answer.person !== null) await directory?.place(issued.login.memberId, answer.person);
    await limiter.giveBack(request.source, loginId);
    return issued;
  }

  /**
   * Takes the second step. @param code six digits, or a recovery code
   * @throws ApplianceError `login.refused`, `login.limited`
   */
  async verifyTwoStep(token: string, { code, source }: { code: string; source: string }): Promise<IssuedLogin> {
    await this.#admit(source, null);
    const { secondStep } = this.#parts;
    return this.#step(token, source, 'code', (tx, known) => secondStep.accept(tx, known, code, source));
  }

  /** @param login at its second step @throws ApplianceError `passkey.no-place` */
  askPasskey(login: Login, origin: string): Promise<PasskeyRequest> {
    return this.#parts.passkeyCheck.ask('second-step', login.id, origin, login.memberId);
  }

  /** Takes the second step with a passkey. @throws ApplianceError `login.refused`, `login.limited`, `passkey.…` */
  async verifyPasskey(token: string, given: PasskeyAnswer & { source: string }): Promise<IssuedLogin> {
    const { passkeyCheck, store } = this.#parts;
    await this.#admit(given.source, null);
    const login = isToken(token) ? await findLoginByDigest(store.core.read, tokenDigest(token)) : undefined;
    if (login === undefined) throw refusedLogin();
    const proof = await passkeyCheck.prove('second-step', login.id, given);
    const accept: Accept = (tx, known) => passkeyCheck.accept(tx, known, proof, given.source);
    return this.#step(token, given.source, 'passkey', accept);
  }

  /**
   * Asks whoever is there for a passkey, before any name: the answer is the same for all.
   * @param browser what its cookie holds
   * @throws ApplianceError `passkey.not-alone`, `passkey.no-place`, `login.limited`
   */
  async askAlone(browser: string, origin: string, source: string): Promise<PasskeyRequest> {
    const { passkeyCheck } = this.#parts;
    await this.#admit(source, null);
    await this.#requireAlone();
    return passkeyCheck.ask('alone', browser, origin, null);
  }

  /**
   * Signs in with a passkey that has verified its user, and nothing else.
   * @throws ApplianceError `login.refused` for unknown, wrong, locked, disabled alike; `login.limited`, `passkey.…`
   */
  async signInAlone(request: PasskeyAnswer & Omit<SignInRequest, 'loginId' | 'password'> & { browser: string }) {
    const { book, limiter, passkeyCheck } = this.#parts;
    await this.#admit(request.source, null);
    await this.#requireAlone();
    const proof = await passkeyCheck.prove('alone', request.browser, request);
    const issued = await book.act(act => this.#enterAlone(act, request, proof));
    if (issued === null) throw refusedLogin();
    // Asking was a try, too.
    await limiter.giveBack(request.source, null);
    await limiter.giveBack(request.source, null);
    return issued;
  }

  /**
   * The login and member of a token, at whatever stage: the caller looks at `login.stage`.
   * @param options `touch` false for heartbeats and polls: they don't keep an idle login alive
   * @returns undefined when there is none, or when it has just been found to have run out
   */
  async find(token: string, { touch }: { touch: boolean }): Promise<{ login: Login; member: Member } | undefined> {
    const { store, clock } = this.#parts;
    if (!isToken(token)) return undefined;
    const login = await findLoginByDigest(store.core.read, tokenDigest(token));
    if (login === undefined) return undefined;
    const reason = this.#expiry(login);
    if (reason !== undefined) {
      await this.#parts.book.act(act => this.#expire(act, login.id));
      return undefined;
    }
    const known = await findMember(store.core.read, login.memberId);
    if (known?.member.state !== 'enabled') return undefined;
    const now = clock.now();
    // Not every request writes: the time seen may be behind by a sixtieth of the limit, at most ten seconds.
    if (touch && now - login.lastSeenAt >= Math.min(this.#idleMs / 60, MAX_TOUCH_EVERY_MS)) {
      await store.core.transaction(tx => touchLogin(tx, login.id, now));
      return { login: { ...login, lastSeenAt: now }, member: known.member };
    }
    return { login, member: known.member };
  }

  /** Ids of members who have a role and are signed in. */
  signedIn(role: Role): Promise<string[]> {
    return listSignedIn(this.#parts.store.core.read, role);
  }

  /** @returns those that have not run out, newest first */
  async list(memberId: string): Promise<Login[]> {
    const logins = await listLogins(this.#parts.store.core.read, memberId);
    return logins.filter(login => this.#expiry(login) === undefined);
  }

  /** Ends one login, one's own or that of a member one may manage. @throws ApplianceError `login.missing` */
  end(actor: Actor, loginId: string): Promise<void> {
    return this.#parts.book.act(async act => {
      const login = await findLogin(act.tx, loginId);
      if (login === undefined) throw new ApplianceError('missing', 'login.missing', 'there is no such login');
      await this.#parts.book.end(act, login, await endReason(act.tx, actor, login.memberId), actor);
    });
  }

  /** Ends all logins of a member, but for one if told. */
  endAllOf(actor: Actor, memberId: string, exceptLoginId?: string): Promise<void> {
    return this.#parts.book.act(async act => {
      const reason = await endReason(act.tx, actor, memberId);
      await this.#parts.book.endAll(act, memberId, reason, actor, exceptLoginId);
    });
  }

  /** Ends the login of this token; does nothing when there is none. */
  async signOut(token: string): Promise<void> {
    if (!isToken(token)) return;
    await this.#parts.book.act(async act => {
      const login = await findLoginByDigest(act.tx, tokenDigest(token));
      const known = login && (await findMember(act.tx, login.memberId));
      if (login === undefined || known === undefined) return;
      await this.#parts.book.end(act, login, 'signed-out', actorOf(known.member, login.address));
    });
  }

  /** Ends what has run out; also done by the clock. */
  async sweep(): Promise<void> {
    const { store, clock, book } = this.#parts;
    const now = clock.now();
    const deadlines = { idle: now - this.#idleMs, tooOld: now - this.#absoluteMs, unfinished: now - UNFINISHED_MS };
    const expired = await listExpired(store.core.read, deadlines);
    if (expired.length === 0) return;
    await book.act(async act => {
      for (const { id } of expired) await this.#expire(act, id);
    });
  }

  async #enter(act: Act, request: SignInRequest, loginId: string, verdict: Verdict): Promise<Entered> {
    const { lockOut, passwords, book, directory } = this.#parts;
    const { seen, answer } = verdict;
    // Read again: while the hash was computed the account may have been locked, disabled or given a new password.
    const known =
      answer.person === null
        ? seen && (await findMember(act.tx, seen.member.id))
        : await directory?.admit(act, answer.person);
    if (answer.fault !== null) await directory?.note(act.tx, answer.fault, request.source);
    const reason = this.#refusal(verdict, known);
    if (known === undefined) {
      const digest = await this.#digest(act.tx, loginId);
      await lockOut.refuse(act.tx, request.source, 'unknown', { digest });
      return null;
    }
    if (reason === 'password') await lockOut.fail(act.tx, known, request.source, 'password');
    else if (reason !== undefined) await lockOut.refuse(act.tx, request.source, reason, { id: known.member.id });
    if (reason !== undefined) return null;
    const { member } = known;
    if (!(await this.#isAdmitted(act, member, request.source))) return null;
    const policy = await passwords.policy(act.tx);
    if (passwords.hasRunOut(member, policy)) {
      await lockOut.refuse(act.tx, request.source, 'run-out', { id: member.id });
      return 'run-out';
    }
    const passwordDue = passwords.isDue(member, policy);
    const stage = stageAfterPassword({ ...member, passwordDue });
    // With a second step to come, failures stay: or its codes could be guessed between two right passwords.
    if (stage !== 'two-step') await lockOut.clear(act.tx, known);
    return book.issue(act, member, stage, request);
  }

  #refusal({ seen, answer, isRight }: Verdict, known: KnownMember | undefined): RefusalReason | undefined {
    if (known === undefined) return 'unknown';
    if (known.member.state === 'disabled') return 'disabled';
    if (isLocked(known.member, this.#parts.clock.now())) return 'locked';
    if (answer.fault !== null && known.member.inDirectory) return 'directory';
    if (!isRight) return 'password';
    if (answer.person !== null) return undefined; // the directory's word is as new as can be
    return known.secrets.passwordHash === seen?.secrets.passwordHash ? undefined : 'changed-meanwhile';
  }

  async #enterAlone(
    act: Act,
    request: { source: string; userAgent: string },
    proof: PasskeyProof,
  ): Promise<IssuedLogin | null> {
    const { lockOut, passwords, book, passkeyCheck, clock } = this.#parts;
    const { source } = request;
    const known = proof.passkey && (await findMember(act.tx, proof.passkey.memberId));
    if (known === undefined) {
      await lockOut.refuse(act.tx, source, 'unknown', {});
      return null;
    }
    const { member } = known;
    const isDisabled = member.state === 'disabled';
    if (isDisabled || isLocked(member, clock.now())) {
      await lockOut.refuse(act.tx, source, isDisabled ? 'disabled' : 'locked', { id: member.id });
      return null;
    }
    // The directory is to be asked at each login whether he still may (C-05); a passkey can be his second step only.
    if (member.inDirectory) {
      await lockOut.refuse(act.tx, source, 'directory', { id: member.id });
      return null;
    }
    if (!(await passkeyCheck.accept(act.tx, known, proof, source))) {
      await lockOut.fail(act.tx, known, source, 'passkey');
      return null;
    }
    if (!(await this.#isAdmitted(act, member, source))) return null;
    await lockOut.clear(act.tx, known);
    const passwordDue = passwords.isDue(member, await passwords.policy(act.tx));
    // It is had and it verified its user: both factors, so no second step is asked.
    return book.issue(act, member, stageAfterTwoStep({ ...member, passwordDue }), request);
  }

  /** Told as any refusal is: who is elsewhere learns nothing of whether the password was right. */
  async #isAdmitted(act: Act, member: Member, source: string): Promise<boolean> {
    const { allowLists, lockOut, ssoRules } = this.#parts;
    const isThere = await allowLists.admits(member, source, act.tx);
    if (isThere && !(await ssoRules.forbidsPassword(member, act.tx))) return true;
    await lockOut.refuse(act.tx, source, isThere ? 'single-sign-on' : 'address', { id: member.id });
    return false;
  }

  async #requireAlone(): Promise<void> {
    if ((await this.#parts.passkeyCheck.policy()).aloneAllowed) return;
    throw new ApplianceError('refused', 'passkey.not-alone', 'a passkey alone is not enough here', {
      hint: 'Sign in with login id and password first. A master admin can allow it on the page of the password policy.',
    });
  }

  async #step(token: string, source: string, by: 'code' | 'passkey', accept: Accept): Promise<IssuedLogin> {
    const issued = await this.#parts.book.act(act => this.#stepUp(act, token, source, by, accept));
    if (issued === null) throw refusedLogin();
    await this.#parts.limiter.giveBack(source, null);
    return issued;
  }

  /** @returns null when refused; that is counted and logged, so it must be committed */
  async #stepUp(
    act: Act,
    token: string,
    source: string,
    by: 'code' | 'passkey',
    accept: Accept,
  ): Promise<IssuedLogin | null> {
    const { book, lockOut, passwords, clock } = this.#parts;
    const login = isToken(token) ? await findLoginByDigest(act.tx, tokenDigest(token)) : undefined;
    const known = login && (await findMember(act.tx, login.memberId));
    if (login?.stage !== 'two-step' || known?.member.state !== 'enabled') return null;
    if (this.#expiry(login) !== undefined) {
      await this.#expire(act, login.id);
      return null;
    }
    const { member } = known;
    if (isLocked(member, clock.now())) {
      await lockOut.refuse(act.tx, source, 'locked', { id: member.id });
      return null;
    }
    if (!(await accept(act.tx, known))) {
      const isLockedNow = await lockOut.fail(act.tx, known, source, by);
      if (isLockedNow) await book.end(act, login, 'too-many-failures', applianceActor);
      return null;
    }
    await lockOut.clear(act.tx, known);
    const passwordDue = passwords.isDue(member, await passwords.policy(act.tx));
    return book.step(act, member, login, stageAfterTwoStep({ ...member, passwordDue }));
  }

  async #verify(password: string, known: KnownMember | undefined, source: string): Promise<boolean> {
    const { hasher, limiter } = this.#parts;
    try {
      return await hasher.verify(password, known?.secrets.passwordHash ?? hasher.decoy);
    } catch (error) {
      const isFull = error instanceof ApplianceError && error.code === 'login.limited';
      if (isFull) await this.#noteLimited(await limiter.turnedAway(), source, null);
      throw error;
    }
  }

  async #admit(source: string, loginId: string | null): Promise<void> {
    const refusal = await this.#parts.limiter.admit(source, loginId);
    if (refusal === undefined) return;
    await this.#noteLimited(refusal, source, refusal.by === 'login-id' ? loginId : null);
    throw tooMany();
  }

  /** One entry for each window: a flood must not fill the log, its extent is in the metrics. */
  async #noteLimited({ by, isFirst }: Refusal, source: string, loginId: string | null): Promise<void> {
    if (!isFirst) return;
    const { store, audit } = this.#parts;
    const actor: Actor = { kind: 'anyone', id: null, name: null, address: source };
    await store.core.transaction(async tx => {
      const loginIdDigest = loginId === null ? null : await this.#digest(tx, loginId);
      await audit.append(tx, { event: 'login.limited', actor, detail: { by, loginIdDigest } });
    });
  }

  /**
   * Stands for a typed login id in the log. People type passwords into the wrong field, so the text itself must not
   * stand there; with a key from the store a digest tells equal ones, and whoever reads an export can't try words.
   */
  async #digest(tx: Transaction, loginId: string): Promise<string> {
    const { settings } = this.#parts.store;
    const stored = await settings.get(DIGEST_KEY_SETTING, DigestKey, tx);
    const key = stored ?? randomBytes(32).toString('base64url');
    if (stored === undefined) await settings.set(tx, DIGEST_KEY_SETTING, key);
    return createHmac('sha256', key).update(loginId).digest('base64url').slice(0, 16);
  }

  #expiry({ stage, createdAt, lastSeenAt }: Login): EndReason | undefined {
    const now = this.#parts.clock.now();
    if (createdAt <= now - this.#absoluteMs) return 'too-old';
    if (stage !== 'full' && createdAt <= now - UNFINISHED_MS) return 'unfinished';
    return lastSeenAt <= now - this.#idleMs ? 'idle' : undefined;
  }

  /** Ends the login if it still has run out: it may have been used since it was looked at. */
  async #expire(act: Act, id: string): Promise<void> {
    const login = await findLogin(act.tx, id);
    const reason = login && this.#expiry(login);
    if (login !== undefined && reason !== undefined) await this.#parts.book.end(act, login, reason, applianceActor);
  }

  #sweepSoon(): void {
    this.#sweeping ??= this.sweep()
      .catch(error => this.#parts.log.error('identity.sweep-failed', { why: describeError(error) }))
      .finally(() => {
        this.#sweeping = null;
      });
  }
}

function runOut(): ApplianceError {
  return new ApplianceError('refused', 'password.run-out', 'that password was a temporary one, and has run out', {
    hint: 'Ask an admin for a new one.',
  });
}

/** @throws ApplianceError `identity.not-allowed` */
async function endReason(tx: Transaction, actor: Actor, memberId: string): Promise<EndReason> {
  if (actor.kind === 'member' && actor.id === memberId) return 'ended-by-member';
  const known = await findMember(tx, memberId);
  await requireMayManage(tx, actor, known?.member ?? { id: memberId, roles: [] });
  return 'ended-by-admin';
}

// The accounts of the settings: made, renamed, reset, disabled and removed by each other, and never so that none is left.
// For when nobody gets in any more there is a link, made on the machine itself, which works once.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { newToken, stageAfterTwoStep, tokenDigest } from './login.ts';
import { refusedLogin } from './login-book.ts';
import { parseLoginId } from './member.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { MAX_PASSWORD_CHARACTERS } from './password-policy.ts';
import type { Passwords } from './passwords.ts';
import { newReadableCode } from './readable-code.ts';
import type { SecondStep } from './second-step.ts';
import {
  type IssuedSettingsLogin,
  type SettingsAccount,
  type SettingsLogin,
  settingsActor,
} from './settings-account.ts';
import {
  countEnabled,
  deleteAccount,
  deleteLoginsOf,
  findAccount,
  findAccountByName,
  insertAccount,
  isLinkOpen,
  type KnownSettingsAccount,
  listAccounts,
  replaceLink,
  setAccount,
  useLink,
} from './settings-account-store.ts';
import { needsOf, type SettingsLogins, settingsCodeWrong } from './settings-logins.ts';

const LINK_MS = 30 * 60_000;
const DEFAULT_ISSUER = 'Remote support';

export interface SettingsAccountsParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  readonly passwords: Passwords;
  readonly secondStep: SecondStep;
  readonly logins: SettingsLogins;
  readonly organisation: string;
}

export class SettingsAccounts {
  readonly logins: SettingsLogins;
  readonly #parts: SettingsAccountsParts;

  constructor(parts: SettingsAccountsParts) {
    this.#parts = parts;
    this.logins = parts.logins;
  }

  list(): Promise<SettingsAccount[]> {
    return listAccounts(this.#parts.store.core.read);
  }

  /** @throws ApplianceError `settings-account.missing` */
  async get(id: string): Promise<SettingsAccount> {
    return (await getKnown(this.#parts.store.core.read, id)).account;
  }

  /**
   * @param password left out, a temporary one is made, to be changed at the first login
   * @throws ApplianceError `member.login-id-malformed`, `settings-account.name-taken`, `password.unacceptable`
   */
  async create(
    actor: Actor,
    typed: { name: string; password?: string },
  ): Promise<{ account: SettingsAccount; temporaryPassword: string | null }> {
    const { store, audit, clock, hasher } = this.#parts;
    const name = parseLoginId(typed.name);
    if (typed.password !== undefined) await this.#parts.passwords.requireAcceptable(typed.password, [name]);
    const temporary = typed.password === undefined ? newReadableCode() : null;
    const hash = await hasher.hash(temporary ?? typed.password ?? '');
    const id = randomBytes(16).toString('base64url');
    const account = await store.core.transaction(async tx => {
      await requireFree(tx, name);
      await insertAccount(tx, { id, name, hash, mustChange: temporary !== null, at: clock.now() });
      await audit.append(tx, { event: 'settings-account.created', actor, subject: id, detail: { name } });
      return (await getKnown(tx, id)).account;
    });
    return { account, temporaryPassword: temporary };
  }

  /** For a page that asks for more than the name. @throws ApplianceError `member.login-id-malformed`, `settings-account.name-taken` */
  requireFree(typed: string): Promise<void> {
    const name = parseLoginId(typed);
    return this.#parts.store.core.transaction(tx => requireFree(tx, name));
  }

  /** At first setup, which may be done again after a kill: then with what was typed last. */
  async createFirst(actor: Actor, { name, password }: { name: string; password: string }): Promise<void> {
    for (const { id } of await this.list()) {
      await this.#parts.store.core.transaction(tx => deleteAccount(tx, id));
    }
    await this.create(actor, { name, password });
  }

  /** @throws ApplianceError `member.login-id-malformed`, `settings-account.name-taken`, `settings-account.missing` */
  rename(actor: Actor, id: string, typed: string): Promise<void> {
    const name = parseLoginId(typed);
    return this.#change(id, async (tx, { account }) => {
      if (account.name === name) return;
      await requireFree(tx, name);
      await setAccount(tx, id, { name });
      await this.#tell(tx, 'renamed', actor, id, { before: account.name, after: name });
    });
  }

  /**
   * A temporary password; the second step goes, and every login ends.
   * @throws ApplianceError `member.own-recovery`, `settings-account.missing`
   */
  async reset(actor: Actor, id: string): Promise<{ temporaryPassword: string }> {
    if (actor.kind === 'settings-account' && actor.id === id) throw ownRecovery();
    const temporaryPassword = newReadableCode();
    const hash = await this.#parts.hasher.hash(temporaryPassword);
    await this.#change(id, async (tx, { account }) => {
      await setAccount(tx, id, { ...freshSecrets(hash), must_change: 1 });
      await deleteLoginsOf(tx, id, null);
      await this.#tell(tx, 'reset', actor, id, { name: account.name });
    });
    return { temporaryPassword };
  }

  /** @throws ApplianceError `settings-account.last` */
  setDisabled(actor: Actor, id: string, isDisabled: boolean): Promise<void> {
    return this.#change(id, async (tx, { account }) => {
      if (account.isDisabled === isDisabled) return;
      if (isDisabled) await requireAnother(tx);
      await setAccount(tx, id, { is_disabled: isDisabled ? 1 : 0 });
      await deleteLoginsOf(tx, id, null);
      await this.#tell(tx, isDisabled ? 'disabled' : 'enabled', actor, id, { name: account.name });
    });
  }

  requireTwoStep(actor: Actor, id: string, isRequired: boolean): Promise<void> {
    return this.#change(id, async (tx, { account }) => {
      if (account.twoStepRequired === isRequired) return;
      await setAccount(tx, id, { two_step_required: isRequired ? 1 : 0 });
      const event = isRequired ? 'two-step-required' : 'two-step-released';
      await this.#tell(tx, event, actor, id, { name: account.name });
    });
  }

  /** @throws ApplianceError `settings-account.last` */
  remove(actor: Actor, id: string): Promise<void> {
    return this.#change(id, async (tx, { account }) => {
      if (!account.isDisabled) await requireAnother(tx);
      await deleteAccount(tx, id);
      await this.#tell(tx, 'removed', actor, id, { name: account.name });
    });
  }

  /**
   * One's own: all other logins end, and this one gets a new token.
   * @param given `code` of the second step, where there is one; at a forced change it was taken moments ago
   * @throws ApplianceError `password.not-changed`, `password.unacceptable`, `password.used-before`, `two-step.code-wrong`,
   *   `login.refused`
   */
  async changePassword(login: SettingsLogin, given: { current: string; next: string; code: string; source: string }) {
    const { store, hasher, passwords } = this.#parts;
    if (login.stage !== 'full' && login.stage !== 'change-password') throw refusedLogin();
    const seen = await getKnown(store.core.read, login.accountId);
    if (this.logins.isLocked(seen.account)) throw refusedLogin();
    const isRight = await hasher.verify(given.current.slice(0, MAX_PASSWORD_CHARACTERS), seen.secrets.passwordHash);
    if (isRight) await passwords.requireAcceptable(given.next, [seen.account.name]);
    if (isRight && given.next === given.current) {
      throw new ApplianceError('malformed', 'password.used-before', 'that is the present password');
    }
    const hash = isRight ? await hasher.hash(given.next) : null;
    const issued = await store.core.transaction(async tx => {
      const known = await getKnown(tx, login.accountId);
      const isSame = known.secrets.passwordHash === seen.secrets.passwordHash;
      if (!isSame || this.logins.isLocked(known.account)) throw refusedLogin();
      const actor = settingsActor(known.account, given.source);
      const needsCode = known.account.twoStepEnrolled && login.stage === 'full';
      const isCodeRight = !needsCode || (hash !== null && (await this.logins.acceptCode(tx, known, given.code)));
      if (hash === null || !isCodeRight) {
        const wrong = hash === null ? 'password' : 'code';
        if (await this.logins.fail(tx, known, given.source, wrong)) {
          await this.logins.end(tx, login, 'too-many-failures', actor);
        }
        return wrong;
      }
      await setAccount(tx, login.accountId, { password_hash: hash, must_change: 0 });
      await deleteLoginsOf(tx, login.accountId, login.id);
      await this.#tell(tx, 'password-changed', actor, login.accountId, { name: known.account.name });
      return this.logins.step(tx, known, login, 'full');
    });
    if (issued === 'code') throw settingsCodeWrong();
    if (issued !== 'password') return issued;
    throw new ApplianceError('refused', 'password.not-changed', 'the present password is not right');
  }

  /**
   * Offers a new secret.
   * @param code of the one that is offered already: then it was scanned, and stays
   * @throws ApplianceError `two-step.enrolled-already`
   */
  beginTwoStep(id: string, code = ''): Promise<{ secret: string; uri: string }> {
    const { store, secondStep, organisation } = this.#parts;
    return store.core.transaction(async tx => {
      const { account, secrets } = await getKnown(tx, id);
      if (account.twoStepEnrolled) {
        throw new ApplianceError('conflict', 'two-step.enrolled-already', 'two-step is on already; remove it first');
      }
      const isScanned = secondStep.stepOf(secrets.twoStepPending, code, 0) !== undefined;
      const secret = (isScanned ? secrets.twoStepPending : null) ?? secondStep.newSecret();
      await setAccount(tx, id, { two_step_pending: secret });
      return { secret, uri: secondStep.uri(secret, `${organisation || DEFAULT_ISSUER} settings`, account.name) };
    });
  }

  /**
   * By its codes one is taken for the account from then on: who is not at forced set-up, where the password was right just now,
   * gives it once more.
   * @throws ApplianceError `two-step.code-wrong`, `two-step.not-begun`, `step-up.wrong`, `login.refused`
   */
  async confirmTwoStep(
    login: SettingsLogin,
    code: string,
    source: string,
    password = '',
  ): Promise<IssuedSettingsLogin> {
    if (login.stage !== 'enrol-two-step' && login.stage !== 'full') throw refusedLogin();
    if (login.stage === 'full') await this.proveAgain(login, { code: '', password, source });
    return this.#parts.store.core.transaction(async tx => {
      const known = await getKnown(tx, login.accountId);
      const { account, secrets } = known;
      if (secrets.twoStepPending === null || account.twoStepEnrolled) {
        throw new ApplianceError('conflict', 'two-step.not-begun', 'no secret was offered; begin again');
      }
      const step = this.#parts.secondStep.stepOf(secrets.twoStepPending, code, 0);
      if (step === undefined) throw settingsCodeWrong();
      const columns = { two_step_secret: secrets.twoStepPending, two_step_pending: null, two_step_last: step };
      await setAccount(tx, account.id, columns);
      await deleteLoginsOf(tx, account.id, login.id);
      await this.#tell(tx, 'two-step-enrolled', settingsActor(account, source), account.id, { name: account.name });
      const to = login.stage === 'full' ? 'full' : stageAfterTwoStep({ ...needsOf(account), twoStepEnrolled: true });
      return this.logins.step(tx, known, login, to);
    });
  }

  /** @throws ApplianceError `two-step.code-wrong`, `two-step.required` */
  async removeTwoStep(login: SettingsLogin, code: string, source: string): Promise<void> {
    const isDone = await this.#parts.store.core.transaction(async tx => {
      const known = await getKnown(tx, login.accountId);
      const { account } = known;
      if (this.logins.isLocked(account)) throw refusedLogin();
      if (account.twoStepRequired) {
        throw new ApplianceError('refused', 'two-step.required', 'two-step is required of this account');
      }
      const actor = settingsActor(account, source);
      if (!(await this.logins.acceptCode(tx, known, code))) {
        if (await this.logins.fail(tx, known, source, 'code')) {
          await this.logins.end(tx, login, 'too-many-failures', actor);
        }
        return false;
      }
      await setAccount(tx, account.id, { two_step_secret: null, two_step_pending: null, two_step_last: 0 });
      await deleteLoginsOf(tx, account.id, login.id);
      await this.#tell(tx, 'two-step-removed', actor, account.id, { name: account.name });
      return true;
    });
    if (!isDone) throw settingsCodeWrong();
  }

  /**
   * Whoever is signed in proves once more that it is he: by a code, or by his password where he has no second step.
   * @throws ApplianceError `two-step.code-wrong`, `step-up.wrong`, `login.refused`; too many wrong ones end the login
   */
  async proveAgain(login: SettingsLogin, typed: { code: string; password: string; source: string }): Promise<void> {
    const { store, hasher } = this.#parts;
    const seen = await getKnown(store.core.read, login.accountId);
    const hasCode = seen.account.twoStepEnrolled;
    if (this.logins.isLocked(seen.account)) throw refusedLogin();
    const password = typed.password.slice(0, MAX_PASSWORD_CHARACTERS);
    const isPassword = !hasCode && (await hasher.verify(password, seen.secrets.passwordHash));
    const isRight = await store.core.transaction(async tx => {
      const known = await getKnown(tx, login.accountId);
      const isSame = known.secrets.passwordHash === seen.secrets.passwordHash;
      if (!isSame || known.account.twoStepEnrolled !== hasCode || this.logins.isLocked(known.account))
        throw refusedLogin();
      if (hasCode ? await this.logins.acceptCode(tx, known, typed.code) : isPassword) return true;
      if (await this.logins.fail(tx, known, typed.source, hasCode ? 'code' : 'password')) {
        await this.logins.end(tx, login, 'too-many-failures', settingsActor(known.account, typed.source));
      }
      return false;
    });
    if (isRight) return;
    throw hasCode ? settingsCodeWrong() : new ApplianceError('refused', 'step-up.wrong', 'that was not right');
  }

  /** On the machine itself: the former link is void. @returns what opens it, for half an hour and once */
  makeLink(): Promise<string> {
    const { store, audit, clock } = this.#parts;
    return store.core.transaction(async tx => {
      const { token, digest } = newToken();
      await replaceLink(tx, digest, clock.now() + LINK_MS);
      await audit.append(tx, { event: 'settings-account.link-made', actor: applianceActor });
      return token;
    });
  }

  isLinkOpen(token: string): Promise<boolean> {
    return isLinkOpen(this.#parts.store.core.read, tokenDigest(token), this.#parts.clock.now());
  }

  /**
   * Uses the link: the account of that name is there afterwards, with this password, enabled, without a second step.
   * @throws ApplianceError `settings-account.link-void`, `member.login-id-malformed`, `password.unacceptable`
   */
  async openLink(token: string, typed: { name: string; password: string; source: string }): Promise<SettingsAccount> {
    const { store, clock, hasher, passwords } = this.#parts;
    if (!(await this.isLinkOpen(token))) throw linkVoid(); // before the work of a hash
    const name = parseLoginId(typed.name);
    await passwords.requireAcceptable(typed.password, [name]);
    const hash = await hasher.hash(typed.password);
    return store.core.transaction(async tx => {
      if (!(await useLink(tx, tokenDigest(token), clock.now()))) throw linkVoid();
      const there = await findAccountByName(tx, name);
      const id = there?.account.id ?? randomBytes(16).toString('base64url');
      if (there === undefined) await insertAccount(tx, { id, name, hash, mustChange: false, at: clock.now() });
      await setAccount(tx, id, { ...freshSecrets(hash), must_change: 0, is_disabled: 0 });
      await deleteLoginsOf(tx, id, null);
      const actor: Actor = { kind: 'anyone', id: null, name: null, address: typed.source };
      await this.#tell(tx, 'link-used', actor, id, { name, isNew: there === undefined });
      return (await getKnown(tx, id)).account;
    });
  }

  #change(id: string, act: (tx: Transaction, known: KnownSettingsAccount) => Promise<void>): Promise<void> {
    return this.#parts.store.core.transaction(async tx => act(tx, await getKnown(tx, id)));
  }

  async #tell(
    tx: Transaction,
    what: string,
    actor: Actor,
    subject: string,
    detail: Readonly<Record<string, string | boolean>>,
  ): Promise<void> {
    await this.#parts.audit.append(tx, { event: `settings-account.${what}`, actor, subject, detail });
  }
}

function freshSecrets(hash: string) {
  return {
    ...{ password_hash: hash, two_step_secret: null, two_step_pending: null, two_step_last: 0 },
    ...{ failures: 0, locks: 0, locked_until: null },
  };
}

function ownRecovery(): ApplianceError {
  return new ApplianceError('refused', 'member.own-recovery', 'another account does that for you', {
    hint: 'Your own password and second step are changed under My account, which asks who you are.',
  });
}

async function getKnown(from: Parameters<typeof findAccount>[0], id: string): Promise<KnownSettingsAccount> {
  const known = await findAccount(from, id);
  if (known !== undefined) return known;
  throw new ApplianceError('missing', 'settings-account.missing', 'there is no such account');
}

async function requireFree(tx: Transaction, name: string): Promise<void> {
  if ((await findAccountByName(tx, name)) === undefined) return;
  throw new ApplianceError('conflict', 'settings-account.name-taken', 'another account has that name');
}

async function requireAnother(tx: Transaction): Promise<void> {
  if ((await countEnabled(tx)) > 1) return;
  throw new ApplianceError('conflict', 'settings-account.last', 'this is the last account that can sign in here', {
    hint: 'Add another one first.',
  });
}

function linkVoid(): ApplianceError {
  return new ApplianceError('refused', 'settings-account.link-void', 'that link is not valid any more', {
    hint: 'It works once, for half an hour: make another one on the machine, with settings-account.ts.',
  });
}

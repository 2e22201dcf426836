// The authenticator app of a member: enrolling, recovery codes, leaving it (C-03). Passkeys are in passkeys.ts.
import type { AuditLog } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { isLocked, type LockOut } from './lock-out.ts';
import { type IssuedLogin, type Login, stageAfterTwoStep } from './login.ts';
import { type Act, actorOf, type LoginBook, refusedLogin } from './login-book.ts';
import { findLogin } from './login-store.ts';
import { countRecoveryCodes, findMember, type KnownMember, replaceRecoveryCodes, setColumns } from './member-store.ts';
import type { Passwords } from './passwords.ts';
import type { SecondStep } from './second-step.ts';
import type { StepUp } from './step-up.ts';

const DEFAULT_ISSUER = 'Remote support';

export interface TwoStepOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly passwords: Passwords;
  readonly secondStep: SecondStep;
  readonly stepUp: StepUp;
  readonly organisation: string;
}

export class TwoStep {
  readonly #parts: TwoStepOptions;

  constructor(parts: TwoStepOptions) {
    this.#parts = parts;
  }

  /**
   * Offers a new secret, to be shown once; it holds nothing until `confirm`.
   * @returns base32 secret and the otpauth URI of the QR code
   * @throws ApplianceError `two-step.enrolled-already`
   */
  begin(memberId: string): Promise<{ secret: string; uri: string }> {
    const { store, secondStep, organisation } = this.#parts;
    return store.core.transaction(async tx => {
      const { member } = await getEnabled(tx, memberId);
      if (member.hasAuthenticatorApp) {
        throw new ApplianceError('conflict', 'two-step.enrolled-already', 'two-step is on already; remove it first');
      }
      const secret = secondStep.newSecret();
      await setColumns(tx, memberId, { two_step_pending: secret });
      return { secret, uri: secondStep.uri(secret, organisation || DEFAULT_ISSUER, member.loginId) };
    });
  }

  /**
   * Enrols with a code of the offered secret; the login gets a new token and steps up when that was its stage.
   * @returns ten recovery codes, to be shown once
   * @throws ApplianceError `two-step.code-wrong`, `two-step.not-begun`, `step-up.needed`, `login.refused`
   */
  async confirm(login: Login, code: string): Promise<IssuedLogin & { recoveryCodes: string[] }> {
    if (login.stage !== 'enrol-two-step' && login.stage !== 'full') throw refusedLogin();
    const { book, secondStep, passwords, stepUp } = this.#parts;
    return book.act(async act => {
      const known = await getEnabled(act.tx, login.memberId);
      const { member, secrets } = known;
      if (secrets.twoStepPending === null || member.hasAuthenticatorApp) {
        throw new ApplianceError('conflict', 'two-step.not-begun', 'no secret was offered; begin again');
      }
      // By its codes one is taken for the member from then on: who adds it has to be more than whoever sits there. At forced set-up
      // the password was right in this very login.
      if (login.stage === 'full') await stepUp.require(login.id, act.tx);
      else if (member.twoStepEnrolled) throw refusedLogin();
      // No failure is counted: whoever is here was shown the secret.
      const step = secondStep.stepOf(secrets.twoStepPending, code, 0);
      if (step === undefined) throw codeWrong();
      const columns = { two_step_secret: secrets.twoStepPending, two_step_pending: null, two_step_last: step };
      await setColumns(act.tx, member.id, columns);
      const recoveryCodes = await secondStep.renewCodes(act.tx, member.id);
      await this.#tell(act, known, login, 'two-step.enrolled');
      const passwordDue = passwords.isDue(member, await passwords.policy(act.tx));
      const needs = { twoStepEnrolled: true, twoStepRequired: member.twoStepRequired, passwordDue };
      await book.endAll(act, member.id, 'two-step-changed', actorOf(member, login.address), login.id);
      const to = login.stage === 'full' ? 'full' : stageAfterTwoStep(needs);
      if (to === 'full') await this.#parts.lockOut.clear(act.tx, known);
      return { ...(await book.step(act, member, login, to)), recoveryCodes };
    });
  }

  /** The former codes are void. @param code of the app @throws ApplianceError `two-step.code-wrong`, `login.refused` */
  newRecoveryCodes(login: Login, code: string): Promise<string[]> {
    return this.#withCode(login, code, async (act, known) => {
      const codes = await this.#parts.secondStep.renewCodes(act.tx, known.member.id);
      await this.#tell(act, known, login, 'two-step.recovery-codes-renewed');
      return codes;
    });
  }

  /** How many recovery codes are left. */
  recoveryCodesLeft(memberId: string): Promise<number> {
    return countRecoveryCodes(this.#parts.store.core.read, memberId);
  }

  /**
   * Passkeys stay, and the recovery codes with them.
   * @param code of either kind; not looked at when the login was confirmed just now
   * @throws ApplianceError `two-step.required`, `two-step.code-wrong`, `login.refused`
   */
  remove(login: Login, code: string): Promise<void> {
    return this.#withCode(login, code, async (act, known) => {
      const { id, twoStepRequired, passkeys } = known.member;
      if (twoStepRequired && passkeys === 0) {
        throw new ApplianceError('refused', 'two-step.required', 'a master admin requires two-step of you', {
          hint: 'For a new telephone, an admin resets two-step and you enrol again.',
        });
      }
      await setColumns(act.tx, id, { two_step_secret: null, two_step_pending: null, two_step_last: 0 });
      if (passkeys === 0) await replaceRecoveryCodes(act.tx, id, []);
      await this.#tell(act, known, login, 'two-step.removed');
      await this.#parts.book.endAll(act, id, 'two-step-changed', actorOf(known.member, login.address), login.id);
    });
  }

  async #withCode<T>(login: Login, code: string, run: (act: Act, known: KnownMember) => Promise<T>): Promise<T> {
    const { book, clock, secondStep, lockOut, stepUp } = this.#parts;
    if (login.stage !== 'full') throw refusedLogin();
    const done = await book.act(async act => {
      const known = await getEnabled(act.tx, login.memberId);
      const live = await findLogin(act.tx, login.id);
      if (live?.stage !== 'full' || isLocked(known.member, clock.now())) throw refusedLogin();
      const isConfirmed = await stepUp.isFresh(login.id, act.tx);
      if (isConfirmed || (await secondStep.accept(act.tx, known, code, login.address)))
        return { value: await run(act, known) };
      const isLockedNow = await lockOut.fail(act.tx, known, login.address, 'code');
      if (isLockedNow) await book.end(act, live, 'too-many-failures', actorOf(known.member, login.address));
      return null; // the failure is committed
    });
    if (done === null) throw codeWrong();
    return done.value;
  }

  async #tell({ tx }: Act, { member }: KnownMember, login: Login, event: string): Promise<void> {
    const actor = actorOf(member, login.address);
    await this.#parts.audit.append(tx, { event, actor, subject: member.id, detail: { login: login.id } });
  }
}

async function getEnabled(tx: Transaction, id: string): Promise<KnownMember> {
  const known = await findMember(tx, id);
  if (known?.member.state !== 'enabled') throw refusedLogin();
  return known;
}

function codeWrong(): ApplianceError {
  return new ApplianceError('refused', 'two-step.code-wrong', 'that code is not right, or was used already');
}

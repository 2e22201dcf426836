// Checks codes of the second step: six digits of an authenticator app (TOTP, RFC 6238) or a recovery code. Either works
// once: the time step of the last code is kept, and the check stands in the transaction that keeps it.
import { generateSecret, generateURI, verifySync } from 'otplib';
import type { AuditLog } from '../audit/audit.ts';
import type { Clock } from '../clock.ts';
import type { Transaction } from '../store/sql.ts';
import { actorOf } from './login-book.ts';
import {
  countRecoveryCodes,
  type KnownMember,
  replaceRecoveryCodes,
  setColumns,
  useRecoveryCode,
} from './member-store.ts';
import { newReadableCode, parseReadableCode, recoveryCodeDigest } from './readable-code.ts';

const PERIOD_SECONDS = 30;
/** One step back and one ahead, for a telephone's clock (RFC 6238 §5.2). */
const TOLERANCE_SECONDS = 30;
const TOTP_PATTERN = /^\d{6}$/;
const RECOVERY_CODES = 10;
const SECRET_BYTES = 20; // RFC 4226 §4: 160 bits

/** The last time step of which a code is taken now. @param now ms UTC */
export function latestStep(now: number): number {
  return Math.floor((Math.floor(now / 1000) + TOLERANCE_SECONDS) / PERIOD_SECONDS);
}

export class SecondStep {
  readonly #clock: Clock;
  readonly #audit: AuditLog;

  constructor(clock: Clock, audit: AuditLog) {
    this.#clock = clock;
    this.#audit = audit;
  }

  newSecret(): string {
    return generateSecret({ length: SECRET_BYTES });
  }

  /** For the QR code; authenticator apps show issuer and label. */
  uri(secret: string, issuer: string, label: string): string {
    return generateURI({ secret, issuer, label });
  }

  /** Accepts a code of either kind and uses it up. @param source address the request came from */
  async accept(tx: Transaction, known: KnownMember, code: string, source: string): Promise<boolean> {
    if (await this.acceptTotp(tx, known, code)) return true;
    const recovery = parseReadableCode(code);
    if (recovery === undefined || !known.member.twoStepEnrolled) return false;
    const { id } = known.member;
    if (!(await useRecoveryCode(tx, id, recoveryCodeDigest(id, recovery), this.#clock.now()))) return false;
    const actor = actorOf(known.member, source);
    const detail = { left: await countRecoveryCodes(tx, id) };
    await this.#audit.append(tx, { event: 'two-step.recovery-code-used', actor, subject: id, detail });
    return true;
  }

  /** The former recovery codes are void. @returns the new ones, to be shown once */
  async renewCodes(tx: Transaction, memberId: string): Promise<string[]> {
    const codes = Array.from({ length: RECOVERY_CODES }, newReadableCode);
    const digests = codes.map(code => recoveryCodeDigest(memberId, code));
    await replaceRecoveryCodes(tx, memberId, digests);
    return codes;
  }

  /** Accepts six digits of the app, and uses them up. */
  async acceptTotp(tx: Transaction, { member, secrets }: KnownMember, code: string): Promise<boolean> {
    const step = this.stepOf(secrets.twoStepSecret, code, secrets.twoStepLast);
    if (step === undefined) return false;
    await setColumns(tx, member.id, { two_step_last: step });
    return true;
  }

  /** @returns the time step the code belongs to, or undefined when it is wrong, too old or used */
  stepOf(secret: string | null, code: string, lastStep: number): number | undefined {
    const token = code.replace(/\s/g, '');
    if (secret === null || code.length > 16 || !TOTP_PATTERN.test(token)) return undefined;
    const epoch = Math.floor(this.#clock.now() / 1000);
    // After the clock was set back there is no step left that may be used; otplib would throw.
    if (lastStep > latestStep(this.#clock.now())) return undefined;
    const result = verifySync({ secret, token, epoch, epochTolerance: TOLERANCE_SECONDS, afterTimeStep: lastStep });
    return result.valid && 'timeStep' in result ? result.timeStep : undefined;
  }
}

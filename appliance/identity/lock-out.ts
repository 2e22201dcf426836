// Wrong passwords and codes are counted per member in the store; too many in a row lock the account, each time for twice
// as long (C-07). While locked even the right password is refused, with the same answer.
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { Transaction } from '../store/sql.ts';
import type { Member } from './member.ts';
import { type KnownMember, setColumns } from './member-store.ts';

const MINUTE_MS = 60_000;
const MAX_LOCK_MS = 24 * 60 * MINUTE_MS;

export interface LockRules {
  readonly lockAfterFailures: number;
  /** Length of the first lock; each further one in a row lasts twice as long, at most a day. */
  readonly lockMinutes: number;
}

export interface LockState {
  readonly failures: number;
  readonly locks: number;
  /** ms UTC */
  readonly lockedUntil: number | null;
}

/** What one more failure makes of the counters. */
export function countFailure({ failures, locks }: LockState, rules: LockRules, now: number): LockState {
  if (failures + 1 < rules.lockAfterFailures) return { failures: failures + 1, locks, lockedUntil: null };
  const lockMs = Math.min(rules.lockMinutes * MINUTE_MS * 2 ** Math.min(locks, 20), MAX_LOCK_MS);
  return { failures: 0, locks: locks + 1, lockedUntil: now + lockMs };
}

export function isLocked({ lockedUntil }: Pick<Member, 'lockedUntil'>, now: number): boolean {
  return lockedUntil !== null && lockedUntil > now;
}

export type RefusalReason =
  | 'unknown'
  | 'disabled'
  | 'locked'
  | 'password'
  | 'code'
  | 'passkey'
  | 'address'
  | 'changed-meanwhile'
  | 'run-out'
  | 'directory'
  | 'single-sign-on';

export interface LockOutOptions {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly rules: LockRules;
}

export class LockOut {
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #rules: LockRules;
  readonly #refusals: Counter;
  readonly #locks: Counter;

  constructor({ audit, clock, metrics, rules }: LockOutOptions) {
    this.#audit = audit;
    this.#clock = clock;
    this.#rules = rules;
    this.#refusals = metrics.counter('identity_logins_refused_total', 'Refused sign-ins, by reason.');
    this.#locks = metrics.counter('identity_locks_total', 'Accounts locked after too many failures.');
  }

  /** Logs a refused sign-in that counts against nobody. @param digest stands for an id no member has */
  async refuse(tx: Transaction, source: string, reason: RefusalReason, whom: { id?: string; digest?: string }) {
    this.#refusals.add({ reason });
    const actor: Actor = { kind: 'anyone', id: null, name: null, address: source };
    const detail = { reason, loginIdDigest: whom.digest ?? null };
    const subject = whom.id === undefined ? {} : { subject: whom.id };
    await this.#audit.append(tx, { event: 'login.refused', actor, ...subject, detail });
  }

  /** Logs and counts a wrong password, code or passkey. @returns whether that locked the account */
  async fail(
    tx: Transaction,
    { member, secrets }: KnownMember,
    source: string,
    reason: 'password' | 'code' | 'passkey' | 'single-sign-on',
  ) {
    await this.refuse(tx, source, reason, { id: member.id });
    const before = { failures: secrets.failures, locks: secrets.locks, lockedUntil: member.lockedUntil };
    const now = this.#clock.now();
    const after = countFailure(before, this.#rules, now);
    const { failures, locks, lockedUntil } = after;
    await setColumns(tx, member.id, { failures, locks, locked_until: lockedUntil });
    if (lockedUntil === null) return false;
    this.#locks.add();
    const detail = { until: lockedUntil, minutes: Math.round((lockedUntil - now) / MINUTE_MS), address: source };
    await this.#audit.append(tx, { event: 'member.locked', actor: applianceActor, subject: member.id, detail });
    return true;
  }

  /** After a whole success, or when an admin unlocks. */
  async clear(tx: Transaction, { member, secrets }: KnownMember): Promise<void> {
    if (secrets.failures === 0 && secrets.locks === 0 && member.lockedUntil === null) return;
    await setColumns(tx, member.id, { failures: 0, locks: 0, locked_until: null });
  }
}

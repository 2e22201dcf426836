// The logins that are alive: issued, stepped up and ended here, inside the transaction of whatever act does so. Who holds
// a live socket for a login is told of its end once that is on the disk.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { type EndReason, type IssuedLogin, type Login, type LoginStage, newToken } from './login.ts';
import { deleteLogin, insertLogin, listLogins, stepLogin } from './login-store.ts';
import type { Member } from './member.ts';
import { setColumns } from './member-store.ts';

const MAX_USER_AGENT_CHARACTERS = 200;

export type EndedListener = (loginId: string, memberId: string, reason: EndReason) => void;

interface EndedLogin {
  readonly id: string;
  readonly memberId: string;
  readonly reason: EndReason;
}

/** An open transaction, and the logins it has ended so far. */
export interface Act {
  readonly tx: Transaction;
  readonly ended: EndedLogin[];
}

export interface LoginBookOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}

export class LoginBook {
  readonly #store: Store;
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<EndedListener>();

  constructor({ store, audit, clock, log }: LoginBookOptions) {
    this.#store = store;
    this.#audit = audit;
    this.#clock = clock;
    this.#log = log;
  }

  onEnded(listener: EndedListener): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A transaction that may end logins; their listeners are called after it is committed. */
  async act<T>(run: (act: Act) => Promise<T>): Promise<T> {
    const ended: EndedLogin[] = [];
    const result = await this.#store.core.transaction(tx => run({ tx, ended }));
    for (const login of ended) this.#announce(login);
    return result;
  }

  async issue({ tx }: Act, member: Member, stage: LoginStage, from: { source: string; userAgent: string }) {
    const { token, digest } = newToken();
    const now = this.#clock.now();
    const login: Login = {
      id: randomBytes(16).toString('base64url'),
      memberId: member.id,
      stage,
      createdAt: now,
      lastSeenAt: now,
      address: from.source,
      userAgent: from.userAgent.slice(0, MAX_USER_AGENT_CHARACTERS).replace(/\p{C}/gu, ''),
    };
    await insertLogin(tx, login, digest);
    await this.#tell({ tx }, member, login);
    return { token, login } satisfies IssuedLogin;
  }

  /**
   * Moves a login to its next stage, or gives it a new token within the same one.
   * @throws ApplianceError `login.refused` when it is gone or was moved by another request
   */
  async step({ tx }: Act, member: Member, login: Login, to: LoginStage): Promise<IssuedLogin> {
    const { token, digest } = newToken();
    const now = this.#clock.now();
    const isMoved = await stepLogin(tx, { id: login.id, from: login.stage, to, digest, at: now });
    if (!isMoved) throw refusedLogin();
    const stepped = { ...login, stage: to, lastSeenAt: now };
    if (to !== login.stage) await this.#tell({ tx }, member, stepped);
    return { token, login: stepped };
  }

  async end({ tx, ended }: Act, login: Login, reason: EndReason, actor: Actor): Promise<void> {
    if (!(await deleteLogin(tx, login.id))) return;
    ended.push({ id: login.id, memberId: login.memberId, reason });
    const detail = { reason, login: login.id, stage: login.stage };
    await this.#audit.append(tx, { event: 'login.ended', actor, subject: login.memberId, detail });
  }

  async endAll(act: Act, memberId: string, reason: EndReason, actor: Actor, exceptId?: string): Promise<void> {
    for (const login of await listLogins(act.tx, memberId)) {
      if (login.id !== exceptId) await this.end(act, login, reason, actor);
    }
  }

  async #tell({ tx }: Pick<Act, 'tx'>, member: Member, { id, stage, address }: Login): Promise<void> {
    const actor = actorOf(member, address);
    const event = stage === 'full' ? 'login.succeeded' : 'login.stepped';
    await this.#audit.append(tx, { event, actor, subject: member.id, detail: { login: id, stage } });
    if (stage === 'full') await setColumns(tx, member.id, { last_login_at: this.#clock.now() });
  }

  #announce({ id, memberId, reason }: EndedLogin): void {
    for (const listener of this.#listeners) {
      try {
        listener(id, memberId, reason);
      } catch (error) {
        // One listener's mistake must not keep the others' sockets open.
        this.#log.error('identity.listener-failed', { why: describeError(error) });
      }
    }
  }
}

export function actorOf(member: Member, address: string | null): Actor {
  return { kind: 'member', id: member.id, name: member.name, address };
}

/** The one answer to whoever may not sign in: unknown, wrong, locked, disabled, expired. */
export function refusedLogin(): ApplianceError {
  return new ApplianceError('unauthenticated', 'login.refused', 'login id, password or code are not right', {
    hint: 'After repeated failures an account is locked for a while; an admin can unlock it. The audit log says why.',
  });
}

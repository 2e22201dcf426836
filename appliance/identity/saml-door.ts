// Signing in by an identity provider, after the same rules as with a password: limiter, lock, allow list, second step
// (C-04 C-07). What was refused stands in the audit log with its reason and the reference the person was told.
import { createHash } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { AllowLists } from './allow-lists.ts';
import { isLocked, type LockOut, type RefusalReason } from './lock-out.ts';
import { type IssuedLogin, type Login, stageAfterPassword } from './login.ts';
import { type Act, actorOf, type LoginBook, refusedLogin } from './login-book.ts';
import type { LoginLimiter } from './login-limiter.ts';
import { findLogin } from './login-store.ts';
import type { Member } from './member.ts';
import { findMember } from './member-store.ts';
import { tooMany } from './password-hasher.ts';
import { samlFault } from './saml-fault.ts';
import { type Idp, toPem } from './saml-idp.ts';
import { judgeLogout, type LogoutWish } from './saml-logout.ts';
import { noRole, type SamlMembers } from './saml-members.ts';
import { type SamlPurpose, type SamlRequest, SamlRequests } from './saml-requests.ts';
import {
  type Assertion,
  type Expected,
  issuerOf,
  judgeResponse,
  readMessage,
  type SamlMessage,
} from './saml-response.ts';
import type { SamlService, Sending } from './saml-service.ts';
import { findIdp, findSamlLogin, insertSamlLogin, listIdps, listLoginsBy, takeOnce } from './saml-store.ts';
import type { StepUp } from './step-up.ts';
import { isFromBefore } from './used-once.ts';

/** What a browser brought from an identity provider. */
export interface Brought {
  readonly message: string;
  readonly relayState: string;
  /** What the cookie of this browser holds. */
  readonly browser: string;
  readonly source: string;
  readonly userAgent: string;
  /** The person is told it, and the log. */
  readonly reference: string;
}

export interface Entered {
  readonly issued: IssuedLogin;
  /** Where a confirmed login goes on; null when it has just begun. */
  readonly confirms: string | null;
}

export interface SamlDoorOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly limiter: LoginLimiter;
  readonly allowLists: AllowLists;
  readonly stepUp: StepUp;
  readonly members: SamlMembers;
  readonly service: SamlService;
}

export class SamlDoor {
  readonly service: SamlService;
  readonly #parts: SamlDoorOptions;
  readonly #requests: SamlRequests;

  constructor(parts: SamlDoorOptions) {
    this.service = parts.service;
    this.#parts = parts;
    this.#requests = new SamlRequests(parts.clock);
  }

  /** Those one can sign in at now. */
  async choices(): Promise<readonly Idp[]> {
    return (await listIdps(this.#parts.store.core.read)).filter(({ isOn }) => isOn);
  }

  /**
   * Sends a browser to an identity provider.
   * @param to its id, or the mail address of a person of its domains
   * @throws ApplianceError `sso.no-provider`, `login.limited`
   */
  async begin(to: string, browser: string, source: string, purpose: SamlPurpose): Promise<Sending> {
    await this.#admit(source);
    const choices = await this.choices();
    const domain = to.includes('@') ? (to.trim().toLowerCase().split('@').at(-1) ?? '') : null;
    const idp = choices.find(one => one.id === to || (domain !== null && one.domains.includes(domain)));
    if (idp === undefined) {
      throw new ApplianceError('missing', 'sso.no-provider', 'there is no single sign-on for that address', {
        hint: 'Type the address your organisation gave you, or sign in with a password.',
      });
    }
    const { request, relayState } = this.#requests.open(idp.id, browser, purpose);
    return this.service.request(idp, request, relayState);
  }

  /** @throws ApplianceError `saml.…`, `login.refused`, `login.limited` */
  async accept(brought: Brought): Promise<Entered> {
    await this.#admit(brought.source);
    const entered = await this.#noting(brought, async found => {
      const message = readMessage(brought.message);
      const request = this.#requests.take(brought.relayState, brought.browser);
      const idp = await this.#asked(message, request);
      found(idp);
      const assertion = await judgeResponse(message, this.#expect(idp, request));
      if (request === undefined || request.confirms === null) return this.#signIn(brought, idp, assertion, request);
      return { issued: await this.#confirm(idp, assertion, request), confirms: request.confirms };
    });
    await this.#parts.limiter.giveBack(brought.source, null);
    return entered;
  }

  /**
   * A logout the identity provider asks for: ends the logins it names here.
   * @returns the answer the browser is to bring; null where there is nowhere to bring it
   */
  async takeLogout(brought: Brought): Promise<Sending | null> {
    await this.#admit(brought.source);
    return this.#noting(brought, async found => {
      const message = readMessage(brought.message);
      const idp = await this.#asked(message, undefined, true);
      found(idp);
      const { clock } = this.#parts;
      const { entityId: audience, logoutUrl } = this.service;
      const wish = await judgeLogout(message, { ...keysOf(idp), audience, logoutUrl, now: clock.now() });
      await this.#parts.book.act(act => this.#endNamed(act, idp, wish, brought.source));
      return this.service.logoutResponse(
        idp,
        wish.id,
        /^[\x21-\x7e]{1,80}$/.test(brought.relayState) ? brought.relayState : null,
      );
    });
  }

  /** What tells the identity provider that this login, which is about to end, has ended; null where nothing does. */
  async logoutOf(login: Login): Promise<Sending | null> {
    const { read } = this.#parts.store.core;
    const from = await findSamlLogin(read, login.id);
    const idp = from && (await findIdp(read, from.idpId));
    return from === undefined || idp?.isOn !== true ? null : this.service.logoutRequest(idp, from);
  }

  /** By which provider a member may confirm that it is he; undefined where by none. */
  async providerOf(login: Login): Promise<Idp | undefined> {
    const { read } = this.#parts.store.core;
    const from = await findSamlLogin(read, login.id);
    const idp = from && (await findIdp(read, from.idpId));
    return idp?.isOn === true ? idp : undefined;
  }

  async #asked(message: SamlMessage, request: SamlRequest | undefined, isLogout = false): Promise<Idp> {
    const { read } = this.#parts.store.core;
    const issuer = issuerOf(message);
    const idp =
      request === undefined
        ? (await listIdps(read)).find(one => one.entityId === issuer)
        : await findIdp(read, request.idpId);
    if (idp === undefined) throw samlFault('saml.issuer', `no identity provider here is ${issuer.slice(0, 200)}`);
    if (!idp.isOn)
      throw new ApplianceError('refused', 'saml.switched-off', 'this identity provider is switched off here');
    if (request !== undefined || isLogout || idp.mayStart) return idp;
    throw samlFault('saml.not-asked', 'nobody asked for it here in the last ten minutes, or it was brought before');
  }

  #expect(idp: Idp, request: SamlRequest | undefined): Expected {
    const { entityId: audience, acsUrl } = this.service;
    const signedInSince = request?.confirms == null ? null : request.at;
    const inResponseTo = request?.id ?? null;
    return { ...keysOf(idp), audience, acsUrl, inResponseTo, signedInSince, now: this.#parts.clock.now() };
  }

  async #signIn(brought: Brought, idp: Idp, assertion: Assertion, request: SamlRequest | undefined): Promise<Entered> {
    const { tell, end } = await this.#parts.book.act(act => this.#enter(act, brought, idp, assertion, request));
    tell();
    if (end instanceof ApplianceError) throw end;
    return { issued: end, confirms: null };
  }

  /** @returns why it is refused, or the login; what was refused is committed too: it is in the log, or took roles away */
  async #enter(
    act: Act,
    brought: Brought,
    idp: Idp,
    assertion: Assertion,
    request: SamlRequest | undefined,
  ): Promise<{ tell: () => void; end: IssuedLogin | ApplianceError }> {
    const { members, lockOut, book } = this.#parts;
    const { tx } = act;
    await this.#takeOnce(act, idp, assertion);
    const { known, hasRole, tell } = await members.settle(act, idp, assertion);
    const { member } = known;
    if (!hasRole) return { tell, end: noRole() };
    const reason = await this.#refusal(act, member, brought.source);
    if (reason !== undefined) {
      await lockOut.refuse(tx, brought.source, reason, { id: member.id });
      return { tell, end: refusedLogin() };
    }
    const former = request?.loginId == null ? undefined : await findLogin(tx, request.loginId);
    const formerMember = former && (await findMember(tx, former.memberId));
    // Whoever signs in again, even as someone else, leaves no login behind in this browser.
    if (former && formerMember) await book.end(act, former, 'signed-out', actorOf(formerMember.member, brought.source));
    const stage = stageAfterPassword({ ...member, passwordDue: false });
    if (stage !== 'two-step') await lockOut.clear(tx, known);
    const issued = await book.issue(act, member, stage, brought);
    const { nameId, nameIdFormat, sessionIndex } = assertion;
    await insertSamlLogin(tx, issued.login.id, { idpId: idp.id, nameId, nameIdFormat, sessionIndex });
    return { tell, end: issued };
  }

  async #refusal({ tx }: Act, member: Member, source: string): Promise<RefusalReason | undefined> {
    const { allowLists, clock } = this.#parts;
    if (member.state === 'disabled') return 'disabled';
    if (isLocked(member, clock.now())) return 'locked';
    return (await allowLists.admits(member, source, tx)) ? undefined : 'address';
  }

  async #confirm(idp: Idp, assertion: Assertion, { loginId }: SamlRequest): Promise<IssuedLogin> {
    const { store, stepUp, members, book } = this.#parts;
    const login = loginId === null ? undefined : await findLogin(store.core.read, loginId);
    const tell = await book.act(async act => {
      await this.#takeOnce(act, idp, assertion);
      const who = await members.whoIs(act.tx, idp, assertion);
      if (login === undefined || who !== login.memberId) return null;
      // What his groups take away ends the login before it is confirmed.
      return (await members.settle(act, idp, assertion)).tell;
    });
    tell?.();
    if (login === undefined) throw refusedLogin();
    if (tell === null) throw samlFault('saml.subject', 'somebody else signed in there');
    return stepUp.bySingleSignOn(login);
  }

  /** @throws ApplianceError `saml.replay`; `saml.switched-off` when that has happened since it was looked at */
  async #takeOnce({ tx }: Act, idp: Idp, made: Pick<Assertion, 'id' | 'madeAt' | 'goodUntil'>): Promise<void> {
    const { clock, store } = this.#parts;
    const { id, madeAt, goodUntil } = made;
    if (await isFromBefore(tx, store.settings, madeAt)) {
      throw samlFault('saml.replay', 'it was made before the appliance was restored: sign in once more');
    }
    const digest = createHash('sha256').update(`${idp.entityId}\0${id}`).digest();
    if (!(await takeOnce(tx, digest, goodUntil, clock.now()))) {
      throw samlFault('saml.replay', 'it was brought before');
    }
    if ((await findIdp(tx, idp.id))?.isOn === true) return;
    throw new ApplianceError('refused', 'saml.switched-off', 'this identity provider is switched off here');
  }

  async #endNamed(act: Act, idp: Idp, wish: LogoutWish, source: string): Promise<void> {
    await this.#takeOnce(act, idp, wish);
    for (const [login, from] of await listLoginsBy(act.tx, idp.id, null)) {
      const isNamed = wish.sessionIndexes.length === 0 || wish.sessionIndexes.includes(from.sessionIndex ?? '');
      const known = from.nameId === wish.nameId && isNamed ? await findMember(act.tx, login.memberId) : undefined;
      if (known !== undefined)
        await this.#parts.book.end(act, login, 'signed-out-there', actorOf(known.member, source));
    }
  }

  async #admit(source: string): Promise<void> {
    if ((await this.#parts.limiter.admit(source, null)) !== undefined) throw tooMany();
  }

  /** Notes in the log why what a browser brought was refused. */
  async #noting<T>(brought: Brought, run: (found: (idp: Idp) => void) => Promise<T>): Promise<T> {
    let provider: string | null = null;
    try {
      return await run(idp => {
        provider = idp.name;
      });
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      const actor: Actor = { kind: 'anyone', id: null, name: null, address: brought.source };
      const { code, message: why } = error;
      const detail = { code, why: why.slice(0, 1000), provider, reference: brought.reference };
      const { store, audit } = this.#parts;
      await store.core.transaction(tx => audit.append(tx, { event: 'saml.refused', actor, detail }));
      throw error;
    }
  }
}

function keysOf({ entityId, certificates }: Idp): Pick<Expected, 'issuer' | 'certificates'> {
  return { issuer: entityId, certificates: certificates.map(toPem) };
}

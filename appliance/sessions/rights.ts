// Rights in a session (D-02 D-04 TRUST: leases, grants): the appliance's signed word, made from permission and the receipt
// of the customer's yes, alive as long as leases are renewed. Whoever is disabled, logged off or moved loses them at once.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditEvent, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { mayAsk, mustCompareCodes, SINGLE_PROMPT } from '../customer-core/may-ask.ts';
import { type AppletSigned, CONSENT_DOMAIN, type ConsentReceipt, parseReceipt } from '../customer-core/objects.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import { denial } from '../permissions/authorise.ts';
import { type Decision, decide, type Question } from '../permissions/decision.ts';
import type { Groups } from '../permissions/groups.ts';
import { type CanonicalValue, canonicalBytes } from '../protocol/canonical-json.ts';
import { type AskableAction, askableActions } from '../protocol/consent.ts';
import { MAX_CREDENTIAL_MS, MAX_GRANT_MS, MAX_LEASE_MS } from '../protocol/signed.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { checkAppletBytes } from './applet-signature.ts';
import { findGranted, insertGrant } from './session-log-store.ts';
import { sha256 } from './session-secrets.ts';
import { isOver } from './session-state.ts';
import { changeIn, nextNumber, type SessionRow } from './session-store.ts';
import { customerActor, type SessionChange, type Sessions } from './sessions.ts';

type Payload = { readonly [key: string]: CanonicalValue };
export type SignedKind = 'credential' | 'grant' | 'lease' | 'time';

/** What the signer answers: canonical bytes with `v`, `type` and `kid` in them, and the signature, base64url. */
export interface SignedObject {
  readonly payload: Uint8Array;
  readonly signature: string;
}

/** The signer's part. It puts the type and its key's id into the object. */
export interface SessionSigner {
  signSessionObject(object: Payload, type: SignedKind, options?: { restart?: boolean }): Promise<SignedObject>;
}

/**
 * Whether this member may still act: an enabled technician with a live login, or with this very one where it is named.
 * Identity's word, handed in.
 */
export type Authority = (memberId: string, loginId: string | null) => Promise<boolean>;

export interface Revocation {
  readonly sessionId: SessionId;
  readonly memberId: string;
  readonly reason: string;
}

/** What the applet may be asked for, as it is sent to it; it can only narrow. */
export interface SessionPolicy {
  readonly actions: readonly string[];
  readonly maxConsentMs: number;
  readonly singlePrompt: boolean;
  readonly codesMatch: boolean;
  readonly forcedRecording: boolean;
  readonly pauseRecording: boolean;
  readonly customerAway: string;
}

export interface RightsOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: Sessions;
  readonly groups: Groups;
  readonly signer: SessionSigner;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly log: Log;
}

const LEASE_MS = MAX_LEASE_MS;
/** A yes has to be turned into a grant within so long. */
const MAX_RECEIPT_AGE_MS = 60_000;
const ID = /^[A-Za-z0-9_-]{22}$/;

export class Rights {
  readonly #options: RightsOptions;
  readonly #revoked = new Set<(revocation: Revocation) => void>();
  readonly #narrowed = new Set<(sessionId: SessionId, policy: SessionPolicy) => void>();
  readonly #stopped = new Set<(sessionId: SessionId, reason: string) => void>();
  readonly #cancels: readonly Cancel[];

  constructor(options: RightsOptions) {
    this.#options = options;
    const ofGroups = options.groups.onChange(change => {
      this.#groupsChanged(change).catch(error =>
        options.log.error('rights.not-narrowed', { why: describeError(error) }),
      );
    });
    this.#cancels = [ofGroups, options.sessions.onChange(change => this.#sessionChanged(change))];
  }

  close(): void {
    for (const cancel of this.#cancels) cancel();
    this.#revoked.clear();
    this.#stopped.clear();
    this.#narrowed.clear();
  }

  /** The technician's link and all on it is over; to be sent on the applet's own leg, and his paths to be cut. */
  onRevoked(listener: (revocation: Revocation) => void): Cancel {
    this.#revoked.add(listener);
    return () => this.#revoked.delete(listener);
  }

  /** What runs must stop, the link stays: the session was put on hold. To be sent on the applet's own leg. */
  onStopped(listener: (sessionId: SessionId, reason: string) => void): Cancel {
    this.#stopped.add(listener);
    return () => this.#stopped.delete(listener);
  }

  /** A policy of the session has changed; to be sent on the applet's own leg. */
  onNarrowed(listener: (sessionId: SessionId, policy: SessionPolicy) => void): Cancel {
    this.#narrowed.add(listener);
    return () => this.#narrowed.delete(listener);
  }

  async policyOf(session: SessionRow): Promise<SessionPolicy> {
    const effective = await this.#options.groups.effective(session.groupId);
    const { consentMinutes, singlePrompt, codesMatch, forcedRecording, pauseRecording, customerAway } =
      effective.policy;
    return {
      actions: askableActions.filter(action => effective.permissions[action].allowed).sort(),
      maxConsentMs: consentMinutes === 0 ? MAX_GRANT_MS : consentMinutes * 60_000,
      ...{ singlePrompt, codesMatch, forcedRecording, pauseRecording, customerAway },
    };
  }

  /** The policy as it is sent; its SHA-256 stands in the credential. */
  async policyBytes(session: SessionRow): Promise<Uint8Array> {
    return canonicalBytes({ ...(await this.policyOf(session)) });
  }

  /**
   * Says whose Noise key this is (LINK: keys).
   * @param to a console names its member, an applet its signing key; `login` is the console's: the link ends with it;
   *   `restart`: a new key after a restart ticket
   * @returns also the bytes of the policy whose SHA-256 it names
   */
  async credential(
    session: SessionRow,
    to: {
      role: 'console' | 'applet';
      spk: string;
      nonce: string;
      features: readonly string[];
      login?: string;
      restart?: boolean;
    },
  ): Promise<SignedObject & { readonly policy: Uint8Array }> {
    const { clock } = this.#options;
    const isConsole = to.role === 'console';
    if (isOver(session.state)) throw refused('the session is over');
    if (isConsole) await this.#bindToLogin(session, to.login ?? null);
    if (!isConsole && session.appletKey === null) throw refused('no applet has claimed the session');
    const nbf = clock.now();
    const policy = await this.policyBytes(session);
    const signed = await this.#sign(
      'credential',
      {
        ...{ role: to.role, sid: session.id, spk: to.spk, sub: isConsole ? ownerOf(session) : 'customer' },
        ...{ nbf, exp: nbf + MAX_CREDENTIAL_MS, features: to.features, nonce: to.nonce },
        policy: toBase64Url(sha256(policy)),
        jti: toBase64Url(randomBytes(16)),
        ...(isConsole ? {} : { apk: session.appletKey ?? '' }),
      },
      to.restart,
    );
    return { ...signed, policy };
  }

  /** The answer to "what time is it?". @param nonce the asker's, 16 bytes */
  time(nonce: string): Promise<SignedObject> {
    if (!ID.test(nonce)) throw refused('that is no nonce');
    return this.#sign('time', { nonce, time: this.#options.clock.now() });
  }

  /** @param nonce the applet's, from its own leg; @throws ApplianceError `rights.refused` when rights have ended */
  async lease(sessionId: SessionId, { linkId, nonce }: { linkId: string; nonce: string }): Promise<SignedObject> {
    const { store, sessions } = this.#options;
    if (!ID.test(nonce)) throw refused('that is no nonce');
    const session = await sessions.get(sessionId);
    this.#checkLink(session, linkId);
    const sub = ownerOf(session);
    await this.#checkAuthority(sub, session.linkLogin);
    const counter = await store.core.transaction(async tx => {
      this.#checkLink(await sessions.get(sessionId, tx), linkId);
      return nextNumber(tx, sessionId, 'leases_made');
    });
    return this.#sign('lease', { sid: sessionId, linkId, sub, counter, nonce, ttlMs: LEASE_MS });
  }

  /**
   * Permission and consent together.
   * @param signed the receipt of the customer's yes, from the applet's own leg
   * @throws ApplianceError `rights.refused`, `rights.compare-codes`, `permission.denied`
   */
  async grant(sessionId: SessionId, technician: Actor, signed: AppletSigned): Promise<SignedObject> {
    const before = await this.#options.sessions.get(sessionId);
    checkAppletBytes(CONSENT_DOMAIN, signed, before.appletKey);
    const receipt = parseReceipt(signed.payload); // from here on it is what the customer's applet said
    try {
      await this.#checkAuthority(technician.id ?? '', before.linkLogin);
      return await this.#grant(sessionId, technician, receipt);
    } catch (error) {
      if (error instanceof ApplianceError && error.kind === 'refused')
        await this.#tellRefused(sessionId, technician, receipt, error);
      throw error;
    }
  }

  async #grant(sessionId: SessionId, technician: Actor, receipt: ConsentReceipt): Promise<SignedObject> {
    const { store, audit, sessions, clock } = this.#options;
    const { action, scope } = receipt;
    const consentId = toBase64Url(receipt.consentId);
    const ttlMs = await store.core.transaction(async tx => {
      const session = await sessions.get(sessionId, tx);
      await this.#checkReceipt(tx, session, technician, receipt);
      await insertGrant(tx, { sessionId, consentId, action, issuedAt: clock.now() }).catch(cause => {
        if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
        throw refused('a grant was made of that yes already');
      });
      const { maxConsentMs } = await this.policyOf(session);
      const ttl = Math.min(receipt.ttlMs, maxConsentMs);
      const number = await nextNumber(tx, sessionId, 'grants_made');
      const detail = { action, scope, ttlMs: ttl, number };
      await audit.append(tx, { event: 'rights.granted', actor: technician, sessionId, subject: consentId, detail });
      return ttl;
    });
    const [linkId, handshake] = [toBase64Url(receipt.linkId), toBase64Url(receipt.handshake)];
    return this.#sign('grant', {
      sid: sessionId,
      linkId,
      handshake,
      sub: receipt.sub,
      action,
      scope,
      consentId,
      ttlMs,
    });
  }

  /** A technician has asked the appliance itself for what his group may not. @param sessionId null where there is none yet */
  tellDenied(
    actor: Actor,
    action: string,
    sessionId: SessionId | null,
    { code, message }: ApplianceError,
  ): Promise<void> {
    const detail = { action, reason: code, why: message };
    return this.#append({ event: 'rights.refused', actor, detail, ...(sessionId === null ? {} : { sessionId }) });
  }

  /** Ends the rights of a member in every session: disabled, logged off, moved, blocked. @returns the sessions */
  revokeMember(memberId: string, reason: string, actor: Actor = applianceActor): Promise<SessionId[]> {
    return this.#revoke(memberId, reason, actor, () => true);
  }

  /** Ends the rights of one login of a member who has others. @returns the sessions */
  revokeLogin(memberId: string, loginId: string, reason: string): Promise<SessionId[]> {
    return this.#revoke(memberId, reason, applianceActor, session => session.linkLogin === loginId);
  }

  /** The link of this session is over, whoever's it is; another may be made. */
  async closeLink(id: SessionId, reason: string): Promise<void> {
    const { ownerId } = await this.#options.sessions.get(id);
    if (ownerId !== null) await this.#revoke(ownerId, reason, applianceActor, session => session.id === id);
  }

  /** The customer ends what he allowed; the applet has stopped it already. */
  async customerStopped(sessionId: SessionId, consentId: string): Promise<void> {
    const change = { actor: customerActor, log: 'rights.customer-stopped', detail: { consentId } };
    await this.#options.sessions.note(sessionId, change);
  }

  async #revoke(
    memberId: string,
    reason: string,
    actor: Actor,
    isMeant: (session: SessionRow) => boolean,
  ): Promise<SessionId[]> {
    const { sessions, groups } = this.#options;
    const open = (await sessions.listOpen(memberId)).filter(one => one.ownerId === memberId && isMeant(one));
    const revoked: SessionId[] = [];
    const groupId = await groups.groupOf(memberId);
    for (const { id } of open) {
      const changes = { linkId: null, handshakeHash: null, linkLogin: null, areCodesCompared: false, groupId };
      const change = { actor, log: 'rights.revoked', detail: { member: memberId, reason }, changes };
      try {
        await sessions.note(id, change);
      } catch (error) {
        if (!(error instanceof ApplianceError && error.kind === 'conflict')) throw error;
        continue; // it has ended meanwhile, and its rights with it
      }
      revoked.push(id);
      for (const listener of this.#revoked) listener({ sessionId: id, memberId, reason });
    }
    return revoked;
  }

  // Written before the login is looked at: one that ends in between is seen here, one that ends later finds its name there.
  async #bindToLogin(session: SessionRow, loginId: string | null): Promise<void> {
    const { store, sessions } = this.#options;
    await store.core.transaction(async tx => {
      const { state, ownerId } = await sessions.get(session.id, tx);
      if (isOver(state) || ownerId !== session.ownerId) throw refused('the session has moved on');
      await changeIn(tx, session.id, state, { linkLogin: loginId });
    });
    await this.#checkAuthority(ownerOf(session), loginId);
  }

  async #checkReceipt(tx: Transaction, session: SessionRow, technician: Actor, receipt: ConsentReceipt): Promise<void> {
    const { groups, clock } = this.#options;
    if (receipt.sid !== session.id) throw refused('a yes of another session');
    this.#checkLink(session, toBase64Url(receipt.linkId));
    if (session.handshakeHash !== toBase64Url(receipt.handshake)) throw refused('a yes of another handshake');
    if (receipt.sub !== technician.id || session.ownerId !== technician.id) throw refused('a yes to someone else');
    if (receipt.answer !== 'yes' || receipt.ttlMs <= 0) throw refused('it was no yes');
    if (Math.abs(clock.now() - receipt.answeredAt) > MAX_RECEIPT_AGE_MS) throw refused('an old yes');
    const groupPath = await groups.pathOf(technician.id);
    const actor = { id: technician.id, roles: ['technician'] as const };
    checkPermissions(receipt, { actor, ownerId: session.ownerId, groupPath, state: session.state });
    const { under } = receipt;
    if (under !== null && (await findGranted(tx, session.id, toBase64Url(under))) !== SINGLE_PROMPT)
      throw refused('it follows from no yes to everything');
    const { codesMatch } = await this.policyOf(session);
    const { isClaimedTwice, areCodesCompared } = session;
    if (!areCodesCompared && mustCompareCodes(receipt.action, { codesMatch, isClaimedTwice })) {
      throw new ApplianceError('refused', 'rights.compare-codes', 'the codes have to be compared by voice first');
    }
  }

  #tellRefused(
    sessionId: SessionId,
    actor: Actor,
    { action, scope, consentId }: ConsentReceipt,
    { code, message }: ApplianceError,
  ): Promise<void> {
    const detail = { action, scope, reason: code, why: message };
    return this.#append({ event: 'rights.refused', actor, sessionId, subject: toBase64Url(consentId), detail });
  }

  // Of its own: what was refused has left nothing else behind.
  async #append(entry: AuditEvent): Promise<void> {
    const { store, audit } = this.#options;
    await store.core.transaction(tx => audit.append(tx, entry));
  }

  #checkLink(session: SessionRow, linkId: string): void {
    if (session.linkId === null || session.linkId !== linkId) throw refused('that link is no more');
  }

  async #checkAuthority(memberId: string, loginId: string | null): Promise<void> {
    if (!(await this.#options.authority(memberId, loginId)))
      throw refused('the technician is not signed in (any more)');
  }

  #sessionChanged({ sessionId, ownerId, leaver, event, state }: SessionChange): void {
    if (event === 'session.held') for (const listener of this.#stopped) listener(sessionId, 'held');
    const isHandedOn = event === 'session.offered' || event === 'session.queued';
    const reason = isHandedOn ? 'transferred' : 'ended';
    const memberId = leaver ?? ownerId;
    if (memberId === null || !(isHandedOn || isOver(state))) return;
    for (const listener of this.#revoked) listener({ sessionId, memberId, reason });
  }

  async #groupsChanged({ groupIds, memberIds }: { groupIds: readonly string[]; memberIds: readonly string[] }) {
    const { sessions } = this.#options;
    if (groupIds.length === 0) {
      for (const memberId of memberIds) await this.revokeMember(memberId, 'group-changed');
      return;
    }
    for (const session of await sessions.listOpenIn(groupIds)) {
      const policy = await this.policyOf(session);
      for (const listener of this.#narrowed) listener(session.id, policy);
    }
  }

  async #sign(type: SignedKind, object: Payload, restart = false): Promise<SignedObject> {
    const { payload, signature } = await this.#options.signer.signSessionObject(object, type, { restart });
    return { payload, signature };
  }
}

/** @throws ApplianceError `rights.refused`, or `permission.denied` with the group that says no */
function checkPermissions({ action, under }: ConsentReceipt, about: Omit<Question, 'action'>): void {
  const decisionOf = (permission: AskableAction): Decision => decide({ ...about, action: permission });
  const asked = mayAsk({ action, isUnderSinglePrompt: under !== null }, one => decisionOf(one).allowed);
  if (asked.allowed) return;
  if (asked.missing === null) throw refused('nothing a customer can be asked for');
  throw denial(asked.missing, decisionOf(asked.missing).why);
}

/** @throws ApplianceError `rights.refused` while the session waits in a channel */
function ownerOf({ ownerId }: SessionRow): string {
  if (ownerId === null) throw refused('nobody has picked the session up');
  return ownerId;
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'rights.refused', why);
}

// The life of a support session (E-02): made by a technician, claimed by an applet, picked up, set aside, handed on, over.
// A move compares and sets, with its evidence in the same transaction; who is too late is told so.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { type SessionId, sessionIdFrom } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { SessionState } from '../permissions/decision.ts';
import { ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { Channel } from './channel.ts';
import { countQueued, findChannel, insertSessionChannel } from './channel-store.ts';
import { type CustomerSaid, openCustomer, sealCustomer } from './customer-said.ts';
import { deadlineEvent, deadlineOf, isOver, nextState, openStates, type SessionEvent } from './session-state.ts';
import {
  changeIn,
  countByState,
  findSession,
  forgetSecrets,
  insertSession,
  listDue,
  listPresent,
  listQueued,
  listSessions,
  type SessionChanges,
  type SessionRow,
} from './session-store.ts';

const SWEEP_EVERY_MS = 1000;
const MAX_SWEPT_AT_ONCE = 500;
const MAX_NAME = 120;
/** Sessions a list shows at most. */
export const MAX_LISTED = 500;

/** Tells consoles that a session is to be shown anew. */
export interface SessionChange {
  readonly sessionId: SessionId;
  readonly state: SessionState;
  readonly ownerId: string | null;
  readonly offeredTo: string | null;
  readonly groupId: string;
  /** Technician whose session it was until this change. */
  readonly leaver: string | null;
  /** The audit event that told of it: `session.picked-up`. */
  readonly event: string;
}

export type Queue = 'incoming' | 'active' | 'on-hold' | 'closed';

const statesOf: Record<Queue, readonly SessionState[]> = {
  incoming: ['connecting', 'waiting', 'transferring'],
  active: ['active', 'rebooting', 'reconnecting'],
  'on-hold': ['on-hold'],
  closed: ['timed-out', 'closed'],
};

export function queueOf(state: SessionState): Queue {
  const queues: Queue[] = ['incoming', 'active', 'on-hold'];
  return queues.find(queue => statesOf[queue].includes(state)) ?? 'closed';
}

export interface Move {
  readonly event: SessionEvent;
  readonly actor: Actor;
  /** The audit event. */
  readonly log: string;
  readonly detail?: AuditDetail;
  readonly changes?: SessionChanges;
  /** Throws to refuse, once the row was read in the transaction. */
  readonly check?: (session: SessionRow) => void;
}

interface NewSessionRow extends Pick<SessionRow, 'ownerId' | 'ownerName' | 'groupId' | 'channelId' | 'language'> {
  readonly said: { readonly name: string; readonly question?: string } | null;
  readonly detail: AuditDetail;
}

export interface SessionsOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Called in the transaction that ends a session a customer was in. */
  readonly onOver?: ((tx: Transaction, id: SessionId) => Promise<void>) | undefined;
}

export class Sessions {
  readonly #store: Store;
  readonly #audit: Pick<AuditLog, 'append'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #moved;
  readonly #onOver: SessionsOptions['onOver'];
  readonly #listeners = new Set<(change: SessionChange) => void>();
  #sweeping: Promise<unknown> | null = null;
  #cancel: Cancel | null = null;

  constructor({ store, audit, clock, log, metrics, onOver }: SessionsOptions) {
    this.#store = store;
    this.#audit = audit;
    this.#clock = clock;
    this.#log = log;
    this.#onOver = onOver;
    this.#moved = metrics.counter('session_moves_total', 'Moves of support sessions by event.');
  }

  /** Ends by the clock what has waited too long, from now on. */
  start(): void {
    this.#cancel ??= this.#clock.every(SWEEP_EVERY_MS, () => {
      this.#sweeping ??= this.sweep()
        .catch(error => this.#log.error('session.sweep-failed', { why: describeError(error) }))
        .finally(() => {
          this.#sweeping = null;
        });
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#sweeping;
    this.#listeners.clear();
  }

  /** Called after the change is on the disk. */
  onChange(listener: (change: SessionChange) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param technician a member; whether he may, the caller has asked `authorise` */
  async create(
    technician: Actor,
    {
      groupId,
      customerName = null,
      language = null,
    }: { groupId: string; customerName?: string | null; language?: string | null },
  ): Promise<SessionRow> {
    if (technician.id === null)
      throw new ApplianceError('refused', 'session.no-technician', 'only a technician makes sessions');
    const { id: ownerId } = technician;
    const name = customerName?.normalize('NFC').trim().slice(0, MAX_NAME) || null;
    const owner = { ownerId, ownerName: technician.name ?? '', groupId, channelId: null };
    return this.#insert(technician, { ...owner, language, said: name === null ? null : { name }, detail: { groupId } });
  }

  /**
   * Of a customer who came by a channel: nobody's until somebody who serves it picks it up.
   * @throws ApplianceError `channel.missing`, `channel.off`, `channel.full`
   */
  createInChannel(
    customer: Actor,
    channel: Pick<Channel, 'id' | 'name'>,
    { name, question, language }: { name: string; question: string; language: string | null },
  ): Promise<SessionRow> {
    const nobody = { ownerId: null, ownerName: '', groupId: ROOT_GROUP_ID, channelId: channel.id };
    const detail = { channel: channel.name, channelId: channel.id };
    const said = { name, ...(question !== '' && { question }) };
    return this.#insert(customer, { ...nobody, language, said, detail });
  }

  /** @throws ApplianceError `session.missing` */
  async get(id: SessionId, from: Reader = this.#store.core.read): Promise<SessionRow> {
    const session = await findSession(from, id);
    if (session === undefined) throw new ApplianceError('missing', 'session.missing', 'there is no such session');
    return session;
  }

  /** What the customer said his name is; null where he didn't, or once the session's key was destroyed. */
  async customerNameOf(session: Pick<SessionRow, 'id' | 'customer'>): Promise<string | null> {
    return (await this.customerOf(session)).name;
  }

  /** What the customer said of himself before it began: his name, and at a channel what it is about. */
  customerOf(session: Pick<SessionRow, 'id' | 'customer'>): Promise<CustomerSaid> {
    return openCustomer(this.#store.sessionKeys, session);
  }

  /** Newest first. @param of the technician whose own these are and the channels he serves, or an admin's groups */
  list(
    queue: Queue,
    of: { memberId?: string; channelIds?: readonly string[]; groupIds?: readonly string[] },
  ): Promise<SessionRow[]> {
    return listSessions(this.#store.core.read, { states: statesOf[queue], limit: MAX_LISTED, ...of });
  }

  /** Sessions that are not over, of one technician. */
  listOpen(memberId: string): Promise<SessionRow[]> {
    return listSessions(this.#store.core.read, { states: openStates, memberId, limit: MAX_LISTED });
  }

  /** Every session that is not over. */
  listOpenAll(): Promise<SessionRow[]> {
    return listSessions(this.#store.core.read, { states: openStates, limit: Number.MAX_SAFE_INTEGER });
  }

  /** Sessions that wait in a channel for somebody to pick them up. */
  listQueued(): Promise<SessionRow[]> {
    return listQueued(this.#store.core.read);
  }

  /** Sessions whose applet was connected when it was last heard of. */
  listPresent(): Promise<SessionRow[]> {
    return listPresent(this.#store.core.read);
  }

  /** How many are in each state that is not over. */
  async count(): Promise<ReadonlyMap<SessionState, number>> {
    const found = await countByState(this.#store.core.read, openStates);
    return new Map(openStates.map(state => [state, found.get(state) ?? 0]));
  }

  /** Sessions that are not over, of these groups. */
  listOpenIn(groupIds: readonly string[]): Promise<SessionRow[]> {
    return listSessions(this.#store.core.read, { states: openStates, groupIds, limit: MAX_LISTED });
  }

  /**
   * Two technicians may press at once: one wins, the other is told `session.taken` or `session.state`.
   * @param groupId the technician's, where it was not his before
   * @param servedIds channels he serves
   */
  pickUp(id: SessionId, actor: Actor, groupId?: string, servedIds: readonly string[] = []): Promise<SessionRow> {
    const changes: SessionChanges = {
      ownerId: actor.id,
      ownerName: actor.name ?? '',
      offeredTo: null,
      pickedUpAt: this.#clock.now(),
      ...(groupId === undefined ? {} : { groupId }),
    };
    const check = ({ state, ownerId, offeredTo, channelId }: SessionRow) => {
      const isServed = channelId !== null && servedIds.includes(channelId);
      if (ownerId === null && isServed) return;
      // He saw it in the queue, and somebody was quicker.
      if (actor.id !== (state === 'transferring' ? offeredTo : ownerId)) throw isServed ? taken() : notYours();
    };
    return this.move(id, { event: 'pick-up', actor, log: 'session.picked-up', changes, check });
  }

  hold(id: SessionId, actor: Actor): Promise<SessionRow> {
    return this.move(id, { event: 'hold', actor, log: 'session.held', check: ownedBy(actor) });
  }

  resume(id: SessionId, actor: Actor): Promise<SessionRow> {
    return this.move(id, { event: 'resume', actor, log: 'session.resumed', check: ownedBy(actor) });
  }

  /**
   * Offers the session to another technician; who he is and that he may have it, the caller has checked. With it the
   * link ends, and all that was granted on it: whoever goes on makes a new one.
   */
  offer(id: SessionId, actor: Actor, to: { id: string; name: string }): Promise<SessionRow> {
    const detail = { technician: to.id, technicianName: to.name };
    const link = { linkId: null, handshakeHash: null, linkLogin: null, areCodesCompared: false };
    const changes = { offeredTo: to.id, ...link };
    return this.move(id, { event: 'transfer', actor, log: 'session.offered', detail, changes, check: ownedBy(actor) });
  }

  /**
   * Hands the session to the queue of a channel: whoever serves it picks it up. The link ends as with `offer`, and it is
   * nobody's until then.
   * @throws ApplianceError `channel.missing`, `channel.off`, `channel.full`
   */
  async queue(id: SessionId, actor: Actor, channel: Pick<Channel, 'id' | 'name'>): Promise<SessionRow> {
    const link = { linkId: null, handshakeHash: null, linkLogin: null, areCodesCompared: false };
    const changes = { ownerId: null, ownerName: '', offeredTo: null, channelId: channel.id, ...link };
    const detail = { channel: channel.name, channelId: channel.id };
    const check = ownedBy(actor);
    const session = await this.#store.core.transaction(async tx => {
      await checkPlace(tx, channel.id);
      await insertSessionChannel(tx, channel.id, id);
      return this.moveIn(tx, id, { event: 'queue', actor, log: 'session.queued', detail, changes, check });
    });
    this.tell(session, 'session.queued', actor.id);
    return session;
  }

  takeBack(id: SessionId, actor: Actor): Promise<SessionRow> {
    const check = ownedBy(actor);
    return this.move(id, { event: 'take-back', actor, log: 'session.taken-back', changes: { offeredTo: null }, check });
  }

  /** The customer's computer starts again, as he allowed. */
  reboot(id: SessionId, actor: Actor): Promise<SessionRow> {
    return this.move(id, { event: 'reboot', actor, log: 'session.rebooting', check: ownedBy(actor) });
  }

  /** For whoever may end it: the owner, an admin, the customer, the appliance. */
  end(id: SessionId, actor: Actor, reason: string): Promise<SessionRow> {
    return this.move(id, {
      event: 'end',
      actor,
      log: 'session.ended',
      detail: { reason },
      changes: { endReason: reason },
    });
  }

  appletLost(id: SessionId): Promise<SessionRow> {
    const changes = { isPresent: false };
    return this.move(id, { event: 'applet-lost', actor: customerActor, log: 'session.customer-lost', changes });
  }

  /** Does nothing where it is taken to be there: a warm second connection. */
  async appletBack(id: SessionId, actor: Actor): Promise<SessionRow> {
    const log = 'session.customer-back';
    const back = await this.#store.core.transaction(async tx => {
      if ((await this.get(id, tx)).isPresent) return null;
      return this.moveIn(tx, id, { event: 'applet-here', actor, log, changes: { isPresent: true } });
    });
    if (back === null) return this.get(id);
    this.tell(back, log);
    return back;
  }

  /** A new handshake (LINK): what was granted on the link before it is void. */
  async startLink(id: SessionId, link: { linkId: string; handshakeHash: string }): Promise<SessionRow> {
    const detail = { linkId: link.linkId };
    return this.note(id, {
      actor: customerActor,
      log: 'session.link-started',
      detail,
      changes: { ...link, areCodesCompared: false },
    });
  }

  /** Both sides said that the short codes are the same, on this link. */
  codesCompared(id: SessionId, actor: Actor, linkId: string): Promise<SessionRow> {
    const check = (session: SessionRow) => {
      if (session.linkId !== linkId) throw new ApplianceError('conflict', 'session.other-link', 'that link is no more');
    };
    return this.note(id, {
      actor,
      log: 'session.codes-compared',
      detail: { linkId },
      changes: { areCodesCompared: true },
      check,
    });
  }

  /** Reads the table, compares and sets. Ends the session's secrets with it. */
  async move(id: SessionId, move: Move): Promise<SessionRow> {
    const session = await this.#store.core.transaction(tx => this.moveIn(tx, id, move));
    this.tell(session, move.log);
    return session;
  }

  /** `move` as part of a greater transaction; the caller calls `tell` once that is committed. */
  async moveIn(tx: Transaction, id: SessionId, { event, ...change }: Move): Promise<SessionRow> {
    const session = await this.get(id, tx);
    change.check?.(session);
    let to = nextState(session.state, event);
    // Taken up again while the applet is away: the technician sees that it is being waited for.
    const isPresent = change.changes?.isPresent ?? session.isPresent;
    if ((to === 'active' || event === 'queue') && !isPresent) to = nextState(to, 'applet-lost');
    const now = this.#clock.now();
    const isNew = to !== session.state;
    const isQueued = (change.changes?.ownerId === undefined ? session.ownerId : change.changes.ownerId) === null;
    const deadline = deadlineOf(to, now, isQueued);
    const times: SessionChanges = isNew ? { state: to, stateAt: now, deadline } : {};
    const ended: SessionChanges = isOver(to) ? { endedAt: now, isPresent: false, offeredTo: null } : {};
    const detail = { ...change.detail, from: session.state, to };
    await this.#apply(tx, session, { ...change, detail, changes: { ...change.changes, ...times, ...ended } });
    if (isOver(to)) await forgetSecrets(tx, id);
    if (isOver(to) && session.claimedAt !== null) await this.#onOver?.(tx, id);
    this.#moved.add({ event });
    return this.get(id, tx);
  }

  /** A change that is no move, with its evidence. */
  async note(id: SessionId, change: Omit<Move, 'event'>): Promise<SessionRow> {
    const session = await this.#store.core.transaction(tx => this.noteIn(tx, id, change));
    this.tell(session, change.log);
    return session;
  }

  async noteIn(tx: Transaction, id: SessionId, change: Omit<Move, 'event'>): Promise<SessionRow> {
    const session = await this.get(id, tx);
    if (isOver(session.state)) throw new ApplianceError('conflict', 'session.over', 'the session is over');
    change.check?.(session);
    await this.#apply(tx, session, change);
    return this.get(id, tx);
  }

  /** @param leaver the technician whose session it was until now */
  tell(session: SessionRow, event: string, leaver: string | null = null): void {
    const { id: sessionId, state, ownerId, offeredTo, groupId } = session;
    for (const listener of this.#listeners) listener({ sessionId, state, ownerId, offeredTo, groupId, leaver, event });
  }

  /** Ends, or hands back, what is past its deadline. @returns how many */
  async sweep(): Promise<number> {
    const due = await listDue(this.#store.core.read, this.#clock.now(), MAX_SWEPT_AT_ONCE);
    for (const { id, state, deadline } of due) {
      const event = deadlineEvent(state);
      const log = event === 'time-out' ? 'session.timed-out' : 'session.taken-back';
      const changes = event === 'time-out' ? { endReason: `${state} too long` } : { offeredTo: null };
      const check = (now: SessionRow) => {
        if (now.state !== state || now.deadline !== deadline) throw taken();
      };
      await this.move(id, { event, actor: applianceActor, log, changes, check }).catch(error => {
        if (!(error instanceof ApplianceError && error.kind === 'conflict')) throw error;
        this.#log.info('session.moved-before-its-deadline', { sessionId: id }); // someone was quicker, and that holds
      });
    }
    return due.length;
  }

  async #insert(actor: Actor, { said, detail, ...row }: NewSessionRow): Promise<SessionRow> {
    const id = sessionIdFrom(randomBytes(16));
    await this.#store.sessionKeys.create(id); // committed before the row exists (DESIGN: acting across files)
    const customer = said && (await sealCustomer(this.#store.sessionKeys, id, said));
    const createdAt = this.#clock.now();
    const state = 'connecting' as const;
    const deadline = deadlineOf(state, createdAt, row.ownerId === null);
    await this.#store.core.transaction(async tx => {
      if (row.channelId !== null) await checkPlace(tx, row.channelId);
      await insertSession(tx, { ...row, id, state, customer, createdAt, deadline });
      if (row.channelId !== null) await insertSessionChannel(tx, row.channelId, id);
      // What he asks is found as his chat is, and goes with the session's key as that does.
      const asked = said?.question === undefined ? {} : { body: Buffer.from(said.question, 'utf8') };
      await this.#audit.append(tx, { event: 'session.created', actor, sessionId: id, detail, ...asked });
    });
    const session = await this.get(id);
    this.tell(session, 'session.created');
    return session;
  }

  async #apply(tx: Transaction, session: SessionRow, { actor, log, detail, changes }: Omit<Move, 'event' | 'check'>) {
    if (changes !== undefined && !(await changeIn(tx, session.id, session.state, changes))) throw taken();
    const channel = session.channelId === null ? {} : { channelId: session.channelId };
    await this.#audit.append(tx, { event: log, actor, sessionId: session.id, detail: { ...channel, ...detail } });
  }
}

/** The customer as the actor of what his applet does. */
export const customerActor: Actor = { kind: 'customer', id: null, name: null, address: null };

/**
 * Whether the channel takes one more, as it is in this very transaction.
 * @throws ApplianceError `channel.missing`, `channel.off`, `channel.full`
 */
async function checkPlace(tx: Transaction, channelId: string): Promise<void> {
  const channel = await findChannel(tx, channelId);
  if (channel === undefined || channel.deletedAt !== null)
    throw new ApplianceError('missing', 'channel.missing', 'there is no such channel');
  if (!channel.isEnabled) throw new ApplianceError('conflict', 'channel.off', 'that channel is switched off');
  if (((await countQueued(tx)).get(channelId) ?? 0) >= channel.maxWaiting)
    throw new ApplianceError('conflict', 'channel.full', `as many wait in ${channel.name} as may`, {
      hint: 'It has room again when somebody is picked up or leaves.',
    });
}

function ownedBy({ id }: Actor): (session: SessionRow) => void {
  return session => {
    if (session.ownerId !== id) throw notYours();
  };
}

function notYours(): ApplianceError {
  return new ApplianceError('refused', 'session.not-yours', 'the session is another technician’s');
}

function taken(): ApplianceError {
  return new ApplianceError('conflict', 'session.taken', 'someone else was first');
}

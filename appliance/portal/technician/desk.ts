// What a technician does in the console, each act in the same order: load, authorise, act, present. He acts as a technician
// here, whatever other roles he has.
import type { AuditLog } from '../../audit/audit.ts';
import type { Actor } from '../../audit/entry.ts';
import { ApplianceError } from '../../errors.ts';
import { type SessionId, toBase64Url } from '../../guid.ts';
import type { Identity } from '../../identity/identity.ts';
import { denial } from '../../permissions/authorise.ts';
import { type Action, decide, permissions, type Question } from '../../permissions/decision.ts';
import type { PublicKeyInfo } from '../../pki/signature.ts';
import type {
  ChannelView,
  ConsoleStart,
  LinkFacts,
  MadeSession,
  NewSession,
  QueueName,
  SessionDetail,
  SessionView,
  SignedView,
  TechnicianView,
} from '../../protocol/console-api.ts';
import { showPin } from '../../sessions/pin.ts';
import { isOver } from '../../sessions/session-state.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import { customerActor } from '../../sessions/sessions.ts';
import type { Support } from '../support.ts';
import type { SignedIn } from '../web/context.ts';
import { homeAddress, writeInvitation } from './invitation.ts';
import type { LogSeal } from './log-seal.ts';
import {
  presentChannel,
  presentEvent,
  presentLine,
  presentReply,
  presentSession,
  presentTechnician,
} from './present.ts';

const MAX_EVENTS = 1000;

export interface DeskParts {
  readonly support: Support;
  readonly identity: Identity;
  readonly searchAudit: AuditLog['search'];
  readonly seal: LogSeal;
  readonly sessionKey: () => Promise<PublicKeyInfo>;
  readonly organisation: { readonly name: string };
  /** The appliance's first name and the port of its first gateway: they stand in every link. */
  readonly home: () => { readonly host: string; readonly port: number };
  readonly now: () => number;
}

export class Desk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  async start({ member }: SignedIn): Promise<ConsoleStart> {
    const { support, seal, organisation, now } = this.#parts;
    const question = await this.#question('start-private-sessions', member.id, null);
    const { allowed, why } = decide(question);
    return {
      member: { id: member.id, name: member.name, roles: member.roles },
      organisation: organisation.name,
      status: await support.statuses.of(member.id),
      mayStart: { allowed, why: why.text },
      replies: (await support.replies.list(member.id)).map(presentReply),
      logKey: toBase64Url(seal.publicKey),
      appliance: { time: now() },
    };
  }

  async list({ member }: SignedIn, queue: QueueName): Promise<SessionView[]> {
    const { sessions, channels } = this.#parts.support;
    const isLine = queue === 'incoming'; // whoever waits in a channel is there, and nowhere else
    const of = { memberId: member.id, ...(isLine && { channelIds: await channels.servedBy(member.id) }) };
    const rows = await sessions.list(queue, of);
    return Promise.all(rows.map(row => this.present(row)));
  }

  async make({ actor, member }: SignedIn, wish: NewSession): Promise<MadeSession> {
    const { groups, sessions } = this.#parts.support;
    await this.#authorise(actor, 'start-private-sessions', null);
    const { id } = await sessions.create(actor, { groupId: await groups.groupOf(member.id), ...wish });
    return this.#invite(id, actor);
  }

  async newPin(as: SignedIn, id: SessionId): Promise<MadeSession> {
    await this.#may(as, id, 'make-pin');
    return this.#invite(id, as.actor);
  }

  async detail(as: SignedIn, id: SessionId): Promise<SessionDetail> {
    const { support, searchAudit } = this.#parts;
    const session = await this.#may(as, id, 'see-session');
    const question = await this.#question('see-session', as.member.id, session);
    const entries = await searchAudit({ sessionId: id, limit: MAX_EVENTS });
    return {
      session: await this.present(session),
      permissions: permissions.map(action => {
        const { allowed, why } = decide({ ...question, action });
        return { action, allowed, why: why.text };
      }),
      chat: (await support.chat.list(id)).map(presentLine),
      events: entries.map(({ entry }) => presentEvent(entry)).reverse(),
    };
  }

  async pickUp(as: SignedIn, id: SessionId): Promise<SessionView> {
    const { sessions, groups, channels } = this.#parts.support;
    await this.#may(as, id, 'pick-up');
    const [groupId, served] = [await groups.groupOf(as.member.id), await channels.servedBy(as.member.id)];
    return this.present(await sessions.pickUp(id, as.actor, groupId, served));
  }

  async hold(as: SignedIn, id: SessionId): Promise<SessionView> {
    await this.#may(as, id, 'hold');
    return this.present(await this.#parts.support.sessions.hold(id, as.actor));
  }

  async resume(as: SignedIn, id: SessionId): Promise<SessionView> {
    await this.#may(as, id, 'resume');
    return this.present(await this.#parts.support.sessions.resume(id, as.actor));
  }

  async takeBack(as: SignedIn, id: SessionId): Promise<SessionView> {
    await this.#may(as, id, 'see-session');
    return this.present(await this.#parts.support.sessions.takeBack(id, as.actor));
  }

  async end(as: SignedIn, id: SessionId, reason: string): Promise<SessionView> {
    await this.#may(as, id, 'end-session');
    return this.present(await this.#parts.support.sessions.end(id, as.actor, reason));
  }

  /** @throws ApplianceError `session.technician-away` when he is not signed in, or no technician */
  async offer(as: SignedIn, id: SessionId, technicianId: string): Promise<SessionView> {
    const { support, identity } = this.#parts;
    await this.#may(as, id, 'transfer-sessions');
    const to = await identity.members.find(technicianId);
    if (to === undefined || to.id === as.member.id || !(await support.mayAct(to.id, null))) {
      throw new ApplianceError('conflict', 'session.technician-away', 'that technician is not signed in');
    }
    return this.present(await support.sessions.offer(id, as.actor, to));
  }

  /** To whoever serves the channel and is free first. @throws ApplianceError `channel.off`, `channel.nobody`, `channel.full` */
  async queue(as: SignedIn, id: SessionId, channelId: string): Promise<SessionView> {
    const { sessions, channels } = this.#parts.support;
    await this.#may(as, id, 'transfer-sessions');
    const channel = await channels.get(channelId);
    if (!(await channels.isAttended(channel)))
      throw new ApplianceError('conflict', 'channel.nobody', 'nobody who serves that channel is at work');
    return this.present(await sessions.queue(id, as.actor, channel));
  }

  async channels(): Promise<ChannelView[]> {
    const { channels } = this.#parts.support;
    const waiting = await channels.countQueued();
    const open = (await channels.list()).filter(({ isEnabled }) => isEnabled);
    return Promise.all(
      open.map(async one => presentChannel(one, waiting.get(one.id) ?? 0, await channels.isAttended(one))),
    );
  }

  async link(as: SignedIn, id: SessionId): Promise<LinkFacts> {
    const { support, sessionKey, now } = this.#parts;
    const session = await this.#may(as, id, 'chat');
    const { policy } = await support.groups.effective(session.groupId);
    const psk = await support.entries.openPsk(session);
    const { kid, spki } = await sessionKey();
    const facts = { sid: id, psk: toBase64Url(psk), keys: [{ kid, spki }], time: now() };
    psk.fill(0);
    return { ...facts, codesMatch: policy.codesMatch, storeChat: policy.storeChat };
  }

  async certify(as: SignedIn, id: SessionId, { spk, nonce }: { spk: string; nonce: string }): Promise<SignedView> {
    const session = await this.#may(as, id, 'chat');
    const to = { role: 'console', spk, nonce, features: [], login: as.login.id } as const;
    const { payload, signature } = await this.#parts.support.rights.credential(session, to);
    return { payload: toBase64Url(payload), signature };
  }

  /** Whether a relay may be opened for him; the relay itself is `Relays`. */
  async mayLink(as: SignedIn, id: SessionId): Promise<void> {
    await this.#may(as, id, 'chat');
  }

  /** A token for the recorder: where recording is forced, or he may record. */
  async recordingToken(as: SignedIn, id: SessionId): Promise<{ token: string }> {
    const { recordings, groups } = this.#parts.support;
    const session = await this.#may(as, id, 'see-session');
    const { policy } = await groups.effective(session.groupId);
    if (!policy.forcedRecording) await this.#authorise(as.actor, 'record-sessions', session);
    return { token: recordings.issue(id, as.member.id) };
  }

  async chat(
    as: SignedIn,
    id: SessionId,
    line: { lineId: string; author: 'technician' | 'customer'; sealed: string },
  ): Promise<{ place: number; isNew: boolean }> {
    const { support, seal } = this.#parts;
    const { state } = await this.#may(as, id, 'see-session');
    if (!isOver(state)) await this.#may(as, id, 'chat'); // one that is stored already is acknowledged after the end, too
    const text = seal.open(id, line.lineId, line.sealed);
    const actor = line.author === 'technician' ? as.actor : customerActor;
    return support.chat.add(id, { lineId: line.lineId, author: line.author, text, actor });
  }

  async tellAction(as: SignedIn, id: SessionId, told: Parameters<Support['actions']['fromConsole']>[2]): Promise<void> {
    await this.#may(as, id, 'see-session');
    await this.#parts.support.actions.fromConsole(id, as.actor, told);
  }

  async codes(as: SignedIn, id: SessionId, said: { linkId: string; match: boolean }): Promise<void> {
    await this.#may(as, id, 'chat');
    await this.#parts.support.codes.say(id, 'technician', { actor: as.actor, ...said });
  }

  async technicians(): Promise<TechnicianView[]> {
    const { identity, support } = this.#parts;
    const statuses = await support.statuses.list();
    const members = await identity.members.list();
    const able = members.filter(({ state, roles }) => state === 'enabled' && roles.includes('technician'));
    return able.map(member => presentTechnician(member, statuses));
  }

  async present(session: SessionRow): Promise<SessionView> {
    const { sessions, channels } = this.#parts.support;
    return presentSession(session, await sessions.customerOf(session), await channels.nameOf(session.channelId));
  }

  async #invite(id: SessionId, actor: SignedIn['actor']): Promise<MadeSession> {
    const { support, organisation } = this.#parts;
    const { pin, expiresAt: pinExpiresAt } = await support.entries.makePin(id, actor);
    const { code, expiresAt: linkExpiresAt } = await support.entries.makeLink(id, actor);
    const session = await this.present(await support.sessions.get(id));
    const { host, port } = this.#parts.home();
    const home = homeAddress(host, port);
    const shown = { link: `${home}/s/${code}`, pin: showPin(pin) };
    const { customerName } = session;
    const about = { home, organisation: organisation.name, technician: actor.name ?? '', customerName };
    return { session, ...shown, pinExpiresAt, linkExpiresAt, email: writeInvitation({ ...shown, ...about }) };
  }

  /** @returns the session, when he may; @throws ApplianceError `session.missing`, `permission.denied` */
  async #may({ member, actor }: SignedIn, id: SessionId, action: Action): Promise<SessionRow> {
    const session = await this.#parts.support.sessions.get(id);
    const isTheirs = session.ownerId === member.id || session.offeredTo === member.id;
    const isServed = session.channelId !== null && (await this.#serves(member.id, session.channelId));
    // He has seen it in the queue, and somebody was quicker.
    if (!isTheirs && isServed && action === 'pick-up' && session.ownerId !== null)
      throw new ApplianceError('conflict', 'session.taken', 'someone else was first');
    // Another's session is as good as not there: its state is nobody's business.
    if (!isTheirs && !(isServed && isQueued(session)))
      throw new ApplianceError('missing', 'session.missing', 'there is no such session');
    await this.#authorise(actor, action, session);
    return session;
  }

  async #serves(memberId: string, channelId: string): Promise<boolean> {
    return (await this.#parts.support.channels.servedBy(memberId)).includes(channelId);
  }

  /** A console offers what is allowed: who asks for what his group may not is in the log (G-01). */
  async #authorise(actor: Actor, action: Action, session: SessionRow | null): Promise<void> {
    const { allowed, why } = decide(await this.#question(action, actor.id ?? '', session));
    if (allowed) return;
    const error = denial(action, why);
    if (why.by === 'permission') await this.#parts.support.rights.tellDenied(actor, action, session?.id ?? null, error);
    throw error;
  }

  async #question(action: Action, memberId: string, session: SessionRow | null): Promise<Question> {
    const actor = { id: memberId, roles: ['technician'] as const };
    const groupPath = await this.#parts.support.groups.pathOf(memberId);
    const ownerId = session === null ? null : ownerFor(session, memberId, action);
    return { action, actor, ownerId, groupPath, state: session?.state ?? null };
  }
}

/**
 * Whoever a session was offered to, or serves the channel it waits in, may look at it and pick it up: for that it counts as
 * his. That he serves the channel, `#may` has seen to.
 */
function ownerFor(session: SessionRow, memberId: string, action: Action): string | null {
  const isForHim = session.offeredTo === memberId || isQueued(session);
  return isForHim && (action === 'see-session' || action === 'pick-up') ? memberId : session.ownerId;
}

function isQueued({ ownerId, channelId, state }: SessionRow): boolean {
  return ownerId === null && channelId !== null && !isOver(state);
}

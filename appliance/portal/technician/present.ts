// What consoles are shown (protocol/console-api.ts).
import type { AuditEntry } from '../../audit/entry.ts';
import type { Member } from '../../identity/member.ts';
import type {
  ChannelView,
  ChatLineView,
  ReplyView,
  SessionEventView,
  SessionView,
  TechnicianView,
} from '../../protocol/console-api.ts';
import type { Channel } from '../../sessions/channel.ts';
import type { ChatLine } from '../../sessions/chat.ts';
import type { CustomerSaid } from '../../sessions/customer-said.ts';
import type { Reply, StatusRow } from '../../sessions/session-log-store.ts';
import type { SessionRow } from '../../sessions/session-store.ts';
import { queueOf } from '../../sessions/sessions.ts';

export function presentSession(
  session: SessionRow,
  { name: customerName, question }: CustomerSaid,
  channel: string | null,
): SessionView {
  return {
    id: session.id,
    state: session.state,
    queue: queueOf(session.state),
    owner: { id: session.ownerId, name: session.ownerName },
    offeredTo: session.offeredTo,
    channel,
    customerName,
    question,
    language: session.language,
    platform: session.platform,
    isPresent: session.isPresent,
    isClaimedTwice: session.isClaimedTwice,
    areCodesCompared: session.areCodesCompared,
    createdAt: session.createdAt,
    stateAt: session.stateAt,
    pickedUpAt: session.pickedUpAt,
    endedAt: session.endedAt,
    endReason: session.endReason,
    deadline: session.deadline,
  };
}

export function presentLine({ lineId, place, author, at, text }: ChatLine): ChatLineView {
  return { lineId, place, author, at, text };
}

export function presentEvent({ at, event, actor, detail }: AuditEntry): SessionEventView {
  return { at, event, actor: actor.name ?? actor.kind, detail };
}

export function presentReply({ id, ownerId, title, text }: Reply): ReplyView {
  return { id, title, text, isShared: ownerId === null };
}

export function presentChannel({ id, name }: Channel, waiting: number, isAttended: boolean): ChannelView {
  return { id, name, waiting, isAttended };
}

export function presentTechnician(
  { id, name }: Pick<Member, 'id' | 'name'>,
  statuses: readonly StatusRow[],
): TechnicianView {
  return { id, name, status: statuses.find(({ memberId }) => memberId === id)?.status ?? 'away' };
}

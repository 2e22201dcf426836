// What is told of an ended session outside of the appliance: put together from what sessions, groups, chat and log know.
import type { AuditLog } from '../audit/audit.ts';
import type { DescribeSession, SessionDetails } from '../audit/session-details.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { pathName } from '../permissions/decision.ts';
import type { Support } from './support.ts';

const MAX_EVENTS = 2000;
/** Of the log, and not for others: what an evidence bundle is for. */
const NOT_TOLD = ['chat.', 'post.', 'recording.', 'session.viewed'];

export function sessionDescriber(
  { sessions, groups, channels, chat }: Pick<Support, 'sessions' | 'groups' | 'channels' | 'chat'>,
  audit: Pick<AuditLog, 'search'>,
): DescribeSession {
  return async (id, withChat) => {
    try {
      const session = await sessions.get(id);
      const {
        state,
        endReason: reason,
        ownerId,
        ownerName,
        language,
        platform,
        createdAt,
        pickedUpAt,
        endedAt,
      } = session;
      const times = { createdAt, pickedUpAt, endedAt };
      const { name: customer, question } = await sessions.customerOf(session);
      const who = { technicianId: ownerId, technician: ownerName, customer, question: withChat ? question : null };
      const channel = await channels.nameOf(session.channelId);
      const group = pathName(await groups.path(session.groupId));
      const more = { events: await eventsOf(audit, id), chat: withChat ? await linesOf(chat, id) : null };
      return { id, state, reason, ...who, channel, group, language, platform, ...times, ...more };
    } catch (error) {
      if (error instanceof ApplianceError && error.code === 'session.missing') return null;
      throw error;
    }
  };
}

async function eventsOf(audit: Pick<AuditLog, 'search'>, sessionId: SessionId): Promise<SessionDetails['events']> {
  const found = await audit.search({ sessionId, limit: MAX_EVENTS });
  return found
    .reverse()
    .filter(({ entry }) => !NOT_TOLD.some(prefix => entry.event.startsWith(prefix)))
    .map(({ entry: { at, event, actor } }) => ({ at, event, by: actor.name ?? actor.kind }));
}

async function linesOf(chat: Support['chat'], id: SessionId): Promise<NonNullable<SessionDetails['chat']>> {
  try {
    const lines = await chat.list(id);
    return lines.flatMap(({ at, author, text }) => (text === null ? [] : [{ at, author, text }]));
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'session-key.destroyed') return [];
    throw error;
  }
}

// What was typed on the page of the log becomes what is looked for; what can't be is told at its field.
import { parseText } from '../../audit/words.ts';
import { ApplianceError } from '../../errors.ts';
import { parseSessionId } from '../../guid.ts';
import type { LogCriteria } from '../audit-desk.ts';

const DAY_MS = 86_400_000;
const ID = /^[A-Za-z0-9_-]{22}$/;

/** As typed; an empty field narrows nothing. */
export type LogFilter = Readonly<
  Record<
    'from' | 'until' | 'event' | 'member' | 'group' | 'channel' | 'customer' | 'session' | 'text' | 'before',
    string
  >
>;

/** The field an error is about. */
export const AUDIT_FIELDS = {
  ...{ 'audit.from': 'from', 'audit.until': 'until', 'audit.event': 'event', 'audit.session': 'session' },
  ...{ 'audit.customer': 'customer', 'audit.text': 'text' },
};

/** Days are in UTC, as the log is. @throws ApplianceError `audit.…` */
export function criteriaOf({
  from,
  until,
  event,
  member,
  group,
  channel,
  customer,
  session,
  text,
  before,
}: LogFilter): LogCriteria {
  const [first, last] = [dayOf(from, 'from'), dayOf(until, 'until')];
  if (first !== undefined && last !== undefined && last < first)
    throw wrong('until', 'the last day is before the first');
  const [name, what] = [customer.trim(), event.trim().toLowerCase()];
  if (!/^[a-z0-9.-]{0,64}$/.test(what))
    throw wrong('event', 'an event, or how it begins, has letters, digits, dots and hyphens: login.refused, login.');
  if (text.trim() !== '') parseText(text);
  if (name.length > 120) throw wrong('customer', 'a name has at most 120 characters');
  return {
    ...(first !== undefined && { from: first }),
    ...(last !== undefined && { until: last + DAY_MS }),
    ...(what !== '' && { event: what }),
    ...(member !== '' && { actorId: idOf(member, 'member') }),
    ...(group !== '' && { groupId: idOf(group, 'group') }),
    ...(channel !== '' && { channelId: idOf(channel, 'channel') }),
    ...(name !== '' && { customer: name }),
    ...(session.trim() !== '' && { sessionId: sessionOf(session.trim()) }),
    ...(text.trim() !== '' && { text: text.trim() }),
    ...(before !== '' && { before: cursorOf(before) }),
  };
}

/** What of it stays in the address; the page in it is another matter. */
export function searchOf({ before: _, ...filter }: LogFilter): Record<string, string> {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
}

function dayOf(typed: string, field: 'from' | 'until'): number | undefined {
  if (typed === '') return undefined;
  const at = /^\d{4}-\d\d-\d\d$/.test(typed) ? Date.parse(typed) : Number.NaN;
  // Of 31 February a Date makes another day.
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== typed)
    throw wrong(field, 'a day is written as 2026-03-31, and there has to be one');
  return at;
}

/** They come from lists and links of ours. */
function idOf(typed: string, field: string): string {
  if (!ID.test(typed)) throw wrong(field, `the ${field} is none of the list`);
  return typed;
}

function cursorOf(typed: string): number {
  const seq = /^\d{1,16}$/.test(typed) ? Number(typed) : 0;
  if (seq < 1 || !Number.isSafeInteger(seq)) throw wrong('before', 'the page is given by the number of an entry');
  return seq;
}

function sessionOf(typed: string) {
  try {
    return parseSessionId(typed);
  } catch (cause) {
    throw new ApplianceError('malformed', 'audit.session', 'a session has a number of 22 characters', { cause });
  }
}

function wrong(field: string, message: string): ApplianceError {
  return new ApplianceError('malformed', `audit.${field}`, message);
}

// What a channel is (E-01): a name, a link that leads customers in, and the groups that serve its queue.
import { ApplianceError } from '../errors.ts';

export const MAX_CHANNEL_NAME = 80;
export const MAX_CHANNEL_TEXT = 500;
export const MOST_WAITING = 500;
export const MAX_QUESTION = 500;
export const MAX_CUSTOMER_NAME = 120;

/** What an admin sets. */
export interface ChannelSettings {
  readonly name: string;
  /** Above the customer's questions; may be empty. */
  readonly greeting: string;
  /** What stands there while nobody serves the channel; may be empty. */
  readonly awayText: string;
  readonly isEnabled: boolean;
  /** Customers who may wait in it at once. */
  readonly maxWaiting: number;
  /** Technicians in these groups, and in those below them, serve it. */
  readonly groupIds: readonly string[];
}

export interface Channel extends ChannelSettings {
  readonly id: string;
  /** 22 characters, in the address customers open. */
  readonly link: string;
  /** Counts changes. */
  readonly version: number;
  /** ms UTC */
  readonly createdAt: number;
  readonly deletedAt: number | null;
}

/** @throws ApplianceError `channel.name`, `channel.greeting`, `channel.away-text`, `channel.max-waiting` */
export function parseChannel(given: ChannelSettings): ChannelSettings {
  const { isEnabled, maxWaiting, groupIds } = given;
  const name = given.name.normalize('NFC').trim();
  if (name.length < 1 || name.length > MAX_CHANNEL_NAME || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name))
    throw wrong('name', `a channel’s name has 1 to ${MAX_CHANNEL_NAME} characters`);
  if (!Number.isInteger(maxWaiting) || maxWaiting < 1 || maxWaiting > MOST_WAITING)
    throw wrong('max-waiting', `between 1 and ${MOST_WAITING} customers wait at once`);
  const greeting = parseLines(given.greeting, 'greeting');
  const awayText = parseLines(given.awayText, 'away-text');
  return { name, greeting, awayText, isEnabled, maxWaiting, groupIds: [...new Set(groupIds)].toSorted() };
}

/** What a customer says before he waits. */
export interface CustomerSays {
  readonly name: string;
  readonly question: string;
}

/** @throws ApplianceError `channel.customer-name`, `channel.question` */
export function parseCustomer(given: CustomerSays): CustomerSays {
  const [name, question] = [given.name.normalize('NFC').trim(), linesOf(given.question)];
  if (name.length < 1 || name.length > MAX_CUSTOMER_NAME || /\p{Cc}/u.test(name))
    throw wrong('customer-name', `your name has 1 to ${MAX_CUSTOMER_NAME} characters`);
  if (question.length > MAX_QUESTION) throw wrong('question', `at most ${MAX_QUESTION} characters`);
  return { name, question };
}

function parseLines(given: string, field: 'greeting' | 'away-text'): string {
  const text = linesOf(given);
  if (text.length > MAX_CHANNEL_TEXT) throw wrong(field, `at most ${MAX_CHANNEL_TEXT} characters`);
  return text;
}

/** Plain text of a few lines: whatever else controls a screen is taken out. */
function linesOf(given: string): string {
  const text = given.normalize('NFC').replaceAll(/\r\n?/g, '\n');
  return text.replaceAll(/[^\P{Cc}\n]/gu, ' ').trim();
}

function wrong(field: string, message: string): ApplianceError {
  return new ApplianceError('malformed', `channel.${field}`, message);
}

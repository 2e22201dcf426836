// The details of a session in the three forms a CRM may want.
import { escapeXml } from '../../protocol/xml-text.ts';
import type { PostFormat } from '../post-settings.ts';
import type { SessionDetails } from '../session-details.ts';

export interface Written {
  readonly type: string;
  readonly body: string;
}

/** What may be said of the session, in any form: nothing is null, instants are ISO 8601 in UTC. */
interface Told {
  readonly [name: string]: string | number | readonly Told[];
}

export function writeDetails(details: SessionDetails, format: PostFormat): Written {
  const told = tell(details);
  if (format === 'json') return { type: 'application/json', body: JSON.stringify({ version: 1, session: told }) };
  if (format === 'xml') {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<session version="1">${xml(told)}</session>\n`;
    return { type: 'application/xml; charset=utf-8', body };
  }
  return { type: 'application/x-www-form-urlencoded', body: new URLSearchParams(fields(told)).toString() };
}

function tell({ events, chat, createdAt, pickedUpAt, endedAt, ...facts }: SessionDetails): Told {
  const known = Object.entries(facts).filter(([, value]) => value !== null) as [string, string][];
  const times = { createdAt: iso(createdAt), ...(pickedUpAt === null ? {} : { pickedUpAt: iso(pickedUpAt) }) };
  const seconds = pickedUpAt === null || endedAt === null ? {} : { seconds: Math.round((endedAt - pickedUpAt) / 1000) };
  return {
    ...Object.fromEntries(known),
    ...{ ...times, ...(endedAt === null ? {} : { endedAt: iso(endedAt) }), ...seconds },
    events: events.map(({ at, event, by }) => ({ at: iso(at), event, by })),
    ...(chat === null ? {} : { chat: chat.map(({ at, author, text }) => ({ at: iso(at), author, text })) }),
  };
}

function xml(told: Told): string {
  return Object.entries(told)
    .map(([name, value]) => {
      if (!Array.isArray(value)) return `<${name}>${escapeXml(String(value))}</${name}>`;
      const item = name === 'chat' ? 'line' : 'event';
      return `<${name}>${value.map((one: Told) => `<${item}>${xml(one)}</${item}>`).join('')}</${name}>`;
    })
    .join('');
}

/** A form has no lists: one line each. */
function fields(told: Told): [string, string][] {
  return Object.entries(told).map(([name, value]) => {
    if (!Array.isArray(value)) return [name, String(value)];
    return [name, value.map((one: Told) => Object.values(one).map(oneLine).join(' ')).join('\n')];
  });
}

function oneLine(value: unknown): string {
  return String(value).replaceAll(/\s*[\r\n]+\s*/g, ' ');
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

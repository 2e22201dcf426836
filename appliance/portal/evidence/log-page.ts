// The log of one session as a page to be read and printed: no script, no style, everything in it escaped.
import type { AuditEntry } from '../../audit/entry.ts';
import type { ChatLine } from '../../sessions/chat.ts';

export interface LogPageFacts {
  readonly sid: string;
  readonly organisation: string;
  readonly madeAt: number;
  readonly madeBy: string;
  readonly isErased: boolean;
  readonly session: Readonly<Record<string, string | number>>;
  readonly entries: readonly AuditEntry[];
  /** Null where the session was erased. */
  readonly lines: readonly ChatLine[] | null;
}

const NAMES: Readonly<Record<string, string>> = {
  ...{ state: 'State', endReason: 'Ended because', technician: 'Technician', technicianId: 'Technician’s id' },
  ...{
    customer: 'Customer',
    question: 'What it is about',
    channel: 'Channel',
    group: 'Group',
    language: 'Language',
    platform: 'Customer’s system',
  },
  ...{ createdAt: 'Made', pickedUpAt: 'Picked up', endedAt: 'Ended' },
};

export function logPage({
  sid,
  organisation,
  madeAt,
  madeBy,
  isErased,
  session,
  entries,
  lines,
}: LogPageFacts): string {
  const facts = Object.entries(session).map(([name, value]) => row(NAMES[name] ?? name, factOf(name, value)));
  const said = (lines ?? []).map(({ at, author, text }) => row(time(at), author, text ?? 'not kept'));
  const acts = entries.map(entry => row(...actOf(entry)));
  const erased = '<p>This session was erased: its texts and the customer’s name can be read by nobody any more.</p>';
  const noChat = '<p>Nothing was written.</p>';
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<title>Session ${escaped(sid)}</title></head><body>
<h1>Support session ${escaped(sid)}</h1>
<p>${organisation === '' ? '' : `Of ${escaped(organisation)}. `}This bundle was made ${time(madeAt)} for ${escaped(madeBy)}. All times are UTC. Open verify.html to check it.</p>
${isErased ? erased : ''}
<h2>Session</h2>
${table(['What', ''], facts)}
<h2>Chat</h2>
${said.length === 0 ? noChat : table(['Time', 'By', 'Text'], said)}
<h2>Log</h2>
${table(['No.', 'Time', 'Event', 'By', 'Address', 'On', 'Detail'], acts)}
</body></html>
`;
}

function actOf({ seq, at, event, actor, subject, detail }: AuditEntry): string[] {
  const details = Object.entries(detail).map(([name, value]) => `${name}: ${String(value)}`);
  const who = actor.name ?? actor.kind;
  return [String(seq), time(at), event, who, actor.address ?? '', subject ?? '', details.join(' · ')];
}

function factOf(name: string, value: string | number): string {
  return name.endsWith('At') ? time(Number(value)) : String(value);
}

function table(heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map(name => `<th scope="col">${escaped(name)}</th>`).join('');
  return `<table border="1"><thead><tr>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

function row(...cells: readonly string[]): string {
  return `<tr>${cells.map(cell => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
}

function time(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19);
}

function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, character => entities[character] ?? '');
}

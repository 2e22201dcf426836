// The erasure of a session as its page shows it: whether it can be erased, or what became of it, and what no erasure reaches. That
// is taken from the log, for it names who has a copy; its times are UTC, as all on that page.

import type { AuditEntry } from '../../audit/entry.ts';
import type { Erasure } from '../../audit/erasures.ts';
import { isOver } from '../../sessions/session-state.ts';
import { DAYS_KEPT } from '../../store/session-key-backup.ts';
import type { SeenSession } from '../session-desk.ts';
import type { Form } from '../web/forms.ts';

const DAY_MS = 86_400_000;
/** So many characters of the session's number are typed by whoever erases it. */
export const TYPED_CHARACTERS = 6;
const COPIES: Readonly<Record<string, string>> = {
  'recording.downloaded': 'a film',
  'recording.viewed': 'a film, played in the page',
  'session.evidence-exported': 'the evidence bundle',
  'share.opened': 'a film, from the recording share',
};

export function presentErasure(seen: SeenSession, isMaster: boolean, form: Form) {
  const { head, erasure, hold, id } = seen;
  const mayBe = isMaster && erasure === null && head !== null;
  return {
    erasure: erasure === null ? null : { ...asked(erasure), ...unreachable(seen, erasure) },
    hold: hold === null ? null : { by: hold.setByName, at: timeOf(hold.setAt) },
    eraseForm: mayBe && hold === null && isOver(head.state) ? form : null,
    eraseFault: form.fault,
    isMaster,
    typed: { count: TYPED_CHARACTERS, text: id.slice(0, TYPED_CHARACTERS) },
  };
}

function asked({ reason, askedByName, askedAt, doneAt }: Erasure) {
  return { reason, by: askedByName, at: timeOf(askedAt), done: doneAt === null ? null : timeOf(doneAt) };
}

function unreachable({ entries, backups }: SeenSession, { askedAt }: Erasure) {
  const posted = entries.filter(({ event }) => event === 'post.sent');
  const files = entries.filter(({ event }) => event === 'action.file').length;
  return {
    copies: entries.flatMap(copyOf),
    posts: posted.map(({ at }) => timeOf(at)),
    backups: backups.filter(({ at }) => at < askedAt).map(({ name }) => name),
    backupsUntil: timeOf(askedAt + DAYS_KEPT * DAY_MS).slice(0, 10),
    files,
  };
}

function copyOf({ event, at, actor, detail }: AuditEntry) {
  const what = COPIES[event];
  if (what === undefined) return [];
  const form = detail.form === undefined ? '' : ` (${String(detail.form).toUpperCase()})`;
  return [{ who: actor.name ?? actor.kind, when: timeOf(at), what: `${what}${form}` }];
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19);
}

// The chat log (E-03 G-01 B-05). A line has an id its author made; sent again after a lost connection it is stored once and
// acknowledged each time. Text is sealed under the session's key, or not kept at all where the group's policy says so.
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, bodyLabel } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Groups } from '../permissions/groups.ts';
import { resolvePolicy } from '../permissions/policy.ts';
import { MAX_LINE_BYTES } from '../protocol/chat.ts';
import type { Store } from '../store/store.ts';
import { type Author, findLine, insertLine, listLines } from './session-log-store.ts';
import { sha256 } from './session-secrets.ts';
import { isOver } from './session-state.ts';
import type { Sessions } from './sessions.ts';

const MAX_LINES = 20_000;
const LINE_ID = /^[A-Za-z0-9_-]{22}$/;

export interface ChatLine {
  readonly lineId: string;
  /** 1, 2, 3 … within the session. */
  readonly place: number;
  readonly author: Author;
  /** ms UTC */
  readonly at: number;
  /** Null where text is not kept, or was erased. */
  readonly text: string | null;
}

export interface ChatOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append' | 'search'>;
  readonly sessions: Sessions;
  readonly groups: Groups;
  readonly clock: Clock;
}

export class Chat {
  readonly #options: ChatOptions;

  constructor(options: ChatOptions) {
    this.#options = options;
  }

  /**
   * @returns the line's place; `isNew` false when it was stored before
   * @throws ApplianceError `chat.other-line` for a known id with another text, `chat.line-size`, `session.over`
   */
  async add(
    sessionId: SessionId,
    line: { lineId: string; author: Author; text: string; actor: Actor },
  ): Promise<{ place: number; isNew: boolean }> {
    const { store, audit, sessions, groups, clock } = this.#options;
    const { lineId, author, actor } = line;
    const text = Buffer.from(checkText(line.text), 'utf8');
    if (!LINE_ID.test(lineId)) throw new ApplianceError('malformed', 'chat.line-id', 'the id of a line has 16 bytes');
    const result = await store.core.transaction(async tx => {
      const session = await sessions.get(sessionId, tx);
      const known = await findLine(tx, sessionId, lineId);
      const label = markLabel(sessionId, lineId);
      if (known !== undefined) {
        const mark = await store.sessionKeys.open(sessionId, label, known.mark);
        if (known.author === author && Buffer.from(mark).equals(sha256(text)))
          return { place: known.place, isNew: false };
        throw new ApplianceError('conflict', 'chat.other-line', 'that line has another text already');
      }
      if (isOver(session.state)) throw new ApplianceError('conflict', 'session.over', 'the session is over');
      const { policy } = resolvePolicy(await groups.path(session.groupId));
      const mark = await store.sessionKeys.seal(sessionId, label, sha256(text));
      const place = await insertLine(tx, { sessionId, lineId, author, at: clock.now(), mark });
      if (place > MAX_LINES)
        throw new ApplianceError('limited', 'chat.too-long', `a chat has at most ${MAX_LINES} lines`);
      const body = policy.storeChat ? { body: text } : {};
      await audit.append(tx, {
        event: 'chat.line',
        actor,
        sessionId,
        subject: lineId,
        detail: { author, place },
        ...body,
      });
      return { place, isNew: true };
    });
    if (result.isNew) sessions.tell(await sessions.get(sessionId), 'chat.line');
    return result;
  }

  /** Every line, in order. */
  async list(sessionId: SessionId): Promise<ChatLine[]> {
    const { store, audit } = this.#options;
    const rows = await listLines(store.core.read, sessionId);
    const entries = await audit.search({ sessionId, event: 'chat.line', limit: MAX_LINES });
    const texts = new Map<string, string>();
    for (const { entry, body } of entries) {
      if (body === null || entry.subject === null) continue;
      texts.set(entry.subject, await this.#open(sessionId, bodyLabel(entry.log, entry.seq), body));
    }
    return rows.map(({ lineId, place, author, at }) => ({
      lineId,
      place,
      author,
      at,
      text: texts.get(lineId) ?? null,
    }));
  }

  /** What the applet's report of this line must say. @returns undefined for a line that isn't there (yet) */
  async digestOf(sessionId: SessionId, lineId: string): Promise<Uint8Array | undefined> {
    const { store } = this.#options;
    const line = await findLine(store.core.read, sessionId, lineId);
    return line && store.sessionKeys.open(sessionId, markLabel(sessionId, lineId), line.mark);
  }

  async #open(sessionId: SessionId, label: string, body: Uint8Array): Promise<string> {
    return Buffer.from(await this.#options.store.sessionKeys.open(sessionId, label, body)).toString('utf8');
  }
}

function checkText(text: string): string {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes > 0 && bytes <= MAX_LINE_BYTES && text.isWellFormed()) return text;
  throw new ApplianceError('malformed', 'chat.line-size', `a line has 1 to ${MAX_LINE_BYTES} bytes`);
}

function markLabel(sessionId: SessionId, lineId: string): string {
  return `session/${sessionId}/chat/${lineId}`;
}

// The short string (B-04): technician and customer each say whether they read the same code on this very link. Only when
// both said so are the codes compared. What one of them said is kept for the life of this process and that link alone. The
// technician may be the first to know of a link: his yes waits until the customer's side has told of it, too. His no is told at once,
// for with somebody between the two the customer's side never tells of that link.
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { isOver } from './session-state.ts';
import type { SessionRow } from './session-store.ts';
import type { Sessions } from './sessions.ts';

export type Side = 'technician' | 'customer';

interface Said {
  readonly linkId: string;
  readonly by: ReadonlySet<Side>;
}

interface Word {
  readonly actor: Actor;
  readonly linkId: string;
  readonly match: boolean;
}

export class Codes {
  readonly #sessions: Sessions;
  readonly #said = new Map<SessionId, Said>();
  /** The technician's yes, his last word, of a link that is not known here yet. */
  readonly #early = new Map<SessionId, Word>();
  readonly #stop;

  constructor({ sessions }: { sessions: Sessions }) {
    this.#sessions = sessions;
    this.#stop = sessions.onChange(({ sessionId, state }) => {
      if (isOver(state)) this.#forget(sessionId);
    });
  }

  /**
   * A no is told to everyone and takes back what the other side had said.
   * @returns whether both have said by now that they are the same
   * @throws ApplianceError `session.other-link` for the customer, `session.over`
   */
  async say(sessionId: SessionId, side: Side, word: Word): Promise<boolean> {
    if (side === 'technician' && !word.match) this.#early.delete(sessionId);
    else if (side === 'technician') this.#early.set(sessionId, word); // before it is asked for: it may become known meanwhile
    const session = await this.#sessions.get(sessionId);
    if (isOver(session.state)) this.#forget(sessionId);
    if (side === 'customer' || isOver(session.state)) checkLink(session, word.linkId);
    else if (word.match && (session.linkId !== word.linkId || !this.#takeEarly(sessionId, word))) return false;
    return this.#count(session, side, word);
  }

  /** The customer's side has told of a link. */
  async linkStarted(session: SessionRow): Promise<void> {
    const early = this.#early.get(session.id);
    if (early === undefined || early.linkId !== session.linkId) return;
    if (this.#takeEarly(session.id, early)) await this.#count(session, 'technician', early);
  }

  async #count(session: SessionRow, side: Side, { actor, linkId, match }: Word): Promise<boolean> {
    if (!match) {
      if (this.#said.get(session.id)?.linkId === linkId) this.#said.delete(session.id);
      const change = { actor, log: 'session.codes-differ', detail: { linkId, side } };
      const check = (now: SessionRow) => (side === 'customer' ? checkLink(now, linkId) : undefined);
      const changes = session.linkId === linkId ? { changes: { areCodesCompared: false } } : {};
      await this.#sessions.note(session.id, { ...change, check, ...changes });
      return false;
    }
    const before = this.#said.get(session.id);
    const by = new Set([...(before?.linkId === linkId ? before.by : []), side]);
    this.#said.set(session.id, { linkId, by });
    if (by.size < 2) return false;
    if (!session.areCodesCompared) await this.#sessions.codesCompared(session.id, actor, linkId);
    return true;
  }

  /** @returns false when somebody else has taken it, or a later word came */
  #takeEarly(sessionId: SessionId, word: Word): boolean {
    return this.#early.get(sessionId) === word && this.#early.delete(sessionId);
  }

  #forget(sessionId: SessionId): void {
    this.#said.delete(sessionId);
    this.#early.delete(sessionId);
  }

  close(): void {
    this.#stop();
    this.#said.clear();
    this.#early.clear();
  }
}

function checkLink(session: SessionRow, linkId: string): void {
  if (isOver(session.state)) throw new ApplianceError('conflict', 'session.over', 'the session is over');
  if (session.linkId === linkId) return;
  throw new ApplianceError('conflict', 'session.other-link', 'that link is no more');
}

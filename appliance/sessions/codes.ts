// The short string (B-04): technician and customer each say whether they read the same code on this very link. Only when
// both said so are the codes compared. What one of them said is kept for the life of this process and that link alone.
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

export class Codes {
  readonly #sessions: Sessions;
  readonly #said = new Map<SessionId, Said>();
  readonly #stop;

  constructor({ sessions }: { sessions: Sessions }) {
    this.#sessions = sessions;
    this.#stop = sessions.onChange(({ sessionId, state }) => {
      if (isOver(state)) this.#said.delete(sessionId);
    });
  }

  /**
   * A no is told to everyone and takes back what the other side had said.
   * @returns whether both have said by now that they are the same
   * @throws ApplianceError `session.other-link`, `session.over`
   */
  async say(
    sessionId: SessionId,
    side: Side,
    { actor, linkId, match }: { actor: Actor; linkId: string; match: boolean },
  ): Promise<boolean> {
    const session = await this.#sessions.get(sessionId);
    checkLink(session, linkId);
    if (!match) {
      this.#said.delete(sessionId);
      const change = { actor, log: 'session.codes-differ', detail: { linkId, side } };
      const check = (now: SessionRow) => checkLink(now, linkId);
      await this.#sessions.note(sessionId, { ...change, check, changes: { areCodesCompared: false } });
      return false;
    }
    const before = this.#said.get(sessionId);
    const by = new Set([...(before?.linkId === linkId ? before.by : []), side]);
    this.#said.set(sessionId, { linkId, by });
    if (by.size < 2) return false;
    if (!session.areCodesCompared) await this.#sessions.codesCompared(sessionId, actor, linkId);
    return true;
  }

  close(): void {
    this.#stop();
    this.#said.clear();
  }
}

function checkLink(session: SessionRow, linkId: string): void {
  if (isOver(session.state)) throw new ApplianceError('conflict', 'session.over', 'the session is over');
  if (session.linkId === linkId) return;
  throw new ApplianceError('conflict', 'session.other-link', 'that link is no more');
}

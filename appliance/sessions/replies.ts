// Replies a technician has ready (E-03): shared ones, kept by admins, and his own.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import type { Store } from '../store/store.ts';
import { countReplies, deleteReply, findReply, listReplies, putReply, type Reply } from './session-log-store.ts';

const MAX_TITLE = 80;
const MAX_TEXT = 4000;
const MAX_REPLIES = 500;

/** Whose: `shared` is for admins, which the caller has checked. */
export type Shelf = 'own' | 'shared';

export class Replies {
  readonly #store: Store;
  readonly #audit: Pick<AuditLog, 'append'>;

  constructor({ store, audit }: { store: Store; audit: Pick<AuditLog, 'append'> }) {
    this.#store = store;
    this.#audit = audit;
  }

  /** Shared ones and the member's own, by title. */
  list(memberId: string): Promise<Reply[]> {
    return listReplies(this.#store.core.read, memberId);
  }

  create(actor: Actor, shelf: Shelf, { title, text }: { title: string; text: string }): Promise<Reply> {
    const reply = { id: toBase64Url(randomBytes(16)), ownerId: ownerOn(shelf, actor), ...checked(title, text) };
    return this.#store.core.transaction(async tx => {
      if ((await countReplies(tx, reply.ownerId)) >= MAX_REPLIES) {
        throw new ApplianceError('limited', 'reply.too-many', `there are at most ${MAX_REPLIES} replies`);
      }
      await putReply(tx, reply);
      await this.#audit.append(tx, {
        event: 'reply.created',
        actor,
        subject: reply.id,
        detail: { shelf, title: reply.title },
      });
      return reply;
    });
  }

  change(actor: Actor, shelf: Shelf, id: string, { title, text }: { title: string; text: string }): Promise<Reply> {
    const next = checked(title, text);
    return this.#store.core.transaction(async tx => {
      const reply = { ...on(shelf, actor, await findReply(tx, id)), ...next };
      await putReply(tx, reply);
      await this.#audit.append(tx, {
        event: 'reply.changed',
        actor,
        subject: id,
        detail: { shelf, title: reply.title },
      });
      return reply;
    });
  }

  delete(actor: Actor, shelf: Shelf, id: string): Promise<void> {
    return this.#store.core.transaction(async tx => {
      const { title } = on(shelf, actor, await findReply(tx, id));
      await deleteReply(tx, id);
      await this.#audit.append(tx, { event: 'reply.deleted', actor, subject: id, detail: { shelf, title } });
    });
  }
}

function ownerOn(shelf: Shelf, { id }: Actor): string | null {
  return shelf === 'shared' ? null : id;
}

// Another technician's reply is as good as not there.
function on(shelf: Shelf, actor: Actor, reply: Reply | undefined): Reply {
  if (reply !== undefined && reply.ownerId === ownerOn(shelf, actor)) return reply;
  throw new ApplianceError('missing', 'reply.missing', 'there is no such reply');
}

function checked(title: string, text: string): { title: string; text: string } {
  const clean = { title: title.normalize('NFC').trim(), text: text.normalize('NFC').trim() };
  const fits = clean.title.length > 0 && clean.title.length <= MAX_TITLE && clean.text.length > 0;
  if (fits && clean.text.length <= MAX_TEXT && clean.text.isWellFormed()) return clean;
  throw new ApplianceError(
    'malformed',
    'reply.size',
    `a title of up to ${MAX_TITLE} and a text of up to ${MAX_TEXT} characters`,
  );
}

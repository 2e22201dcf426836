// The lines of one chat as the console knows them: what the log has, what is on its way, what has arrived. Ids make
// sending again harmless: a line is shown once, whatever comes twice.
import type { ChatLineView } from '../protocol/console-api.ts';

/**
 * How far a line has come. Own: `storing` in the log, `stored` there and to be sent, `sent`, `delivered` when the
 * customer's program has confirmed it. The customer's: `storing`, then `delivered`. `refused`: the log did not take it.
 */
export type Delivery = 'storing' | 'stored' | 'sent' | 'delivered' | 'refused';

export interface ChatLine {
  readonly id: string;
  readonly author: ChatLineView['author'];
  readonly at: number;
  /** Null where the log keeps no text, or it was erased. */
  readonly text: string | null;
  /** Place in the log, once it is there. */
  readonly place: number | null;
  readonly delivery: Delivery;
  /** Code of the refusal. */
  readonly fault: string | null;
}

/** Own lines that are not confirmed yet; a technician waits before he writes more. */
export const MAX_UNCONFIRMED = 50;
/** Text kept in the page; older lines are in the session's log. */
const MAX_TEXT_UNITS = 2 * 1024 * 1024;
const MAX_LINES = 5000;

export class ChatStore {
  readonly #lines = new Map<string, ChatLine>();
  #units = 0;
  #dropped = 0;
  #sorted: readonly ChatLine[] | null = [];

  /** In the order of the log; what is not there yet comes last. */
  get lines(): readonly ChatLine[] {
    this.#sorted ??= [...this.#lines.values()].sort((a, b) => (a.place ?? Infinity) - (b.place ?? Infinity) || 0);
    return this.#sorted;
  }

  /** Lines that were here and are not kept in the page any more. */
  get dropped(): number {
    return this.#dropped;
  }

  get unconfirmed(): number {
    return this.#count(({ author, delivery }) => author === 'technician' && isUnderWay(delivery));
  }

  get storing(): number {
    return this.#count(({ author, delivery }) => author === 'customer' && delivery === 'storing');
  }

  find(id: string): ChatLine | undefined {
    return this.#lines.get(id);
  }

  /**
   * Takes the log's lines. What the console does not know of its own lines is whether they arrived: the last
   * MAX_UNCONFIRMED are sent again, as no more can have been on their way.
   */
  merge(views: readonly ChatLineView[]): void {
    const own = views.filter(({ author }) => author === 'technician').slice(-MAX_UNCONFIRMED);
    const mayBeMissing = new Set(own.filter(({ text }) => text !== null).map(({ lineId }) => lineId));
    for (const { lineId: id, author, at, text, place } of views) {
      const known = this.#lines.get(id);
      if (known === undefined) {
        this.#put({
          id,
          author,
          at,
          text,
          place,
          delivery: mayBeMissing.has(id) ? 'stored' : 'delivered',
          fault: null,
        });
      } else {
        const delivery = known.delivery === 'storing' && author === 'technician' ? 'stored' : known.delivery;
        this.#put({ ...known, place, at, text: known.text ?? text, delivery });
      }
    }
  }

  addOwn(id: string, text: string, at: number): void {
    this.#put({ id, author: 'technician', at, text, place: null, delivery: 'storing', fault: null });
  }

  /** @returns `known` for a line that came before; `other` when it then had another text, which is a lie of one of them */
  addCustomer(id: string, text: string, at: number): 'new' | 'known' | 'other' {
    const known = this.#lines.get(id);
    if (known === undefined) {
      this.#put({ id, author: 'customer', at, text, place: null, delivery: 'storing', fault: null });
      return 'new';
    }
    return known.author === 'customer' && (known.text === null || known.text === text) ? 'known' : 'other';
  }

  stored(id: string, place: number): void {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    const delivery = line.author === 'customer' ? 'delivered' : line.delivery === 'storing' ? 'stored' : line.delivery;
    this.#put({ ...line, place, delivery, fault: null });
  }

  refused(id: string, fault: string): void {
    this.#change(id, { delivery: 'refused', fault });
  }

  sent(id: string): void {
    if (this.#lines.get(id)?.delivery === 'stored') this.#change(id, { delivery: 'sent' });
  }

  /** The customer's program has confirmed an own line. */
  delivered(id: string): void {
    const line = this.#lines.get(id);
    if (line?.author === 'technician' && isUnderWay(line.delivery)) this.#change(id, { delivery: 'delivered' });
  }

  /** A new link: what was sent on the old one and not confirmed is to be sent again. */
  beginLink(): void {
    for (const { id, author, delivery } of this.#lines.values())
      if (author === 'technician' && delivery === 'sent') this.#change(id, { delivery: 'stored' });
  }

  /** Own lines that are in the log and not on their way, in order. */
  get waiting(): readonly ChatLine[] {
    return this.lines.filter(({ author, delivery }) => author === 'technician' && delivery === 'stored');
  }

  #change(id: string, change: Partial<ChatLine>): void {
    const line = this.#lines.get(id);
    if (line !== undefined) this.#put({ ...line, ...change });
  }

  #put(line: ChatLine): void {
    this.#units += (line.text?.length ?? 0) - (this.#lines.get(line.id)?.text?.length ?? 0);
    this.#lines.set(line.id, line);
    this.#sorted = null;
    if (this.#units > MAX_TEXT_UNITS || this.#lines.size > MAX_LINES) this.#drop();
  }

  /** Lets go of the oldest lines that are done with. */
  #drop(): void {
    for (const line of this.lines) {
      if (this.#units <= MAX_TEXT_UNITS && this.#lines.size <= MAX_LINES) break;
      if (isUnderWay(line.delivery)) continue;
      this.#lines.delete(line.id);
      this.#units -= line.text?.length ?? 0;
      this.#dropped++;
    }
    this.#sorted = null;
  }

  #count(is: (line: ChatLine) => boolean): number {
    let count = 0;
    for (const line of this.#lines.values()) if (is(line)) count++;
    return count;
  }
}

function isUnderWay(delivery: Delivery): boolean {
  return delivery === 'storing' || delivery === 'stored' || delivery === 'sent';
}

// Asks the program that owns a selection for it (ICCCM §2.4, §2.7.2 INCR). That program may be hostile or broken: it may never
// answer, answer with another type, or go on without end; so there are deadlines and a budget of bytes, and each question has
// a window of its own, where late answers find nobody.
import type { Property } from 'x11';
import type { Clock } from '../../clock.ts';
import type { XConnection } from '../x11/connection.ts';
import type { ClipboardAtoms } from './clipboard-atoms.ts';
import type { SelectionEvent } from './selection-events.ts';

/** Until the next piece. */
export const PIECE_MS = 3000;
/** Until all of it is there. */
export const WHOLE_MS = 10_000;
/** Events that wait to be looked at; an honest owner makes two for each piece. */
const MAX_WAITING = 64;
const PROPERTY_CHANGES = 0x40_0000;
const INPUT_ONLY = 2;

export interface SelectionReaderOptions {
  readonly connection: XConnection;
  readonly clock: Clock;
  readonly atoms: ClipboardAtoms;
}

export interface SelectionQuestion {
  readonly target: number;
  /** What may come back. */
  readonly types: readonly number[];
  readonly format: 8 | 32;
  /** Of the server, when the selection got this owner. */
  readonly time: number;
  readonly maxBytes: number;
}

type Piece = Property & { readonly format: number };

export class SelectionReader {
  readonly #options: SelectionReaderOptions;
  #current: Conversation | null = null;

  constructor(options: SelectionReaderOptions) {
    this.#options = options;
  }

  /** To be given what happens to windows we made. */
  see(event: SelectionEvent): void {
    this.#current?.see(event);
  }

  /** One question at a time. @returns null when it was refused, is something else, took too long, or is too large */
  async read(question: SelectionQuestion): Promise<Buffer | null> {
    const conversation = new Conversation(this.#options, question);
    this.#current = conversation;
    try {
      return await conversation.read();
    } finally {
      this.#current = null;
      conversation.close();
    }
  }

  /** What is being asked comes to nothing. */
  stop(): void {
    this.#current?.giveUp();
  }
}

class Conversation {
  readonly #options: SelectionReaderOptions;
  readonly #question: SelectionQuestion;
  readonly #window: number;
  readonly #events: SelectionEvent[] = [];
  #wake: () => void = () => undefined;
  #isOver = false;
  #left: number;

  constructor(options: SelectionReaderOptions, question: SelectionQuestion) {
    const { client, screen } = options.connection;
    this.#options = options;
    this.#question = question;
    this.#left = question.maxBytes;
    this.#window = client.AllocID();
    client.CreateWindow(this.#window, screen.root, 0, 0, 1, 1, 0, 0, INPUT_ONLY, 0, { eventMask: PROPERTY_CHANGES });
  }

  see(event: SelectionEvent): void {
    if (event.window !== this.#window) return;
    if (this.#events.push(event) > MAX_WAITING) this.giveUp();
    this.#wake();
  }

  giveUp(): void {
    this.#isOver = true;
    this.#wake();
  }

  close(): void {
    this.#isOver = true;
    this.#options.connection.client.DestroyWindow(this.#window);
  }

  async read(): Promise<Buffer | null> {
    const { atoms, clock, connection } = this.#options;
    const { target, time } = this.#question;
    const cancel = clock.after(WHOLE_MS, () => this.giveUp());
    try {
      connection.client.ConvertSelection(this.#window, atoms.clipboard, target, atoms.transfer, time);
      const answer = await this.#next(event => event.type === 'answer');
      if (answer?.type !== 'answer' || answer.property !== atoms.transfer) return null;
      const piece = await this.#take();
      if (piece?.type === atoms.incr) return await this.#readPieces();
      return piece !== null && this.#fits(piece) ? piece.data : null;
    } finally {
      cancel();
    }
  }

  async #readPieces(): Promise<Buffer | null> {
    const { transfer } = this.#options.atoms;
    const pieces: Buffer[] = [];
    for (;;) {
      const news = await this.#next(event => event.type === 'property' && event.atom === transfer && event.isNew);
      const piece = news === null ? null : await this.#take();
      if (piece === null || !this.#fits(piece)) return null;
      if (piece.data.length === 0) return Buffer.concat(pieces);
      pieces.push(piece.data);
    }
  }

  /** Takes what the owner has put there, as far as there is room for it. @returns null when it is more */
  async #take(): Promise<Piece | null> {
    const { connection, atoms } = this.#options;
    const words = Math.ceil(this.#left / 4);
    const piece = await connection.ask<Piece>(answer =>
      connection.client.GetProperty(1, this.#window, atoms.transfer, 0, 0, words, answer),
    );
    // Of INCR it is a number, how much to expect: nothing we would rely on.
    if (piece.type === atoms.incr) return piece;
    if (piece.bytesAfter > 0 || piece.data.length > this.#left) return null;
    this.#left -= piece.data.length;
    return piece;
  }

  #fits({ type, format }: Piece): boolean {
    return this.#question.types.includes(type) && format === this.#question.format;
  }

  /** @returns null when there is none within the time */
  async #next(isWanted: (event: SelectionEvent) => boolean): Promise<SelectionEvent | null> {
    const cancel = this.#options.clock.after(PIECE_MS, () => this.giveUp());
    try {
      while (!this.#isOver) {
        const event = this.#events.shift();
        if (event !== undefined && isWanted(event)) return event;
        if (event === undefined) await new Promise<void>(resolve => (this.#wake = resolve));
      }
      return null;
    } finally {
      cancel();
    }
  }
}

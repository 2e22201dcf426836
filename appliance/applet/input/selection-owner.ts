// Owns the customer's clipboard and hands out what the technician put there, to whichever program asks (ICCCM §2.2). What is
// larger than a request goes in pieces (§2.7.2): the other side takes one away, and gets the next.
import type { Cancel, Clock } from '../../clock.ts';
import type { XConnection } from '../x11/connection.ts';
import { ATOM, type ClipboardAtoms, INTEGER } from './clipboard-atoms.ts';
import { type SelectionEvent, type SelectionRequest, writeSelectionAnswer } from './selection-events.ts';

const PIECE_BYTES = 64 * 1024;
/** A program that takes no piece for so long gets no more. */
export const TAKEN_MS = 10_000;
const MAX_TRANSFERS = 8;
const PROPERTY_CHANGES = 0x40_0000;
const INPUT_ONLY = 2;
const REPLACE = 0;
const APPEND = 2;

export interface SelectionOwnerOptions {
  readonly connection: XConnection;
  readonly clock: Clock;
  readonly atoms: ClipboardAtoms;
}

/** What is offered, by target. */
export type Offer = ReadonlyMap<number, { readonly type: number; readonly bytes: Buffer }>;

interface Transfer {
  readonly requestor: number;
  readonly property: number;
  readonly type: number;
  rest: Buffer;
  cancel: Cancel;
}

export class SelectionOwner {
  readonly #options: SelectionOwnerOptions;
  readonly #transfers = new Set<Transfer>();
  /** Owns the selection, when we do. */
  readonly window: number;
  #wanted: Offer | null = null;
  #offer: Offer | null = null;
  #since = 0;

  constructor(options: SelectionOwnerOptions) {
    const { client, screen } = options.connection;
    this.#options = options;
    this.window = client.AllocID();
    client.CreateWindow(this.window, screen.root, 0, 0, 1, 1, 0, 0, INPUT_ONLY, 0, { eventMask: PROPERTY_CHANGES });
  }

  /** Becomes owner, as of now by the server's own clock: what the customer copies later is not undone by it. */
  offer(offer: Offer): void {
    const { connection, atoms } = this.#options;
    this.#wanted = offer;
    connection.client.ChangeProperty(APPEND, this.window, atoms.transfer, INTEGER, 32, []);
  }

  see(event: SelectionEvent): void {
    const { clipboard } = this.#options.atoms;
    if (event.type === 'property') {
      if (event.window === this.window && event.isNew) this.#own(event.time);
      else if (!event.isNew) this.#taken(event.window, event.atom);
    }
    if (event.window !== this.window) return;
    if (event.type === 'clear' && event.selection === clipboard) this.#offer = null;
    if (event.type === 'request') this.#answer(event);
  }

  close(): void {
    for (const transfer of [...this.#transfers]) this.#end(transfer);
    this.#options.connection.client.DestroyWindow(this.window);
  }

  #own(time: number): void {
    if (this.#wanted === null) return;
    this.#offer = this.#wanted;
    this.#wanted = null;
    this.#since = time;
    this.#options.connection.client.SetSelectionOwner(this.window, this.#options.atoms.clipboard, time);
  }

  #answer(request: SelectionRequest): void {
    const { client } = this.#options.connection;
    // A program of before ICCCM leaves the property to us.
    const property = request.property === 0 ? request.target : request.property;
    const isDone = this.#offer !== null && this.#put(this.#offer, request, property);
    client.SendEvent(request.requestor, 0, 0, writeSelectionAnswer(request, isDone ? property : 0));
  }

  /** @returns false when there is nothing of this kind */
  #put(offer: Offer, { requestor, target, selection }: SelectionRequest, property: number): boolean {
    const { connection, atoms } = this.#options;
    const { client } = connection;
    if (selection !== atoms.clipboard) return false;
    const put = (type: number, numbers: readonly number[]) => {
      client.ChangeProperty(REPLACE, requestor, property, type, 32, numbers);
      return true;
    };
    if (target === atoms.targets)
      return put(ATOM, [atoms.targets, atoms.timestamp, atoms.saveTargets, ...offer.keys()]);
    if (target === atoms.timestamp) return put(INTEGER, [this.#since]);
    if (target === atoms.saveTargets) return put(0, []); // nothing to do: it is kept as long as we are here
    const content = offer.get(target);
    if (content === undefined) return false;
    if (content.bytes.length > PIECE_BYTES) return this.#begin(requestor, property, content);
    client.ChangeProperty(REPLACE, requestor, property, content.type, 8, content.bytes);
    return true;
  }

  #begin(requestor: number, property: number, { type, bytes }: { type: number; bytes: Buffer }): boolean {
    const { connection, atoms } = this.#options;
    for (const old of this.#transfers) if (old.requestor === requestor && old.property === property) this.#end(old);
    if (this.#transfers.size >= MAX_TRANSFERS) return false;
    const transfer: Transfer = { requestor, property, type, rest: bytes, cancel: () => undefined };
    this.#transfers.add(transfer);
    this.#wait(transfer);
    connection.client.ChangeWindowAttributes(requestor, { eventMask: PROPERTY_CHANGES });
    connection.client.ChangeProperty(REPLACE, requestor, property, atoms.incr, 32, [bytes.length]);
    return true;
  }

  #taken(window: number, property: number): void {
    const transfer = [...this.#transfers].find(one => one.requestor === window && one.property === property);
    if (transfer === undefined) return;
    const piece = transfer.rest.subarray(0, PIECE_BYTES);
    transfer.rest = transfer.rest.subarray(PIECE_BYTES);
    this.#options.connection.client.ChangeProperty(REPLACE, window, property, transfer.type, 8, piece);
    if (piece.length === 0)
      this.#end(transfer); // an empty one says that it was all
    else this.#wait(transfer);
  }

  #wait(transfer: Transfer): void {
    transfer.cancel();
    transfer.cancel = this.#options.clock.after(TAKEN_MS, () => this.#end(transfer));
  }

  #end(transfer: Transfer): void {
    transfer.cancel();
    this.#transfers.delete(transfer);
    const isStillUsed = [...this.#transfers].some(({ requestor }) => requestor === transfer.requestor);
    if (!isStillUsed) this.#options.connection.client.ChangeWindowAttributes(transfer.requestor, { eventMask: 0 });
  }
}

// The customer's clipboard on X11, text and pictures, both ways. It is read only after the customer copied something, and only
// while somebody is to have it; what he merely marks (PRIMARY) is never read.
import type { Fixes } from 'x11';
import type { Cancel, Clock } from '../../clock.ts';
import type { ClipboardContent, SystemClipboard } from '../../customer-core/input-sink.ts';
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { MAX_CLIPBOARD_BYTES } from '../../protocol/screen.ts';
import type { XConnection } from '../x11/connection.ts';
import { ATOM, type ClipboardAtoms, internAtoms, STRING } from './clipboard-atoms.ts';
import { isPng, MAX_IMAGE_BYTES, requireSize } from './clipboard-content.ts';
import { parseSelectionEvent, type SelectionEvent } from './selection-events.ts';
import { SelectionOwner } from './selection-owner.ts';
import { SelectionReader } from './selection-reader.ts';

/** A program that copies without end is read this often. */
export const BETWEEN_READS_MS = 250;
const MAX_TARGETS_BYTES = 4096;

export interface X11ClipboardOptions {
  /** Its own: what a hostile program sends here holds up nothing else. It is closed with the clipboard. */
  readonly connection: XConnection;
  readonly clock: Clock;
}

export class X11Clipboard implements SystemClipboard {
  readonly #connection: XConnection;
  readonly #clock: Clock;
  readonly #atoms: ClipboardAtoms;
  readonly #owner: SelectionOwner;
  readonly #reader: SelectionReader;
  readonly #stopListening: Cancel;
  readonly #listeners = new Set<(content: ClipboardContent) => void>();
  /** The server's time of the last copying that nobody has read yet. */
  #changedAt: number | null = null;
  #isReading = false;
  #isClosed = false;

  private constructor({ connection, clock }: X11ClipboardOptions, atoms: ClipboardAtoms, fixes: Fixes) {
    this.#connection = connection;
    this.#clock = clock;
    this.#atoms = atoms;
    this.#owner = new SelectionOwner({ connection, clock, atoms });
    this.#reader = new SelectionReader({ connection, clock, atoms });
    this.#stopListening = connection.onEvent(event => {
      const news = parseSelectionEvent(event, fixes.firstEvent);
      if (news !== null) this.#see(news);
    });
    fixes.SelectSelectionInput(this.#owner.window, atoms.clipboard, fixes.SelectionEventMask.SetSelectionOwner);
    void connection.closed.then(() => this.#end());
  }

  /** @throws ApplianceError `clipboard.unavailable`, `screen.lost` */
  static async open(options: X11ClipboardOptions): Promise<X11Clipboard> {
    const fixes = await options.connection.extension('fixes');
    if (fixes === null) throw unavailable();
    return new X11Clipboard(options, await internAtoms(options.connection), fixes);
  }

  listen(listener: (content: ClipboardContent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws ApplianceError `clipboard.too-large` */
  write({ text, image }: ClipboardContent): void {
    const offer = new Map<number, { type: number; bytes: Buffer }>();
    if (text !== null) this.#offerText(offer, text);
    if (image !== null) this.#offerImage(offer, image);
    if (offer.size > 0 && !this.#isClosed) this.#owner.offer(offer);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#owner.close();
    this.#end();
    this.#connection.close();
  }

  #offerText(offer: Map<number, { type: number; bytes: Buffer }>, text: string): void {
    const bytes = Buffer.from(text);
    requireSize(bytes.length, MAX_CLIPBOARD_BYTES);
    const { utf8, plainUtf8, plain, text: anyText } = this.#atoms;
    for (const target of [utf8, plainUtf8, plain]) offer.set(target, { type: target, bytes });
    offer.set(anyText, { type: utf8, bytes });
    // Programs of the last century know Latin-1 only; a text that isn't would be garbled.
    if (/^[\0-\xff]*$/.test(text)) offer.set(STRING, { type: STRING, bytes: Buffer.from(text, 'latin1') });
  }

  #offerImage(offer: Map<number, { type: number; bytes: Buffer }>, image: Bytes): void {
    requireSize(image.length, MAX_IMAGE_BYTES);
    offer.set(this.#atoms.png, { type: this.#atoms.png, bytes: Buffer.from(image) });
  }

  #see(event: SelectionEvent): void {
    this.#owner.see(event);
    this.#reader.see(event);
    if (event.type !== 'owner' || event.selection !== this.#atoms.clipboard) return;
    this.#changedAt = null;
    this.#reader.stop(); // it asks somebody who has nothing to say any more
    if (event.owner === this.#owner.window || event.owner === 0 || this.#listeners.size === 0) return;
    this.#changedAt = event.time;
    if (!this.#isReading) void this.#readChanges();
  }

  async #readChanges(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#changedAt !== null && !this.#isClosed) {
        const time = this.#changedAt;
        const content = await this.#read(time);
        const isStillThat = this.#changedAt === time;
        if (isStillThat) this.#changedAt = null;
        if (isStillThat && content !== null) for (const listener of [...this.#listeners]) listener(content);
        await new Promise<void>(resolve => void this.#clock.after(BETWEEN_READS_MS, resolve));
      }
    } catch {
      this.close(); // the display is gone, which the screen tells
    } finally {
      this.#isReading = false;
    }
  }

  /** @returns null when it is nothing that we could pass on */
  async #read(time: number): Promise<ClipboardContent | null> {
    const { targets, utf8, png, secret } = this.#atoms;
    const list = await this.#reader.read({
      ...{ target: targets, types: [ATOM, targets], format: 32, time, maxBytes: MAX_TARGETS_BYTES },
    });
    // A simple program may not tell what it has; then it is text.
    const offered =
      list === null ? [utf8] : Array.from({ length: list.length >> 2 }, (_, at) => list.readUInt32LE(4 * at));
    if (offered.includes(secret)) return null;
    const text = offered.includes(utf8) ? await this.#readText(time, utf8) : await this.#readLatin1(time, offered);
    const image = offered.includes(png)
      ? await this.#reader.read({ target: png, types: [png], format: 8, time, maxBytes: MAX_IMAGE_BYTES })
      : null;
    const isImage = image !== null && isPng(image);
    return text === null && !isImage ? null : { text, image: isImage ? Uint8Array.from(image) : null };
  }

  async #readText(time: number, utf8: number): Promise<string | null> {
    const bytes = await this.#reader.read({
      target: utf8,
      types: [utf8],
      format: 8,
      time,
      maxBytes: MAX_CLIPBOARD_BYTES,
    });
    return bytes === null ? null : parseText(bytes);
  }

  async #readLatin1(time: number, offered: readonly number[]): Promise<string | null> {
    if (!offered.includes(STRING)) return null;
    const bytes = await this.#reader.read({
      ...{ target: STRING, types: [STRING], format: 8, time, maxBytes: MAX_CLIPBOARD_BYTES },
    });
    return bytes === null ? null : withoutEnd(bytes.toString('latin1'));
  }

  #end(): void {
    this.#isClosed = true;
    this.#changedAt = null;
    this.#listeners.clear();
    this.#reader.stop();
    this.#stopListening();
  }
}

/** @returns null when it isn't UTF-8 */
function parseText(bytes: Buffer): string | null {
  try {
    return withoutEnd(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** Some programs count the zero that ends a string in C. */
function withoutEnd(text: string): string {
  return text.replace(/\0+$/, '');
}

function unavailable(): ApplianceError {
  return new ApplianceError('unavailable', 'clipboard.unavailable', 'this X server lacks XFIXES', {
    hint: 'Everything else works; the clipboard needs an X server with this extension on.',
  });
}

// The customer's clipboard on Windows, text and PNG, both ways: read only after the customer copied something, and only while
// somebody is to have it. What a program marks as not to be passed on (a password manager) stays where it is.
import type { Cancel, Clock } from '../../clock.ts';
import type { ClipboardContent, SystemClipboard } from '../../customer-core/input-sink.ts';
import { MAX_CLIPBOARD_BYTES } from '../../protocol/screen.ts';
import { openWindowsClipboard, readGlobal, type WindowsClipboardCalls, writeGlobal } from '../ffi-windows.ts';
import { isPng, MAX_IMAGE_BYTES, requireSize } from './clipboard-content.ts';
import { type WindowsMessages, wide } from './windows-messages.ts';

const LOOK_MS = 300;
const UNICODE_TEXT = 13;
/** Room for a text of the longest kind in UTF-16, and its end. */
const MAX_TEXT_MEMORY = 2 * MAX_CLIPBOARD_BYTES + 64;

export class WindowsClipboard implements SystemClipboard {
  readonly #calls: WindowsClipboardCalls = openWindowsClipboard();
  readonly #clock: Clock;
  readonly #window: bigint;
  readonly #png = this.#calls.RegisterClipboardFormatW(wide('PNG'));
  readonly #secret = this.#calls.RegisterClipboardFormatW(wide('ExcludeClipboardContentFromMonitorProcessing'));
  readonly #listeners = new Set<(content: ClipboardContent) => void>();
  #cancel: Cancel = () => undefined;
  /** Windows counts what is copied. */
  #seen = 0;

  /** @param messages their window owns what we copy */
  constructor(clock: Clock, messages: WindowsMessages) {
    this.#clock = clock;
    this.#window = messages.window;
  }

  listen(listener: (content: ClipboardContent) => void): () => void {
    if (this.#listeners.size === 0) {
      this.#seen = this.#calls.GetClipboardSequenceNumber();
      this.#cancel = this.#clock.every(LOOK_MS, () => this.#look());
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#cancel();
    };
  }

  /** @throws ApplianceError `clipboard.too-large` */
  write({ text, image }: ClipboardContent): void {
    if (text !== null) requireSize(Buffer.byteLength(text), MAX_CLIPBOARD_BYTES);
    if (image !== null) requireSize(image.length, MAX_IMAGE_BYTES);
    if ((text === null && image === null) || this.#calls.OpenClipboard(this.#window) === 0) return;
    this.#calls.EmptyClipboard();
    if (text !== null) this.#put(UNICODE_TEXT, wide(text.replaceAll(/\r?\n/g, '\r\n')));
    if (image !== null) this.#put(this.#png, image);
    this.#calls.CloseClipboard();
    this.#seen = this.#calls.GetClipboardSequenceNumber(); // it is not told back
  }

  close(): void {
    this.#cancel();
    this.#listeners.clear();
  }

  #put(format: number, bytes: Uint8Array): void {
    const memory = writeGlobal(this.#calls, bytes);
    if (memory !== 0n && this.#calls.SetClipboardData(format, memory) === 0n) this.#calls.GlobalFree(memory);
  }

  #look(): void {
    const count = this.#calls.GetClipboardSequenceNumber();
    if (count === this.#seen || this.#calls.OpenClipboard(this.#window) === 0) return; // a program has it open: next time
    const content = this.#read();
    this.#calls.CloseClipboard();
    this.#seen = count;
    if (content !== null) for (const listener of [...this.#listeners]) listener(content);
  }

  #read(): ClipboardContent | null {
    const isThere = (format: number) => this.#calls.IsClipboardFormatAvailable(format) !== 0;
    if (isThere(this.#secret)) return null;
    const text = isThere(UNICODE_TEXT) ? readText(this.#get(UNICODE_TEXT, MAX_TEXT_MEMORY)) : null;
    const image = isThere(this.#png) ? this.#get(this.#png, MAX_IMAGE_BYTES) : null;
    const isImage = image !== null && isPng(image);
    return text === null && !isImage ? null : { text, image: isImage ? Uint8Array.from(image) : null };
  }

  #get(format: number, maxBytes: number): Buffer | null {
    const handle = this.#calls.GetClipboardData(format);
    return handle === 0n ? null : readGlobal(this.#calls, handle, maxBytes);
  }
}

/** @returns null when it is none, or too long */
function readText(bytes: Buffer | null): string | null {
  if (bytes === null) return null;
  const [text = ''] = bytes.toString('utf16le').split('\0', 1);
  const lines = text.replaceAll('\r\n', '\n');
  return Buffer.byteLength(lines) > MAX_CLIPBOARD_BYTES ? null : lines;
}

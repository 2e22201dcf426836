// Where a technician's input goes, whatever system is behind it. It was admitted before: a sink decides nothing about rights.
import type { Bytes } from '../protocol/bytes.ts';
import type { InputState } from '../protocol/screen.ts';

/** X11 keysym, and the PC XT scan code of the key where the console knows it, else 0 (QEMU extended key event). */
export interface KeyInput {
  readonly type: 'key';
  readonly down: boolean;
  readonly keysym: number;
  readonly scanCode: number;
}

/** In pixels of the whole desktop; buttons as RFC 6143 §7.5.5 has them: left, middle, right, wheel up, down, left, right. */
export interface PointerInput {
  readonly type: 'pointer';
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
}

export type DesktopInput = KeyInput | PointerInput;

export interface InputListener {
  /** The customer uses mouse or keyboard himself (`customer-input`), or has let go of them (`on`). */
  state(state: Extract<InputState, 'on' | 'customer-input'>): void;
  /** The customer pressed the key that stops everything. */
  stopKey(): void;
  /** Where the customer has moved his mouse to, in pixels of the whole desktop; not more often than the eye needs. */
  pointer(x: number, y: number): void;
}

export interface InputSink {
  /** The key that stops everything, as it is printed; null when another program has it. */
  readonly stopKey: string | null;
  listen(listener: InputListener): void;
  /** Injects it, unless the customer's own input has right of way just now. @returns false when it was dropped */
  inject(input: DesktopInput): boolean;
  /** Lets go of every key and button that is pressed by us; before it returns, as far as this program can do it. */
  releaseKeys(): void;
  /** A spot only the customer sees, in pixels of the whole desktop; null takes it away. */
  point(at: { readonly x: number; readonly y: number } | null): void;
  close(): void;
}

/** What is on a clipboard and can be shared. */
export interface ClipboardContent {
  readonly text: string | null;
  /** PNG. */
  readonly image: Bytes | null;
}

export interface SystemClipboard {
  /** The customer has copied something; it is read only then, and only while somebody listens. @returns ends it */
  listen(listener: (content: ClipboardContent) => void): () => void;
  /** Puts it there for the customer to paste. */
  write(content: ClipboardContent): void;
  close(): void;
}

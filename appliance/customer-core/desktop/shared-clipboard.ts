// The customer's clipboard while it is shared: what he copies goes out, what the technician copies comes in. Size and
// direction are logged, never content.
import { ApplianceError } from '../../errors.ts';
import { utf8Bytes } from '../../protocol/bytes.ts';
import { MAX_CLIPBOARD_BYTES } from '../../protocol/screen.ts';
import type { ClipboardContent, SystemClipboard } from '../input-sink.ts';
import type { Later } from '../objects.ts';

export interface SharedClipboardParts {
  readonly open: () => Later<SystemClipboard>;
  /** Whether one more may be carried now. */
  readonly mayTake: () => boolean;
  /** The customer has copied something. */
  readonly copied: (content: ClipboardContent) => void;
  readonly log: (detail: string) => void;
  /** It can't be had, or not any more. */
  readonly failed: () => void;
}

export class SharedClipboard {
  readonly #parts: SharedClipboardParts;
  #clipboard: SystemClipboard | null = null;
  #isClosed = false;

  constructor(parts: SharedClipboardParts) {
    this.#parts = parts;
    void this.#open();
  }

  /** The technician has copied something. */
  received(content: ClipboardContent): void {
    const told = described(content);
    if (this.#clipboard === null || told === null || !this.#parts.mayTake()) return;
    this.#clipboard.write(content);
    this.#parts.log(`to the customer: ${told}`);
  }

  close(): void {
    this.#isClosed = true;
    this.#clipboard?.close();
    this.#clipboard = null;
  }

  async #open(): Promise<void> {
    try {
      const clipboard = await this.#parts.open();
      if (this.#isClosed) return clipboard.close();
      this.#clipboard = clipboard;
      clipboard.listen(content => this.#copied(content));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      if (!this.#isClosed) this.#parts.failed();
    }
  }

  #copied(content: ClipboardContent): void {
    const told = described(content);
    if (told === null || !this.#parts.mayTake()) return;
    this.#parts.copied(content);
    this.#parts.log(`from the customer: ${told}`);
  }
}

/** Kind and size; null where there is nothing, or more than is carried. */
function described({ text, image }: ClipboardContent): string | null {
  const bytes = (text === null ? 0 : utf8Bytes(text).length) + (image?.length ?? 0);
  if (bytes === 0 || bytes > MAX_CLIPBOARD_BYTES) return null;
  const kinds = [...(text === null ? [] : ['text']), ...(image === null ? [] : ['picture'])];
  return `${kinds.join(' and ')}, ${bytes} bytes`;
}

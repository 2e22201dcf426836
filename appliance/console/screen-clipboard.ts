// Texts between the technician and the customer's clipboard, by the messages of RFB (ExtendedClipboard, or plain Latin-1).
// Nothing goes by itself: what the technician gives is given by hand, and what the customer copies is shown, not put on
// the technician's own clipboard. All of it needs the grant; what comes without one is dropped.
import { ApplianceError } from '../errors.ts';
import { type Bytes, concat, utf8Bytes } from '../protocol/bytes.ts';
import { CLIENT_MESSAGE } from '../protocol/rfb.ts';
import {
  CLIPBOARD_FORMAT,
  type ClipboardMessage,
  MAX_PROVIDED_BYTES,
  parseClipboardMessage,
  parseProvided,
  writeClipboardAsk,
  writeClipboardCaps,
  writeClipboardProvide,
  writeProvided,
} from '../protocol/rfb-clipboard.ts';
import { MAX_CLIPBOARD_BYTES } from '../protocol/screen.ts';
import { deflate, inflate } from './zlib.ts';

/** Of what a ServerCutText says behind its type: padding and length. */
const HEAD_BYTES = 7;
const CAPS: ReadonlyMap<number, number> = new Map([[CLIPBOARD_FORMAT.text, MAX_CLIPBOARD_BYTES]]);
const UNKNOWN = '?'.charCodeAt(0);

export interface ScreenClipboardParts {
  /** Sends one whole ClientCutText. @returns false when there is no leave for it */
  readonly send: (rfb: Bytes) => boolean;
  readonly changed: () => void;
}

export class ScreenClipboard {
  readonly #parts: ScreenClipboardParts;
  #isShared = false;
  /** Whether the customer's program knows the extension. */
  #isExtended = false;
  /** It said so before the grant was known here: it waits for the answer. */
  #isAnswerDue = false;
  #given: string | null = null;
  #isTaken = false;
  #received: string | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: ScreenClipboardParts) {
    this.#parts = parts;
  }

  /** What the customer copied last. */
  get received(): string | null {
    return this.#received;
  }

  /** What was given last, and whether the customer's program has fetched it. */
  get given(): { readonly text: string; readonly isTaken: boolean } | null {
    return this.#given === null ? null : { text: this.#given, isTaken: this.#isTaken };
  }

  /** The grant is there, or is no more; then nothing is kept. */
  share(isShared: boolean): void {
    if (isShared === this.#isShared) return;
    this.#isShared = isShared;
    if (!isShared) this.forget();
    else if (this.#isAnswerDue) this.#sendCaps();
  }

  /** Another picture server speaks from now on. */
  forget(): void {
    this.#isExtended = false;
    this.#isAnswerDue = false;
    this.#given = null;
    this.#received = null;
    this.#parts.changed();
  }

  /** For the customer to paste. @throws ApplianceError `console.clipboard-size`, `console.not-now` */
  give(text: string): void {
    if (utf8Bytes(text).length > MAX_CLIPBOARD_BYTES)
      throw new ApplianceError('malformed', 'console.clipboard-size', 'that text is too long for a clipboard', {
        hint: `It may have ${MAX_CLIPBOARD_BYTES / 1024} KiB. Send a file instead.`,
      });
    this.#given = text;
    this.#isTaken = !this.#isExtended; // without the extension it goes there as it is
    const isSent = this.#isExtended ? this.#ask('notify') : this.#send(toLatin1(text), false);
    if (!isSent) throw new ApplianceError('conflict', 'console.not-now', 'the clipboard is not shared');
    this.#parts.changed();
  }

  /**
   * A ServerCutText, from behind its type on. Resolves when it was dealt with.
   * @throws ApplianceError `protocol.malformed`, RangeError: it is the sender's doing
   */
  take(bytes: Bytes): Promise<void> {
    const taken = this.#queue.then(() => this.#take(bytes));
    this.#queue = taken.catch(() => undefined); // told to who gave it
    return taken;
  }

  async #take(bytes: Bytes): Promise<void> {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(3);
    const body = bytes.subarray(HEAD_BYTES);
    if (length >= 0) return this.#hear(fromLatin1(body));
    const message = parseClipboardMessage(body);
    if (this.#isShared) await this.#answer(message);
    else this.#isAnswerDue ||= message.type === 'caps';
  }

  async #answer(message: ClipboardMessage): Promise<void> {
    switch (message.type) {
      case 'caps':
        this.#sendCaps();
        break;
      case 'notify':
        if (hasText(message.formats)) this.#ask('request');
        break;
      case 'peek':
        this.#ask('notify');
        break;
      case 'request':
        if (hasText(message.formats)) await this.#provide();
        break;
      case 'provide': {
        const { text } = parseProvided(message.formats, await inflate(message.zlib, MAX_PROVIDED_BYTES));
        if (text !== null) this.#hear(text);
        break;
      }
    }
  }

  #sendCaps(): void {
    this.#isExtended = true;
    this.#isAnswerDue = false;
    this.#send(writeClipboardCaps(CAPS), true);
  }

  async #provide(): Promise<void> {
    const text = this.#given;
    if (text === null) return;
    const zlib = await deflate(writeProvided({ text, png: null }));
    if (text !== this.#given) return; // taken back, or another one meanwhile
    this.#isTaken = this.#send(writeClipboardProvide(CLIPBOARD_FORMAT.text, zlib), true);
    this.#parts.changed();
  }

  #hear(text: string): void {
    if (!this.#isShared) return; // it ended while that was taken apart
    this.#received = text;
    this.#parts.changed();
  }

  #ask(type: 'request' | 'notify'): boolean {
    const formats = type === 'notify' && this.#given === null ? 0 : CLIPBOARD_FORMAT.text;
    return this.#send(writeClipboardAsk(type, formats), true);
  }

  #send(body: Bytes, isExtended: boolean): boolean {
    const head = new Uint8Array(1 + HEAD_BYTES);
    head[0] = CLIENT_MESSAGE.cutText;
    new DataView(head.buffer).setInt32(4, isExtended ? -body.length : body.length);
    return this.#parts.send(concat(head, body));
  }
}

function hasText(formats: number): boolean {
  return (formats & CLIPBOARD_FORMAT.text) !== 0;
}

function toLatin1(text: string): Bytes {
  return Uint8Array.from([...text.replaceAll('\r\n', '\n')], letter => {
    const code = letter.codePointAt(0) ?? UNKNOWN;
    return code < 256 ? code : UNKNOWN;
  });
}

function fromLatin1(bytes: Bytes): string {
  return new TextDecoder('iso-8859-1').decode(bytes).replaceAll('\r\n', '\n');
}

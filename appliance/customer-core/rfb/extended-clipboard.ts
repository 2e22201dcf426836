// The clipboard in both directions (RFC 6143 §7.5.6, §7.6.4, and ExtendedClipboard). With the extension nothing large goes
// unasked: each side says what it has, and the other asks for what it can use. Without it Latin-1 text goes as it is.
import { type Bytes, malformed, utf8Bytes } from '../../protocol/bytes.ts';
import { MAX_CUT_TEXT_BYTES } from '../../protocol/rfb.ts';
import { parseClientMessage } from '../../protocol/rfb-client-messages.ts';
import {
  CLIPBOARD_FORMAT,
  type ClipboardMessage,
  formatsOf,
  MAX_PROVIDED_BYTES,
  type Provided,
  parseClipboardMessage,
  parseProvided,
  writeClipboardAsk,
  writeClipboardCaps,
  writeClipboardProvide,
  writeProvided,
} from '../../protocol/rfb-clipboard.ts';
import { writeCutText } from '../../protocol/rfb-server-messages.ts';
import { MAX_CLIPBOARD_BYTES } from '../../protocol/screen.ts';
import type { ClipboardContent } from '../input-sink.ts';
import type { PictureCodecs } from '../picture-codecs.ts';
import type { Viewer } from './viewer.ts';

const OURS = CLIPBOARD_FORMAT.text | CLIPBOARD_FORMAT.png;
const NOTHING: Provided = { text: null, png: null };
const DEFLATE_LEVEL = 6;
/** Characters that are put together at a time: each is an argument of a call. */
const AT_ONCE = 4096;
/** What Latin-1 hasn't: '?'. */
const UNKNOWN = 63;
/** What we take: texts of any size we allow at once, pictures when we asked for them. */
const CAPS: ReadonlyMap<number, number> = new Map([
  [CLIPBOARD_FORMAT.text, MAX_CLIPBOARD_BYTES],
  [CLIPBOARD_FORMAT.png, 0],
]);

export class ExtendedClipboard {
  readonly #codecs: PictureCodecs;
  readonly #send: (bytes: Bytes) => void;
  #received: ((content: ClipboardContent) => void) | null = null;
  #extended = false;
  /** Formats the viewer said he takes; text until he says so. */
  #takes: number = CLIPBOARD_FORMAT.text;
  /** What the customer copied last, until it is something else. */
  #content: Provided = NOTHING;
  /** The same as a message, made when it was first asked for. */
  #provided: { readonly formats: number; readonly message: Promise<Bytes> } | null = null;

  constructor(codecs: PictureCodecs, send: (bytes: Bytes) => void) {
    this.#codecs = codecs;
    this.#send = send;
  }

  use({ extendedClipboard }: Viewer): void {
    const news = extendedClipboard && !this.#extended;
    this.#extended = extendedClipboard;
    if (news && this.#received !== null) this.#sendExtended(writeClipboardCaps(CAPS));
  }

  /** @param received what the viewer copied; null: nothing is shared any more */
  share(received: ((content: ClipboardContent) => void) | null): void {
    const news = received !== null && this.#received === null;
    this.#received = received;
    this.#keep(NOTHING);
    if (news && this.#extended) this.#sendExtended(writeClipboardCaps(CAPS));
  }

  /** The customer copied something. What is too large is left out. */
  changed({ text, image }: ClipboardContent): void {
    if (this.#received === null) return;
    const content = {
      text: text !== null && isFitting(text) ? text : null,
      png: image !== null && image.length <= MAX_CUT_TEXT_BYTES ? image : null,
    };
    this.#keep(content);
    if (this.#extended) this.#notify();
    else if (content.text !== null) this.#send(writeCutText(toLatin1(content.text), false));
  }

  /**
   * One whole ClientCutText.
   * @throws ApplianceError `protocol.malformed`
   */
  async receive(bytes: Bytes): Promise<void> {
    const message = parseClientMessage(bytes);
    if (message.type !== 'cut-text') throw malformed(`${message.type} where a clipboard was due`);
    if (this.#received === null) return;
    if (message.extended) await this.#answer(parseClipboardMessage(message.bytes));
    else {
      const text = fromLatin1(message.bytes);
      if (!isFitting(text)) throw malformed('a clipboard text that is too long');
      this.#received({ text, image: null });
    }
  }

  async #answer(message: ClipboardMessage): Promise<void> {
    switch (message.type) {
      case 'caps':
        this.#takes = message.formats & OURS;
        return;
      case 'peek':
        this.#notify();
        return;
      case 'notify':
        if ((message.formats & OURS) !== 0) this.#sendExtended(writeClipboardAsk('request', message.formats & OURS));
        return;
      case 'request':
        await this.#provide(message.formats & formatsOf(this.#content));
        return;
      case 'provide':
        await this.#take(message.formats, message.zlib);
    }
  }

  #notify(): void {
    this.#sendExtended(writeClipboardAsk('notify', formatsOf(this.#content) & this.#takes));
  }

  async #provide(formats: number): Promise<void> {
    if (formats === 0) return;
    const content = this.#content;
    if (this.#provided?.formats !== formats) this.#provided = { formats, message: this.#compressed(content, formats) };
    const message = await this.#provided.message;
    if (content === this.#content && message.length <= MAX_CUT_TEXT_BYTES) this.#sendExtended(message);
  }

  async #compressed({ text, png }: Provided, formats: number): Promise<Bytes> {
    const asked = {
      text: (formats & CLIPBOARD_FORMAT.text) === 0 ? null : text,
      png: (formats & CLIPBOARD_FORMAT.png) === 0 ? null : png,
    };
    const deflate = this.#codecs.newDeflate(DEFLATE_LEVEL);
    try {
      return writeClipboardProvide(formats, await deflate.compress(writeProvided(asked)));
    } finally {
      deflate.close();
    }
  }

  async #take(formats: number, zlib: Bytes): Promise<void> {
    const received = this.#received;
    const { text, png } = parseProvided(formats, await this.#codecs.inflate(zlib, MAX_PROVIDED_BYTES));
    if (text === null && png === null) return;
    // Sharing may have been stopped while it was decompressed.
    if (received !== null && received === this.#received) received({ text, image: png });
  }

  #keep(content: Provided): void {
    this.#content = content;
    this.#provided = null;
  }

  #sendExtended(bytes: Bytes): void {
    this.#send(writeCutText(bytes, true));
  }
}

function isFitting(text: string): boolean {
  return text.length <= MAX_CLIPBOARD_BYTES && utf8Bytes(text).length <= MAX_CLIPBOARD_BYTES;
}

function toLatin1(text: string): Bytes {
  return Uint8Array.from(text.replaceAll('\r\n', '\n'), character => {
    const code = character.codePointAt(0) ?? 0;
    return code < 256 ? code : UNKNOWN;
  });
}

function fromLatin1(bytes: Bytes): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += AT_ONCE) text += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE));
  return text.replaceAll('\r\n', '\n');
}

// Cuts what a viewer sends, from its version line on, into whole messages. They come in any pieces; one message at most
// is held. The console sends each on by its kind, for what moves the customer's computer has a stream of its own.
import { type Bytes, equalBytes, malformed } from './bytes.ts';
import { CLIENT_MESSAGE, RFB_VERSION, SECURITY_NONE } from './rfb.ts';
import { clientMessageBytes } from './rfb-client-messages.ts';

/** `event`: mouse or keyboard · `clipboard`: one whole ClientCutText · `screen`: everything else, and the beginning. */
export type ClientPieceKind = 'screen' | 'event' | 'clipboard';

export interface ClientPiece {
  readonly kind: ClientPieceKind;
  /** Valid for good: nobody writes to it again. */
  readonly bytes: Bytes;
}

/** What a viewer says before its messages: version, security type, and whether it shares the desktop. */
const OPENING = [RFB_VERSION.length, 1, 1] as const;
const HEAD_BYTES = 16;

export class ClientMessageSplitter {
  /** Steps of the opening that have been. */
  #opened = 0;
  /** The beginning of a message, in a buffer for all of it once its length is known. */
  #held: Bytes = new Uint8Array(HEAD_BYTES);
  #heldBytes = 0;

  /** Bytes of a message that has not come wholly. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * @param bytes as they came; they must not change afterwards
   * @returns the messages that are whole now
   * @throws ApplianceError `protocol.malformed`; what comes after can't be read any more
   */
  push(bytes: Bytes): ClientPiece[] {
    const pieces: ClientPiece[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#heldBytes > 0) {
        at += this.#hold(bytes.subarray(at), pieces);
        continue;
      }
      const length = this.#lengthOf(bytes.subarray(at));
      if (length === null || at + length > bytes.length) {
        at += this.#hold(bytes.subarray(at), pieces);
        continue;
      }
      pieces.push(this.#piece(bytes.subarray(at, at + length)));
      at += length;
    }
    return pieces;
  }

  /** Adds to the held message what belongs to it. @returns how many bytes it took */
  #hold(bytes: Bytes, pieces: ClientPiece[]): number {
    let taken = 0;
    for (let length = this.#heldLength(); taken < bytes.length; length = this.#heldLength()) {
      const want = length === null ? 1 : Math.min(length - this.#heldBytes, bytes.length - taken);
      this.#held.set(bytes.subarray(taken, taken + want), this.#heldBytes);
      this.#heldBytes += want;
      taken += want;
      if (this.#heldLength() !== this.#heldBytes) continue;
      pieces.push(this.#piece(this.#held.subarray(0, this.#heldBytes)));
      this.#held = new Uint8Array(HEAD_BYTES);
      this.#heldBytes = 0;
      return taken;
    }
    return taken;
  }

  #heldLength(): number | null {
    if (this.#heldBytes === 0) return null;
    const length = this.#lengthOf(this.#held.subarray(0, this.#heldBytes));
    if (length !== null && length > this.#held.length) {
      const whole = new Uint8Array(length);
      whole.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = whole;
    }
    return length;
  }

  #lengthOf(start: Uint8Array): number | null {
    return OPENING[this.#opened] ?? clientMessageBytes(start);
  }

  #piece(bytes: Bytes): ClientPiece {
    const step = this.#opened;
    if (step >= OPENING.length) return { kind: kindOf(bytes[0]), bytes };
    this.#opened += 1;
    if (step === 0 && !equalBytes(bytes, RFB_VERSION)) throw malformed('a viewer of another version than RFB 3.8');
    if (step === 1 && bytes[0] !== SECURITY_NONE) throw malformed(`security type ${bytes[0]} was not offered`);
    return { kind: 'screen', bytes };
  }
}

function kindOf(type: number | undefined): ClientPieceKind {
  switch (type) {
    case CLIENT_MESSAGE.key:
    case CLIENT_MESSAGE.pointer:
    case CLIENT_MESSAGE.qemu:
      return 'event';
    case CLIENT_MESSAGE.cutText:
      return 'clipboard';
    default:
      return 'screen';
  }
}

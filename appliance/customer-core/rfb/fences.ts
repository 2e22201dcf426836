// Fence (community extension): a viewer sends back what it gets, when it has dealt with all that came before. So one behind
// each frame tells when the viewer has it. The viewer's own fences are answered between frames, which is what they ask for:
// nothing from before one of them is done after it.
import { ByteReader, type Bytes, ByteWriter } from '../../protocol/bytes.ts';
import { FENCE } from '../../protocol/rfb.ts';
import { writeFence, writeFenceAnswer } from '../../protocol/rfb-server-messages.ts';

const PAYLOAD_BYTES = 4;

export class Fences {
  #last = 0;
  #waitingFor = 0;

  /** Whether a frame is on its way that the viewer has not dealt with. */
  get isWaiting(): boolean {
    return this.#waitingFor !== 0;
  }

  /** To be sent once: that fences are known here. */
  announce(): Bytes {
    return writeFence(FENCE.request, new Uint8Array());
  }

  /** To be sent behind a frame. */
  afterFrame(): Bytes {
    this.#last = (this.#last % 0xffff_ffff) + 1;
    this.#waitingFor = this.#last;
    const payload = new ByteWriter(PAYLOAD_BYTES).uint(4, this.#last).done();
    return writeFence(FENCE.request | FENCE.blockBefore, payload);
  }

  /** @returns the answer to a viewer's own fence; null when it is his answer to one of ours, or to none */
  receive(flags: number, payload: Bytes): Bytes | null {
    if ((flags & FENCE.request) !== 0) return writeFenceAnswer(flags, payload);
    if (payload.length === PAYLOAD_BYTES && new ByteReader(payload).uint(4) === this.#waitingFor) this.#waitingFor = 0;
    return null;
  }

  /** The viewer no longer knows them. */
  forget(): void {
    this.#waitingFor = 0;
  }
}

// What a viewer and its decoder's Worker say to each other: one answer to each rectangle, in their order.
import type { Rectangle } from '../customer-core/screen-source.ts';
import type { Painted } from './viewer/painted-areas.ts';

export interface ToDecoder {
  /** Handed over, not copied. */
  readonly compressed: Uint8Array<ArrayBuffer>;
  readonly plainBytes: number;
  readonly box: Rectangle;
}

/** `fault`: it was nothing an encoder writes; nothing is decoded any more. */
export type FromDecoder = Painted | { readonly fault: string };

/** The part of a Worker that is used. */
export interface DecoderWorker {
  onmessage: ((event: { data: FromDecoder }) => void) | null;
  /** Its script could not be loaded, or did not work. */
  onerror: (() => void) | null;
  postMessage(message: ToDecoder, handedOver: ArrayBuffer[]): void;
  terminate(): void;
}

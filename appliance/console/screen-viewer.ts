// What draws a picture and takes keys and pointer for it: noVNC on the page (screen-viewer.client.ts). A session knows no
// more of it than this.
import type { RfbChannel } from './rfb-channel.ts';

/** X11 keysym, and the place of the key as `KeyboardEvent.code` has it. */
export interface ViewerKey {
  readonly keysym: number;
  readonly code: string;
}

export interface ScreenViewer {
  /** The element it draws in. Closed, it keeps the last picture there. */
  readonly place: unknown;
  /** Updates that were drawn wholly. */
  readonly frames: number;
  /** Of the picture, in its own pixels. */
  readonly width: number;
  readonly height: number;
  /** Made to fit its place, or shown pixel by pixel. */
  fit(isOn: boolean): void;
  /** Which pixel of the picture is there on the page; null beside it. */
  pixelAt(pageX: number, pageY: number): { readonly x: number; readonly y: number } | null;
  /** The customer's own mouse, drawn over the picture, in its pixels; null: it is not to be seen. */
  showPointer(at: { readonly x: number; readonly y: number } | null): void;
  /** From then on what is typed goes to it. */
  focus(): void;
  /** Whether keys and pointer are the customer's computer's. */
  control(isOn: boolean): void;
  /** Pressed in this order, and let go in the other. */
  press(keys: readonly ViewerKey[]): void;
  /** Types a text, whatever keys it takes there. */
  type(text: string): void;
  /** Lets go of every key that is held. */
  releaseKeys(): void;
  /** As a PNG. */
  picture(): Promise<Blob>;
  close(): void;
}

export interface ViewerListener {
  /** An update was drawn. */
  drawn(): void;
  /** A ServerCutText came: what stands after its type. */
  cutText(bytes: Uint8Array<ArrayBuffer>): void;
}

export type MakeViewer = (channel: RfbChannel, listener: ViewerListener) => Promise<ScreenViewer>;

// A screen as the picture server sees it, whatever system is behind it. The applet implements it per operating system, the
// browser entry with getDisplayMedia.
import type { Bytes } from '../protocol/bytes.ts';
import type { Monitor } from '../protocol/screen.ts';
import type { Later } from './objects.ts';

/** In pixels of the whole desktop. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ScreenLayout {
  /** Of the whole desktop. */
  readonly width: number;
  readonly height: number;
  /** At least one; ids are 1 and up. */
  readonly monitors: readonly Monitor[];
}

/** Bytes of a pixel: blue, green, red, and one that means nothing. */
export const PIXEL_BYTES = 4;

export interface Grabbed {
  /** BGRX, row by row. Valid until the next grab: the source may use the same memory again. */
  readonly pixels: Bytes;
  /** Bytes from one row to the next. */
  readonly stride: number;
  /**
   * Where something may have changed since the last grab of the same area, in pixels of the whole desktop; null when the
   * source can't tell, and after a change of area.
   */
  readonly damage: readonly Rectangle[] | null;
}

export interface CursorPicture {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  /** BGRA, not premultiplied, rows without gaps. */
  readonly pixels: Bytes;
}

export interface ScreenListener {
  /** Something may look different now; told once until the next grab. */
  damaged(): void;
  /** Another size, other monitors; the next grab has them. */
  layoutChanged(layout: ScreenLayout): void;
  /** Null: no cursor is shown. */
  cursorChanged(cursor: CursorPicture | null): void;
  /** It can't be seen any more: the display was closed, or does not answer. Told once; nothing follows. */
  lost(why: 'display-lost' | 'display-stuck'): void;
}

export interface ScreenSource {
  readonly layout: ScreenLayout;
  readonly cursor: CursorPicture | null;
  listen(listener: ScreenListener): void;
  /**
   * The present picture of an area inside the layout.
   * @throws ApplianceError `screen.lost` when there is none any more
   */
  grab(area: Rectangle): Later<Grabbed>;
  close(): void;
}

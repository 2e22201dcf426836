// What a viewer can do, read from its list of encodings. Until it sends one it can do Raw only.
import { ENCODING } from '../../protocol/rfb.ts';

export type PictureEncoding = 'zstd' | 'tight' | 'raw';
export type CursorEncoding = 'alpha' | 'vmware' | 'plain';

export interface Viewer {
  readonly pictures: PictureEncoding;
  readonly copyRect: boolean;
  /** It shows JPEG, in rectangles of Tight: 0 to 9; null: nothing lossy is to be sent. */
  readonly jpegLevel: number | null;
  /** 0 to 9, as asked for. */
  readonly compression: number;
  readonly cursor: CursorEncoding | null;
  readonly size: 'extended' | 'plain' | null;
  readonly lastRect: boolean;
  readonly fence: boolean;
  readonly continuousUpdates: boolean;
  readonly qemuKeys: boolean;
  readonly desktopName: boolean;
  readonly extendedClipboard: boolean;
}

const DEFAULT_COMPRESSION = 2;

/** @param zstd whether we have it */
export function viewerOf(encodings: readonly number[], zstd: boolean): Viewer {
  const has = (encoding: number) => encodings.includes(encoding);
  const tight = has(ENCODING.tight);
  // What stands first in a list is what the viewer likes best.
  const level = (first: number) => {
    const found = encodings.find(encoding => encoding >= first && encoding <= first + 9);
    return found === undefined ? null : found - first;
  };
  return {
    pictures: zstd && has(ENCODING.zstd) ? 'zstd' : tight ? 'tight' : 'raw',
    copyRect: has(ENCODING.copyRect),
    jpegLevel: tight ? level(ENCODING.quality0) : null,
    compression: level(ENCODING.compression0) ?? DEFAULT_COMPRESSION,
    cursor: cursorOf(has),
    size: has(ENCODING.extendedDesktopSize) ? 'extended' : has(ENCODING.desktopSize) ? 'plain' : null,
    lastRect: has(ENCODING.lastRect),
    fence: has(ENCODING.fence),
    continuousUpdates: has(ENCODING.fence) && has(ENCODING.continuousUpdates),
    qemuKeys: has(ENCODING.qemuKeys),
    desktopName: has(ENCODING.desktopName),
    extendedClipboard: has(ENCODING.extendedClipboard),
  };
}

function cursorOf(has: (encoding: number) => boolean): CursorEncoding | null {
  if (has(ENCODING.cursorWithAlpha)) return 'alpha';
  if (has(ENCODING.vmwareCursor)) return 'vmware';
  return has(ENCODING.cursor) ? 'plain' : null;
}

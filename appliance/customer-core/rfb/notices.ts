// What the viewer is to be told beside the picture: its size and screens, the cursor, that scan codes are welcome. Each is
// told when it changes, or when the viewer turns out to know of such a thing.
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import type { PixelFormat } from '../../protocol/rfb.ts';
import type { Monitor } from '../../protocol/screen.ts';
import type { CursorPicture, Rectangle } from '../screen-source.ts';
import { writeCursor } from './cursor.ts';
import { writeCursorWithAlpha } from './cursor-with-alpha.ts';
import { writeDesktopSize } from './desktop-size.ts';
import { writeExtendedDesktopSize } from './extended-desktop-size.ts';
import { PixelWriter } from './pixel-writer.ts';
import { writeQemuKeys } from './qemu-keys.ts';
import type { Viewer } from './viewer.ts';
import { writeVmwareCursor } from './vmware-cursor.ts';

export class Notices {
  #size = false;
  #sizeAnswer = false;
  #cursor = false;
  #qemuKeys = false;

  /** Whether there is one that needs no frame of its own. */
  get any(): boolean {
    return this.#cursor || this.#qemuKeys;
  }

  /** Whether there is one of the size, which comes in an update of its own. */
  get anyOfSize(): boolean {
    return this.#size || this.#sizeAnswer;
  }

  /** What the viewer knows now and did not before. */
  learned(before: Viewer, now: Viewer): void {
    if (now.size === 'extended' && before.size !== 'extended') this.#size = true;
    if (now.cursor !== null && now.cursor !== before.cursor) this.#cursor = true;
    if (now.qemuKeys && !before.qemuKeys) this.#qemuKeys = true;
  }

  sizeChanged(): void {
    this.#size = true;
  }

  cursorChanged(viewer: Viewer): void {
    if (viewer.cursor !== null) this.#cursor = true;
  }

  /** The viewer asked for another size. */
  sizeAsked(viewer: Viewer): void {
    if (viewer.size === 'extended') this.#sizeAnswer = true;
  }

  /** @throws ApplianceError `rfb.size-unknown` for a viewer whose picture can't change its size */
  takeOfSize(viewer: Viewer, area: Rectangle, monitors: readonly Monitor[]): Bytes {
    if (this.#sizeAnswer) {
      this.#sizeAnswer = false;
      return writeExtendedDesktopSize(area, monitors, true);
    }
    this.#size = false;
    if (viewer.size === 'extended') return writeExtendedDesktopSize(area, monitors, false);
    if (viewer.size === 'plain') return writeDesktopSize(area.width, area.height);
    throw new ApplianceError('refused', 'rfb.size-unknown', 'the picture has another size, and the viewer takes none');
  }

  take(viewer: Viewer, format: PixelFormat, cursor: CursorPicture | null): Bytes[] {
    const rectangles: Bytes[] = [];
    if (this.#qemuKeys) rectangles.push(writeQemuKeys());
    if (this.#cursor) {
      if (viewer.cursor === 'alpha') rectangles.push(writeCursorWithAlpha(cursor));
      if (viewer.cursor === 'vmware') rectangles.push(writeVmwareCursor(cursor));
      if (viewer.cursor === 'plain') rectangles.push(writeCursor(cursor, new PixelWriter(format)));
    }
    this.#cursor = false;
    this.#qemuKeys = false;
    return rectangles;
  }
}

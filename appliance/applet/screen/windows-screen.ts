// The Windows desktop as a source of pictures, by GDI. It tells nobody that something was drawn, so it is looked at: often
// while something moves, seldom while nothing does, and not at all while a picture waits to be taken.
import type { Cancel, Clock } from '../../clock.ts';
import {
  type CursorPicture,
  type Grabbed,
  PIXEL_BYTES,
  type Rectangle,
  type ScreenLayout,
  type ScreenListener,
  type ScreenSource,
} from '../../customer-core/screen-source.ts';
import { ApplianceError } from '../../errors.ts';
import { openWindows, type Windows } from '../ffi-windows.ts';
import { isSame } from './damage.ts';
import { WindowsBitmap } from './windows-bitmap.ts';
import { cursorHandle, readWindowsCursor } from './windows-cursor.ts';
import { readWindowsLayout, type WindowsLayout } from './windows-layout.ts';

const QUICK_MS = 30;
const SLOW_MS = 240;
const LAYOUT_MS = 1000;
/** Real pixels on every monitor, whatever its scale. */
const PER_MONITOR_AWARE_V2 = -4n;

/** What was taken, and room to look again. */
interface Pictures {
  readonly area: Rectangle;
  taken: WindowsBitmap;
  spare: WindowsBitmap;
}

export class WindowsScreen implements ScreenSource {
  readonly #clock: Clock;
  readonly #windows: Windows;
  readonly #screen: bigint;
  #listener: ScreenListener | null = null;
  #layout: WindowsLayout;
  #layoutAt: number;
  #cursor: CursorPicture | null;
  #cursorHandle: bigint;
  #pictures: Pictures | null = null;
  #isTold = true;
  #pauseMs = QUICK_MS;
  #cancel: Cancel = () => undefined;
  #isClosed = false;

  /** @throws ApplianceError `screen.unavailable` */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#windows = openWindows();
    this.#windows.SetThreadDpiAwarenessContext(PER_MONITOR_AWARE_V2);
    this.#screen = this.#windows.GetDC(0n);
    if (this.#screen === 0n) {
      throw new ApplianceError('unavailable', 'screen.unavailable', 'Windows gives no access to its screen', {
        hint: 'Start the program on the desktop, not as a service.',
      });
    }
    this.#layout = readWindowsLayout(this.#windows);
    this.#layoutAt = clock.monotonic();
    this.#cursorHandle = cursorHandle(this.#windows);
    this.#cursor = readWindowsCursor(this.#windows, this.#cursorHandle);
    this.#wait(QUICK_MS);
  }

  get layout(): ScreenLayout {
    const { width, height, monitors } = this.#layout;
    return { width, height, monitors };
  }

  get cursor(): CursorPicture | null {
    return this.#cursor;
  }

  listen(listener: ScreenListener): void {
    this.#listener = listener;
    queueMicrotask(() => listener.damaged()); // all of it, from the start
  }

  grab(area: Rectangle): Grabbed {
    if (this.#isClosed) throw new ApplianceError('unavailable', 'screen.lost', 'the screen was closed');
    const isNew = this.#pictures === null || !isSame(this.#pictures.area, area);
    const pictures = isNew || this.#pictures === null ? this.#newPictures(area) : this.#pictures;
    this.#pictures = pictures;
    if (this.#copy(pictures)) [pictures.taken, pictures.spare] = [pictures.spare, pictures.taken];
    this.#isTold = false;
    this.#wait(QUICK_MS);
    return { pixels: pictures.taken.bytes, stride: area.width * PIXEL_BYTES, damage: null };
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#listener = null;
    this.#pictures = null; // their memory goes with who still reads it
  }

  #newPictures(area: Rectangle): Pictures {
    return { area, taken: new WindowsBitmap(this.#windows, area), spare: new WindowsBitmap(this.#windows, area) };
  }

  #copy({ area, spare }: Pictures): boolean {
    return spare.copy(this.#screen, area.x + this.#layout.left, area.y + this.#layout.top);
  }

  #wait(ms: number): void {
    this.#cancel();
    this.#pauseMs = ms;
    this.#cancel = this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    this.#lookAtLayout();
    this.#lookAtCursor();
    const pictures = this.#pictures;
    const looks = pictures !== null && !this.#isTold && this.#copy(pictures);
    if (looks && Buffer.compare(pictures.taken.bytes, pictures.spare.bytes) !== 0) {
      this.#isTold = true;
      this.#listener?.damaged();
    }
    if (!this.#isClosed) this.#wait(Math.min(SLOW_MS, this.#pauseMs * 2));
  }

  #lookAtLayout(): void {
    if (this.#clock.monotonic() - this.#layoutAt < LAYOUT_MS) return;
    this.#layoutAt = this.#clock.monotonic();
    const layout = readWindowsLayout(this.#windows);
    if (JSON.stringify(layout) === JSON.stringify(this.#layout)) return;
    this.#layout = layout;
    this.#pictures = null;
    this.#listener?.layoutChanged(this.layout);
  }

  #lookAtCursor(): void {
    const handle = cursorHandle(this.#windows);
    if (handle === this.#cursorHandle) return;
    this.#cursorHandle = handle;
    this.#cursor = readWindowsCursor(this.#windows, handle);
    this.#listener?.cursorChanged(this.#cursor);
  }
}

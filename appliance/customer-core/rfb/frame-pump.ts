// Makes a frame when there is something to show, the viewer has dealt with the last one, and it is time: so a slow line gets
// fewer frames, and each shows the present. Nothing is grabbed before it may be sent, and no timer runs while nothing changes.
// A viewer with fences and continuous updates has dealt with a frame when its fence comes back, any other when he asks for
// the next.
import type { Cancel, Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import { type Bytes, concat } from '../../protocol/bytes.ts';
import type { PixelFormat } from '../../protocol/rfb.ts';
import { writeUpdateHead } from '../../protocol/rfb-server-messages.ts';
import type { Quality } from '../../protocol/screen.ts';
import type { PictureCodecs } from '../picture-codecs.ts';
import type { Rectangle, ScreenSource } from '../screen-source.ts';
import { writeCopyRect } from './copy-rect.ts';
import { Fences } from './fences.ts';
import { Notices } from './notices.ts';
import type { Outbox } from './outbox.ts';
import { Painter } from './painter.ts';
import { Picture } from './picture.ts';
import { pixelsOf } from './pixels.ts';
import { jpegQualityOf, QUIET_MS } from './quality.ts';
import { RefreshBudget } from './refresh-budget.ts';
import { UpdateWriter } from './update-writer.ts';
import type { Viewer } from './viewer.ts';

const FRAME_MS = 16;
const HIDDEN_FRAME_MS = 1000;
/** A viewer that asks for the whole picture gets it this often. */
const WHOLE_MS = 250;
/** More would be a mistake of the source's: 256 MiB. */
const MAX_PICTURE_PIXELS = 2 ** 26;

/** Is told of the bytes that leave, where they have to describe themselves (RecordedScreen). */
export interface FrameWatch {
  /** What leaves from here on is in the format and encodings the viewer named last. */
  formatChanged(): void;
  frameBegins(): void;
  frameEnds(): void;
}

export interface PumpParts {
  readonly clock: Clock;
  readonly source: ScreenSource;
  readonly codecs: PictureCodecs;
  readonly outbox: Outbox;
  /** What of the desktop is shown. */
  readonly area: () => Rectangle;
  readonly failed: (error: unknown) => void;
  readonly watch: FrameWatch | null;
}

export class FramePump {
  readonly #parts: PumpParts;
  readonly #painter: Painter;
  readonly #fences = new Fences();
  readonly #budget = new RefreshBudget();
  readonly #notices: Notices;
  #area: Rectangle;
  #picture: Picture;
  #viewer: Viewer;
  #format: PixelFormat;
  #quality: Quality = 'auto';
  #visible = true;
  #paused = false;
  #started = false;
  #closed = false;
  #running = false;
  #isFormatNew = false;

  /** Something was drawn that was not grabbed yet. */
  #damaged = true;
  /** The viewer asked for everything again. */
  #wholeAsked = false;
  #wholeAt = Number.NEGATIVE_INFINITY;
  #frameAt = Number.NEGATIVE_INFINITY;
  #requested = false;
  #areaDue = false;
  #continuous = false;
  #cancelTimer: Cancel | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(parts: PumpParts, viewer: Viewer, format: PixelFormat) {
    this.#parts = parts;
    this.#viewer = viewer;
    this.#format = format;
    this.#notices = new Notices();
    this.#painter = new Painter(parts.codecs);
    this.#area = parts.area();
    this.#picture = this.#newPicture();
  }

  get area(): Rectangle {
    return this.#area;
  }

  /** The viewer is connected. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** The viewer can do something else from now on, or wants other pixels. */
  use(viewer: Viewer, format: PixelFormat): void {
    this.#notices.learned(this.#viewer, viewer);
    if (format !== this.#format) this.#notices.cursorChanged(viewer);
    if (!viewer.continuousUpdates) this.#fences.forget();
    this.#viewer = viewer;
    this.#format = format;
    this.#isFormatNew = true;
    this.#pump();
  }

  /** The viewer asked for an update. */
  request(incremental: boolean): void {
    this.#requested = true;
    if (!incremental) this.#wholeAsked = true;
    this.#budget.dealtWith(this.#parts.clock.monotonic());
    this.#pump();
  }

  setContinuous(on: boolean): void {
    this.#continuous = on && this.#viewer.continuousUpdates;
    if (!this.#continuous) this.#fences.forget();
    this.#pump();
  }

  announceFences(): Bytes {
    return this.#fences.announce();
  }

  /** @returns the answer to a viewer's own fence */
  receiveFence(flags: number, payload: Bytes): Bytes | null {
    const answer = this.#fences.receive(flags, payload);
    if (answer === null && !this.#fences.isWaiting) {
      this.#budget.dealtWith(this.#parts.clock.monotonic());
      this.#pump();
    }
    return answer;
  }

  sizeAsked(): void {
    this.#notices.sizeAsked(this.#viewer);
    this.#pump();
  }

  setQuality(quality: Quality): void {
    this.#quality = quality;
    this.#pump();
  }

  setVisible(visible: boolean): void {
    this.#visible = visible;
    this.#pump();
  }

  setPaused(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#parts.outbox.hold(paused);
    if (paused) this.#stopTimer();
    else this.#picture.forget();
    this.#damaged = true;
    this.#pump();
  }

  damaged(): void {
    this.#damaged = true;
    this.#pump();
  }

  cursorChanged(): void {
    this.#notices.cursorChanged(this.#viewer);
    this.#pump();
  }

  /** Another part of the desktop is shown, or the desktop is another. */
  areaChanged(): void {
    this.#areaDue = true;
    this.#pump();
  }

  drained(): void {
    this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    // What a frame under way still compresses with is closed when that has ended.
    if (!this.#running) this.#painter.close();
  }

  #pump(): void {
    if (this.#running || this.#closed || this.#paused || !this.#started) return;
    const free = this.#parts.outbox.isFree && (this.#continuous ? !this.#fences.isWaiting : this.#requested);
    const due = free ? this.#dueAt() : null;
    if (due === null) {
      this.#stopTimer();
      return;
    }
    const now = this.#parts.clock.monotonic();
    if (due > now) {
      this.#startTimer(due, now);
      return;
    }
    this.#stopTimer();
    this.#running = true;
    void this.#run(now);
  }

  /** When the next frame has something to show; null: not known to have. */
  #dueAt(): number | null {
    const soonest = this.#frameAt + (this.#visible ? FRAME_MS : HIDDEN_FRAME_MS);
    if (this.#damaged || this.#areaDue || this.#notices.any || this.#notices.anyOfSize) return soonest;
    const lossyAt = this.#picture.oldestLossyAt();
    const dues = [
      ...(this.#wholeAsked ? [this.#wholeAt + WHOLE_MS] : []),
      ...(lossyAt === null ? [] : [lossyAt + QUIET_MS]),
    ];
    return dues.length === 0 ? null : Math.max(soonest, Math.min(...dues));
  }

  async #run(at: number): Promise<void> {
    const { outbox, failed } = this.#parts;
    this.#frameAt = at;
    outbox.beginFrame();
    try {
      await this.#frame(at);
    } catch (error) {
      if (!this.#closed) failed(error);
    }
    outbox.endFrame();
    this.#running = false;
    if (this.#closed) this.#painter.close();
    else this.#pump();
  }

  async #frame(at: number): Promise<void> {
    const requested = this.#requested;
    this.#requested = false; // before anything is sent: the next one may come while this frame ends
    const { watch } = this.#parts;
    if (this.#isFormatNew) watch?.formatChanged();
    this.#isFormatNew = false;
    if (this.#areaDue) this.#changeArea();
    if (this.#notices.anyOfSize) {
      await this.#tellSize();
      if (!this.#continuous) return;
    }
    const { outbox, source } = this.#parts;
    watch?.frameBegins();
    const update = new UpdateWriter(bytes => outbox.write(bytes), this.#viewer.lastRect);
    update.add(...this.#notices.take(this.#viewer, this.#format, source.cursor));
    this.#painter.use(this.#viewer, this.#format);
    if (this.#damaged || this.#wholeAsked) await this.#showChanges(at, update);
    if (this.#closed) return;
    const refreshed = await this.#refresh(at, update);
    if (update.isEmpty) {
      this.#requested ||= requested;
      return;
    }
    await update.end(this.#continuous ? this.#fences.afterFrame() : new Uint8Array());
    watch?.frameEnds();
    this.#budget.sent(this.#parts.clock.monotonic(), refreshed);
  }

  #changeArea(): void {
    this.#areaDue = false;
    const before = this.#area;
    this.#area = this.#parts.area();
    const { width, height } = this.#area;
    if (width === before.width && height === before.height) {
      this.#picture.forget();
      if (this.#viewer.size === 'extended') this.#notices.sizeChanged(); // its screens may be others
    } else {
      this.#picture = this.#newPicture();
      this.#notices.sizeChanged();
    }
    this.#damaged = true;
  }

  async #tellSize(): Promise<void> {
    const { outbox, source } = this.#parts;
    while (this.#notices.anyOfSize) {
      const rectangle = this.#notices.takeOfSize(this.#viewer, this.#area, source.layout.monitors);
      await outbox.write(concat(writeUpdateHead(1), rectangle));
    }
  }

  async #showChanges(at: number, update: UpdateWriter): Promise<void> {
    const area = this.#area;
    if (this.#wholeAsked && at >= this.#wholeAt + WHOLE_MS) {
      this.#wholeAsked = false;
      this.#wholeAt = at;
      this.#picture.forget();
    }
    this.#damaged = false;
    const grabbed = await this.#parts.source.grab(area);
    if (this.#closed) return;
    const damage = grabbed.damage?.map(({ x, y, width, height }) => ({ x: x - area.x, y: y - area.y, width, height }));
    const copies = this.#picture.take(pixelsOf(grabbed, area), damage ?? null, this.#viewer.copyRect, at);
    update.add(...copies.map(writeCopyRect));
    const quality = jpegQualityOf(this.#quality, this.#viewer);
    await this.#painter.paint(this.#picture, this.#picture.takeChanges(), quality, at, update);
  }

  /** @returns whether there was something to refresh */
  async #refresh(at: number, update: UpdateWriter): Promise<boolean> {
    const areas = this.#picture.takeLossy(at - QUIET_MS, this.#budget.pixels);
    if (areas.length === 0) return false;
    await this.#painter.paint(this.#picture, areas, null, at, update);
    return true;
  }

  #newPicture(): Picture {
    const { width, height } = this.#area;
    if (width * height > MAX_PICTURE_PIXELS) {
      throw new ApplianceError('limited', 'rfb.too-large', `a picture of ${width}×${height} pixels`);
    }
    this.#painter.resize(width, height);
    return new Picture(width, height, this.#parts.codecs.sameBytes);
  }

  #startTimer(due: number, now: number): void {
    if (this.#cancelTimer !== null && this.#timerAt <= due) return;
    this.#stopTimer();
    this.#timerAt = due;
    this.#cancelTimer = this.#parts.clock.after(Math.ceil(due - now), () => {
      this.#cancelTimer = null;
      this.#pump();
    });
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}

// The customer's X11 desktop as a source of pictures. Nothing is polled: the server tells when something was drawn (DAMAGE), the
// cursor changed (XFixes) or the monitors did (RandR), and rows without damage are not read again.
import type { Damage, Fixes, RandR, XEvent, XRectangle } from 'x11';
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
import { type DisplayOptions, type LostReason, refusalOf, XConnection } from '../x11/connection.ts';
import { Again } from './again.ts';
import { damagedBands, damageWithin, intersect, isSame } from './damage.ts';
import { isSameCursor, readCursor } from './x11-cursor.ts';
import { isSameLayout, oneMonitor, readLayout } from './x11-layout.ts';
import { X11Pixels } from './x11-pixels.ts';

const CONFIGURE_NOTIFY = 22; // X protocol, encoding
const STRUCTURE_NOTIFY = 0x20_000;
const DISPLAY_CURSOR = 1;
const EVERYTHING = 0;
const NOWHERE = 0;

interface Parts {
  readonly connection: XConnection;
  readonly damage: Damage;
  readonly fixes: Fixes;
  readonly randr: RandR | null;
  readonly pixels: X11Pixels;
}

export class X11Screen implements ScreenSource {
  readonly #parts: Parts;
  /** What was drawn since the last grab, as the server keeps it; and where it is put to be fetched. */
  readonly #damage: number;
  readonly #region: number;
  readonly #layoutJob = new Again(() => this.#updateLayout());
  readonly #cursorJob = new Again(() => this.#updateCursor());
  #listener: ScreenListener | null = null;
  #layout: ScreenLayout;
  #cursor: CursorPicture | null = null;
  /** Whose picture the pixels are. */
  #area: Rectangle | null = null;
  /** The listener was told, and has not grabbed since. */
  #isTold = false;
  /** The server has told of damage that was not taken from it since. */
  #isDrawn = false;
  /** What the last picture may have had already of what was drawn while it was read. */
  #early: readonly Rectangle[] = [];
  #lost: LostReason | null = null;
  #grabbing: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts) {
    this.#parts = parts;
    const { connection, damage, fixes } = parts;
    const { root, pixel_width, pixel_height } = connection.screen;
    this.#layout = oneMonitor(pixel_width, pixel_height);
    this.#damage = connection.client.AllocID();
    this.#region = connection.client.AllocID();
    connection.onEvent(event => this.#onEvent(event));
    connection.closed.then(why => this.#onClosed(why));
    fixes.CreateRegion(this.#region, []);
    damage.Create(this.#damage, root, damage.ReportLevel.NonEmpty);
  }

  /** @throws ApplianceError `screen.unavailable`, with what the customer or IT can do about it */
  static async open(options: DisplayOptions): Promise<X11Screen> {
    const connection = await XConnection.open(options);
    try {
      requireTrueColour(connection);
      const [damage, fixes] = [await connection.extension('damage'), await connection.extension('fixes')];
      if (damage === null || fixes === null) throw unavailable('the display has not the extensions DAMAGE and XFIXES');
      const [randr, shm] = [await connection.extension('randr'), await connection.extension('shm')];
      // Of another machine's server the number of our memory would mean somebody else's.
      const pixels = new X11Pixels(connection, connection.isLocal ? shm : null);
      const screen = new X11Screen({ connection, damage, fixes, randr, pixels });
      await screen.#start();
      return screen;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get layout(): ScreenLayout {
    return this.#layout;
  }

  get cursor(): CursorPicture | null {
    return this.#cursor;
  }

  listen(listener: ScreenListener): void {
    this.#listener = listener;
    if (this.#isTold) queueMicrotask(() => listener.damaged());
    const why = this.#lost;
    if (why !== null) queueMicrotask(() => listener.lost(why));
  }

  grab(area: Rectangle): Promise<Grabbed> {
    const grabbed = this.#grabbing.then(() => this.#grab(area));
    this.#grabbing = grabbed.catch(() => undefined); // the caller has it
    return grabbed;
  }

  close(): void {
    this.#listener = null;
    this.#parts.pixels.close();
    this.#parts.connection.close();
  }

  async #start(): Promise<void> {
    const { connection, fixes, randr } = this.#parts;
    const { root } = connection.screen;
    connection.client.ChangeWindowAttributes(root, { eventMask: STRUCTURE_NOTIFY });
    const mask = randr?.NotifyMask;
    if (mask !== undefined) randr?.SelectInput(root, mask.ScreenChange | mask.CrtcChange | mask.OutputChange);
    fixes.SelectCursorInput(root, DISPLAY_CURSOR);
    await this.#layoutJob.run();
    await this.#cursorJob.run();
  }

  async #grab(area: Rectangle): Promise<Grabbed> {
    try {
      return await this.#read(area);
    } catch (error) {
      if (refusalOf(error) === undefined) throw error;
    }
    // The desktop became smaller just now. The listener is told; what it asked for is what it had.
    this.#area = null;
    await this.#layoutJob.run();
    const whole = { x: 0, y: 0, width: this.#layout.width, height: this.#layout.height };
    if (isSame(intersect(area, whole), area)) return this.#read(area);
    const pixels = await this.#parts.pixels.read(area, []);
    return { pixels, stride: area.width * PIXEL_BYTES, damage: [] };
  }

  async #read(area: Rectangle): Promise<Grabbed> {
    const { pixels } = this.#parts;
    const stride = area.width * PIXEL_BYTES;
    this.#isTold = false;
    if (this.#area === null || !isSame(area, this.#area)) {
      this.#area = null;
      await pixels.makeRoom(area);
      this.#dropDamage();
      const bytes = await pixels.read(area, [{ y: 0, end: area.height }]);
      this.#area = area;
      return { pixels: bytes, stride, damage: null };
    }
    const known = [...this.#early, ...(await this.#takeDamage())];
    const bytes = await pixels.read(area, damagedBands(area, damageWithin(area, known)));
    this.#early = this.#isDrawn ? await this.#takeDamage() : [];
    return { pixels: bytes, stride, damage: damageWithin(area, [...known, ...this.#early]) };
  }

  /** What is drawn from now on is told anew. */
  #dropDamage(): void {
    this.#isDrawn = false;
    this.#early = [];
    this.#parts.damage.Subtract(this.#damage, EVERYTHING, NOWHERE);
  }

  async #takeDamage(): Promise<readonly Rectangle[]> {
    const { connection, damage, fixes } = this.#parts;
    this.#isDrawn = false;
    damage.Subtract(this.#damage, EVERYTHING, this.#region);
    const { rectangles } = await connection.ask<{ rectangles: readonly XRectangle[] }>(answer =>
      fixes.FetchRegion(this.#region, answer),
    );
    return rectangles;
  }

  #onEvent({ type }: XEvent): void {
    const { damage, fixes, randr } = this.#parts;
    if (type === damage.firstEvent) {
      this.#isDrawn = true;
      if (!this.#isTold) this.#listener?.damaged();
      this.#isTold = true;
    } else if (type === fixes.firstEvent + 1) {
      this.#follow(this.#cursorJob);
    } else if (type === CONFIGURE_NOTIFY || (randr !== null && [0, 1].includes(type - randr.firstEvent))) {
      this.#follow(this.#layoutJob);
    }
  }

  #follow(job: Again): void {
    job.run().catch(() => {
      // A screen whose form can't be told can't be shown; what was lost already has been told.
      this.#parts.connection.close();
      this.#onClosed('display-lost');
    });
  }

  async #updateLayout(): Promise<void> {
    const layout = await readLayout(this.#parts.connection, this.#parts.randr);
    if (isSameLayout(layout, this.#layout)) return;
    this.#layout = layout;
    this.#listener?.layoutChanged(layout);
  }

  async #updateCursor(): Promise<void> {
    const cursor = await readCursor(this.#parts.connection, this.#parts.fixes);
    if (isSameCursor(cursor, this.#cursor)) return;
    this.#cursor = cursor;
    this.#listener?.cursorChanged(cursor);
  }

  #onClosed(why: LostReason | null): void {
    this.#parts.pixels.close();
    if (why === null || this.#lost !== null) return;
    this.#lost = why;
    this.#listener?.lost(why);
    this.#listener = null;
  }
}

/** Pixels of four bytes, blue first: what practically every desktop has. */
function requireTrueColour({ client, screen }: XConnection): void {
  const { root_depth: depth, root_visual } = screen;
  const visual = screen.depths[depth]?.[root_visual];
  const bits = client.display.format[depth]?.bits_per_pixel;
  const masks = [visual?.red_mask, visual?.green_mask, visual?.blue_mask];
  const isUsual = masks[0] === 0xff_00_00 && masks[1] === 0xff_00 && masks[2] === 0xff;
  if ((depth === 24 || depth === 32) && bits === 32 && isUsual && client.display.image_byte_order === 0) return;
  throw new ApplianceError('unavailable', 'screen.unavailable', `the display has ${depth} bits a pixel`, {
    hint: 'Set the colour depth of the desktop to 24 bits (16.7 million colours).',
  });
}

function unavailable(message: string): ApplianceError {
  return new ApplianceError('unavailable', 'screen.unavailable', message, {
    hint: 'Use an X server that is not older than 2015.',
  });
}

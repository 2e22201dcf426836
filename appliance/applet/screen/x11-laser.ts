// The technician's laser pointer on the customer's screen: a small window above all others, of the form of a spot with a ring,
// through which every click goes. It belongs to no window manager.
import type { Fixes, XRectangle } from 'x11';
import type { XConnection } from '../x11/connection.ts';

const SIZE = 33;
const RED = 0xe0_10_20;
const WHITE = 0xff_ff_ff;
const COPY_FROM_PARENT = 0;
const INPUT_OUTPUT = 1;
const ABOVE = 0;
const SHAPE = { bounding: 0, input: 2 } as const;

/** Pixels off the middle. A white edge shows it on red ground too. */
const isSpot = (distance: number) => distance <= 5;
const isRing = (distance: number) => distance >= 11 && distance <= 14;
const isSpotEdge = (distance: number) => distance <= 6.5;
const isRingEdge = (distance: number) => distance >= 9.5 && distance <= 15.5;

export class X11Laser {
  readonly #connection: XConnection;
  readonly #window: number;
  #isShown = false;

  constructor(connection: XConnection, fixes: Fixes) {
    this.#connection = connection;
    const { client, screen } = connection;
    const [pixmap, paint, region] = [client.AllocID(), client.AllocID(), client.AllocID()];
    this.#window = client.AllocID();
    client.CreatePixmap(pixmap, screen.root, screen.root_depth, SIZE, SIZE);
    client.CreateGC(paint, pixmap, { foreground: WHITE });
    client.PolyFillRectangle(pixmap, paint, [0, 0, SIZE, SIZE]);
    client.ChangeGC(paint, { foreground: RED });
    client.PolyFillRectangle(
      pixmap,
      paint,
      pixels(isSpot, isRing).flatMap(({ x, y, width, height }) => [x, y, width, height]),
    );
    // The server paints it by itself from the pixmap, whenever something was over it.
    const values = { backgroundPixmap: pixmap, overrideRedirect: 1 };
    const form = [0, COPY_FROM_PARENT, INPUT_OUTPUT, COPY_FROM_PARENT] as const;
    client.CreateWindow(this.#window, screen.root, 0, 0, SIZE, SIZE, ...form, values);
    fixes.CreateRegion(region, pixels(isSpotEdge, isRingEdge));
    fixes.SetWindowShapeRegion(this.#window, SHAPE.bounding, 0, 0, region);
    fixes.DestroyRegion(region);
    fixes.CreateRegion(region, []);
    fixes.SetWindowShapeRegion(this.#window, SHAPE.input, 0, 0, region);
    fixes.DestroyRegion(region);
    client.FreeGC(paint);
    client.FreePixmap(pixmap);
    for (const id of [pixmap, paint, region]) client.ReleaseID(id);
  }

  /** In pixels of the whole desktop; null takes it away. */
  point(at: { readonly x: number; readonly y: number } | null): void {
    const { client } = this.#connection;
    if (at === null) {
      client.UnmapWindow(this.#window);
    } else {
      const middle = (SIZE - 1) / 2;
      client.ConfigureWindow(this.#window, { x: at.x - middle, y: at.y - middle, stackMode: ABOVE });
      if (!this.#isShown) client.MapWindow(this.#window);
    }
    this.#isShown = at !== null;
  }

  close(): void {
    this.#connection.client.DestroyWindow(this.#window);
  }
}

/** Pixels of the square whose distance from its middle is one of these. */
function pixels(...isInside: readonly ((distance: number) => boolean)[]): XRectangle[] {
  const middle = (SIZE - 1) / 2;
  return Array.from({ length: SIZE * SIZE }, (_, at) => ({ x: at % SIZE, y: Math.floor(at / SIZE) }))
    .filter(({ x, y }) => isInside.some(is => is(Math.hypot(x - middle, y - middle))))
    .map(({ x, y }) => ({ x, y, width: 1, height: 1 }));
}

// What is drawn on a customer's display in a test, and what is really on it: read from the X server's own frame buffer, which
// Xvfb keeps in a file in the format of xwd, so that no request is believed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { Rectangle } from '../../appliance/customer-core/screen-source.ts';
import type { Desktop } from './desktop.ts';

/** For `Desktop.open`: the frame buffer in a file, without the cursor that software would draw into it. */
export const WITH_FRAME_BUFFER = {
  screen: '1920x1080x24',
  flags: (folder: string) => ['-fbdir', folder, '-nocursor'],
} as const;

const PIXEL = 4;

/** Blue, green, red of each pixel of an area, the fourth byte zero. */
export function trueColours(pixels: Uint8Array, stride: number, { x, y, width, height }: Rectangle): Buffer {
  const colours = Buffer.alloc(width * height * PIXEL);
  for (let row = 0; row < height; row++) {
    const from = (y + row) * stride + x * PIXEL;
    colours.set(pixels.subarray(from, from + width * PIXEL), row * width * PIXEL);
  }
  const whole = new Uint32Array(colours.buffer, colours.byteOffset, width * height);
  for (let at = 0; at < whole.length; at++) whole[at] = (whole[at] ?? 0) & 0xff_ff_ff;
  return colours;
}

/** The X server's own picture of an area. */
export function frameBuffer(desktop: Desktop, area: Rectangle): Buffer {
  const file = readFileSync(join(desktop.folder, 'Xvfb_screen0'));
  const field = (index: number) => file.readUInt32BE(index * 4); // XWDFile.h
  const [header, stride, colours] = [field(0), field(12), field(19)];
  return trueColours(file.subarray(header + colours * 12), stride, area);
}

/** A program of the customer's that draws. */
export class Painter {
  readonly connection: XConnection;
  readonly #paint: number;

  private constructor(connection: XConnection) {
    this.connection = connection;
    this.#paint = connection.client.AllocID();
    connection.client.CreateGC(this.#paint, connection.screen.root, {});
  }

  static async open(desktop: Desktop): Promise<Painter> {
    return new Painter(await XConnection.open({ clock: systemClock, environment: desktop.environment }));
  }

  /** Done when it returns. */
  async fill(colour: number, ...areas: readonly Rectangle[]): Promise<void> {
    const { client, screen } = this.connection;
    client.ChangeGC(this.#paint, { foreground: colour });
    const coordinates = areas.flatMap(({ x, y, width, height }) => [x, y, width, height]);
    client.PolyFillRectangle(screen.root, this.#paint, coordinates);
    await this.settle();
  }

  async scroll(area: Rectangle, by: number): Promise<void> {
    const { client, screen } = this.connection;
    const { x, y, width, height } = area;
    client.CopyArea(screen.root, screen.root, this.#paint, x, y + by, x, y, width, height - by);
    await this.settle();
  }

  /** @param pixels BGRA, premultiplied */
  async setCursor(side: number, pixels: Buffer, hotX: number, hotY: number): Promise<void> {
    const { client, screen } = this.connection;
    const render = await this.connection.extension('render');
    if (render === null) throw new Error('the server has no RENDER');
    const [pixmap, gc, picture, cursor] = [client.AllocID(), client.AllocID(), client.AllocID(), client.AllocID()];
    client.CreatePixmap(pixmap, screen.root, 32, side, side);
    client.CreateGC(gc, pixmap, {});
    client.PutImage(2, pixmap, gc, side, side, 0, 0, 0, 32, pixels);
    render.CreatePicture(picture, pixmap, render.rgba32, null);
    render.CreateCursor(cursor, picture, hotX, hotY);
    client.ChangeWindowAttributes(screen.root, { cursor });
    await this.settle();
  }

  async settle(): Promise<void> {
    await this.connection.ask(answer => this.connection.client.GetInputFocus(answer));
  }

  close(): void {
    this.connection.close();
  }
}

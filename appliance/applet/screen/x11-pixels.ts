// Pixels of an X11 desktop. The server writes them into memory both share (MIT-SHM); through the connection where it can't.
import type { Shm } from 'x11';
import { PIXEL_BYTES, type Rectangle } from '../../customer-core/screen-source.ts';
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { SharedMemory } from '../ffi.ts';
import type { XConnection } from '../x11/connection.ts';
import type { Band } from './damage.ts';

const Z_PIXMAP = 2;
const ALL_PLANES = 0xff_ff_ff_ff;
/** 64 million pixels: seven 4K monitors. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Core GetImage answers come as one piece; smaller ones let other answers through between. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

interface Segment {
  readonly id: number;
  readonly memory: SharedMemory;
}

export class X11Pixels {
  readonly #connection: XConnection;
  #shm: Shm | null;
  #segment: Segment | null = null;
  #own: Bytes = new Uint8Array(0);

  /** @param shm null where the server shares none */
  constructor(connection: XConnection, shm: Shm | null) {
    this.#connection = connection;
    this.#shm = shm;
  }

  /** Has room for an area, row by row; what it held is lost. @throws ApplianceError `screen.too-large` */
  async makeRoom({ width, height }: Rectangle): Promise<void> {
    const size = width * height * PIXEL_BYTES;
    if (size > MAX_BYTES) {
      throw new ApplianceError(
        'limited',
        'screen.too-large',
        `${width} × ${height} pixels are too many for one picture`,
        {
          hint: 'Choose one of the monitors.',
        },
      );
    }
    if (this.#bytes.length >= size) return;
    this.#release();
    if (this.#shm !== null) this.#segment = await this.#share(this.#shm, size);
    if (this.#segment === null) this.#own = new Uint8Array(size);
  }

  /** Reads rows of the area again and leaves the others as they are. @returns the whole area */
  async read(area: Rectangle, bands: readonly Band[]): Promise<Bytes> {
    await Promise.all(bands.map(band => this.#readBand(area, band)));
    return this.#bytes.subarray(0, area.width * area.height * PIXEL_BYTES);
  }

  close(): void {
    this.#release();
  }

  get #bytes(): Bytes {
    return this.#segment?.memory.bytes ?? this.#own;
  }

  #readBand(area: Rectangle, { y, end }: Band): Promise<unknown> {
    const { client, screen } = this.#connection;
    const stride = area.width * PIXEL_BYTES;
    const [shm, segment] = [this.#shm, this.#segment];
    if (shm !== null && segment !== null) {
      return this.#connection.ask(answer =>
        shm.GetImage(
          ...([screen.root, area.x, area.y + y, area.width, end - y] as const),
          ...([ALL_PLANES, Z_PIXMAP, segment.id, y * stride, answer] as const),
        ),
      );
    }
    const rows = Math.max(1, Math.floor(MAX_ANSWER_BYTES / stride));
    const own = this.#own;
    const parts: Promise<void>[] = [];
    for (let from = y; from < end; from += rows) {
      const height = Math.min(rows, end - from);
      const asked = this.#connection.ask<{ data: Buffer }>(answer =>
        client.GetImage(Z_PIXMAP, screen.root, area.x, area.y + from, area.width, height, ALL_PLANES, answer),
      );
      parts.push(asked.then(({ data }) => own.set(data.subarray(0, height * stride), from * stride)));
    }
    return Promise.all(parts);
  }

  /** @returns null where the server can't reach our memory: another machine, another container */
  async #share(shm: Shm, size: number): Promise<Segment | null> {
    let memory: SharedMemory | undefined;
    try {
      const shared = new SharedMemory(size);
      memory = shared;
      const id = this.#connection.client.AllocID();
      await this.#connection.ask<void>(answer => shm.Attach(id, shared.id, false, answer));
      return { id, memory: shared };
    } catch (error) {
      memory?.release();
      if (!(error instanceof ApplianceError) || !['memory.not-shared', 'display.refused'].includes(error.code))
        throw error;
      this.#shm = null;
      return null;
    }
  }

  #release(): void {
    if (this.#segment !== null) {
      this.#shm?.Detach(this.#segment.id);
      this.#segment.memory.release();
      this.#segment = null;
    }
    this.#own = new Uint8Array(0);
  }
}

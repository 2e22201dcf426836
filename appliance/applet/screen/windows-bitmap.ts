// A part of the Windows screen as bytes, copied by GDI. Bitmaps are top to bottom, four bytes a pixel.
import { PIXEL_BYTES } from '../../customer-core/screen-source.ts';
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { nativePixels, type Windows } from '../ffi-windows.ts';

const SRCCOPY = 0x00_cc_00_20;
const DIB_RGB_COLORS = 0;
const HEADER_BYTES = 40;
/** 64 million pixels: seven 4K monitors. */
const MAX_BYTES = 256 * 1024 * 1024;

export class WindowsBitmap {
  readonly #windows: Windows;
  readonly #width: number;
  readonly #height: number;
  readonly #context: bigint;
  readonly bytes: Bytes;

  /** @throws ApplianceError `screen.too-large` */
  constructor(windows: Windows, { width, height }: { readonly width: number; readonly height: number }) {
    const size = width * height * PIXEL_BYTES;
    if (size > MAX_BYTES) throw tooLarge(width, height);
    this.#windows = windows;
    this.#width = width;
    this.#height = height;
    const address = new BigUint64Array(1);
    const context = windows.CreateCompatibleDC(0n);
    const bitmap = windows.CreateDIBSection(0n, bitmapInfo(width, height), DIB_RGB_COLORS, address, 0n, 0);
    if (context === 0n || bitmap === 0n || address[0] === undefined) throw tooLarge(width, height);
    windows.SelectObject(context, bitmap);
    this.#context = context;
    this.bytes = nativePixels(address[0], size, () => {
      windows.DeleteDC(context);
      windows.DeleteObject(bitmap);
    });
  }

  /** @returns false while Windows shows nobody its screen: it is locked, or asks for an administrator */
  copy(screen: bigint, x: number, y: number): boolean {
    const copied = this.#windows.BitBlt(this.#context, 0, 0, this.#width, this.#height, screen, x, y, SRCCOPY) !== 0;
    this.#windows.GdiFlush();
    return copied;
  }
}

/** BITMAPINFO of 32 bits a pixel, top to bottom, with room for the colours of one that has masks. */
export function bitmapInfo(width: number, height: number): Buffer {
  const info = Buffer.alloc(HEADER_BYTES + 3 * 4);
  info.writeUInt32LE(HEADER_BYTES, 0);
  info.writeInt32LE(width, 4);
  info.writeInt32LE(-height, 8);
  info.writeUInt16LE(1, 12); // planes
  info.writeUInt16LE(8 * PIXEL_BYTES, 14);
  return info;
}

function tooLarge(width: number, height: number): ApplianceError {
  return new ApplianceError('limited', 'screen.too-large', `${width} × ${height} pixels are too many for one picture`, {
    hint: 'Choose one of the monitors.',
  });
}

// Cursors as a server sends them: with a mask of one bit (RFC 6143 §7.8.1), or with alpha, in the community's way or VMware's.
import { ByteReader, type Bytes, malformed } from '../../protocol/bytes.ts';
import type { RcrecCursor } from '../../protocol/rcrec-records.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import type { RfbArea } from '../../protocol/rfb-client-messages.ts';
import type { ByteSource } from './byte-source.ts';
import { CHANNELS } from './picture.ts';
import type { PixelReader } from './pixel-reader.ts';

const VMWARE_WITH_ALPHA = 1;

/** Pixels in the viewer's format, then the mask, rows padded to whole bytes. */
export async function readCursor(source: ByteSource, area: RfbArea, reader: PixelReader): Promise<RcrecCursor | null> {
  const { width, height } = area;
  const count = width * height;
  const lineBytes = Math.ceil(width / 8);
  const colours = await source.take(count * reader.bytes);
  const mask = await source.take(lineBytes * height);
  if (count === 0) return null;
  const pixels = new Uint8Array(count * CHANNELS);
  reader.read(colours, 0, count, pixels, 0);
  for (let at = 0; at < count; at++) {
    const x = at % width;
    const byte = mask[Math.floor(at / width) * lineBytes + (x >> 3)] ?? 0;
    pixels[at * CHANNELS + 3] = (byte >> (7 - (x & 7))) & 1 ? 255 : 0;
  }
  return cursorOf(area, pixels);
}

/** An encoding, which must be Raw, then red, green, blue, alpha, premultiplied. */
export async function readAlphaCursor(source: ByteSource, area: RfbArea): Promise<RcrecCursor | null> {
  const encoding = new ByteReader(await source.take(4)).uint(4);
  if (encoding !== ENCODING.raw) throw malformed(`a cursor in encoding ${encoding}`);
  const sent = await source.take(area.width * area.height * CHANNELS);
  return fromRgba(area, sent, (value, alpha) => (alpha === 0 ? 0 : Math.min(255, Math.round((value * 255) / alpha))));
}

/** A kind, which must be the one with alpha, a byte for nothing, then red, green, blue, alpha as they are. */
export async function readVmwareCursor(source: ByteSource, area: RfbArea): Promise<RcrecCursor | null> {
  const [kind] = await source.take(2);
  if (kind !== VMWARE_WITH_ALPHA) throw malformed(`a cursor of kind ${kind}`);
  return fromRgba(area, await source.take(area.width * area.height * CHANNELS), value => value);
}

function fromRgba(area: RfbArea, sent: Bytes, plain: (value: number, alpha: number) => number): RcrecCursor | null {
  if (sent.length === 0) return null;
  const pixels = new Uint8Array(sent.length);
  for (let at = 0; at < sent.length; at += CHANNELS) {
    const alpha = sent[at + 3] ?? 0;
    pixels[at] = plain(sent[at + 2] ?? 0, alpha);
    pixels[at + 1] = plain(sent[at + 1] ?? 0, alpha);
    pixels[at + 2] = plain(sent[at] ?? 0, alpha);
    pixels[at + 3] = alpha;
  }
  return cursorOf(area, pixels);
}

function cursorOf({ x, y, width, height }: RfbArea, pixels: Bytes): RcrecCursor {
  return { hotX: x, hotY: y, width, height, pixels };
}

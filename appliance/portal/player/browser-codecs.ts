// What a player is handed in a browser: zstd out of WebAssembly, JPEG and SHA-256 of the browser's own.
import { jpegSize } from '../../browser/jpeg-size.ts';
import { ZstdStream } from '../../browser/zstd-stream.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { RCREC_WINDOW_LOG } from '../../protocol/rcrec.ts';
import type { Sha256 } from '../../protocol/rcrec-file.ts';
import type { JpegDecoder } from '../../protocol/rcrec-picture.ts';
import type { Unpacker } from '../../protocol/rcrec-player.ts';

export const browserSha256: Sha256 = async bytes => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

export function newZstdUnpacker(): Unpacker {
  const opened = ZstdStream.open(2 ** RCREC_WINDOW_LOG);
  return {
    unpack: async (packed: Bytes, plainBytes: number) => (await opened).decompress(packed, plainBytes),
    close: () => void opened.then(stream => stream.close()),
  };
}

/** Its size is looked at first: a few bytes may claim more pixels than there is room for. */
export const decodeBrowserJpeg: JpegDecoder = async (jpeg, { width, height }) => {
  const size = jpegSize(jpeg);
  if (size?.width !== width || size.height !== height) throw new RangeError('a JPEG of another size');
  const blob = new Blob([Uint8Array.from(jpeg)], { type: 'image/jpeg' });
  const image = await createImageBitmap(blob, { colorSpaceConversion: 'none' });
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw new TypeError('no canvas');
  context.drawImage(image, 0, 0);
  image.close();
  return new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
};

// libjpeg-turbo for photographic parts of the picture. Where it does not run, pictures go without loss, and that is said.
import { ApplianceError } from '../errors.ts';
import { type AddonPlace, JPEG_FILES, loadAddon } from './addon.ts';
import type { JpegOptions, JpegTurbo } from './picture-codecs.ts';

/** The add-on itself, without its package's wrapper. */
interface JpegAddon extends Omit<JpegTurbo, 'compress'> {
  /** On a thread of its own. @returns `size` bytes, at the start of `data`, which is `out` */
  compress(raw: Buffer, out: Buffer, options: JpegOptions): Promise<{ readonly data: Buffer; readonly size: number }>;
}

/**
 * @param read a file of the add-on, by its name
 * @param warn told why there is none
 */
export function loadJpegAddon(
  read: (name: string) => Uint8Array,
  place: AddonPlace,
  warn: (why: string) => void,
): JpegTurbo | null {
  const names = JPEG_FILES[process.platform === 'win32' ? 'win-x64' : 'linux-x64'];
  try {
    return asJpegTurbo(loadAddon(new Map(names.map(name => [name, read(name)])), place));
  } catch (error) {
    if (!(error instanceof ApplianceError)) throw error;
    warn(`${error.message}. ${error.hint}`);
    return null;
  }
}

function asJpegTurbo(loaded: unknown): JpegTurbo {
  const addon = loaded as Partial<JpegAddon> | null;
  const { compress, bufferSize, FORMAT_BGRX, SAMP_420, SAMP_444 } = addon ?? {};
  const numbers = [FORMAT_BGRX, SAMP_420, SAMP_444].every(Number.isInteger);
  if (typeof compress !== 'function' || typeof bufferSize !== 'function' || !numbers) {
    throw new ApplianceError('unavailable', 'addon.unavailable', 'the add-on is not libjpeg-turbo');
  }
  const whole = addon as JpegAddon;
  return {
    ...whole,
    compress: async (raw, out, options) => {
      const { data, size } = await whole.compress(raw, out, options);
      return data.subarray(0, size);
    },
  };
}

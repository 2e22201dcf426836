// What goes onto a clipboard and from it, the same on every system.
import { ApplianceError } from '../../errors.ts';

/** Of a PNG: what goes into one message with what is said around it. */
export const MAX_IMAGE_BYTES = 960 * 1024;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** It begins as one; whoever shows it decodes it with due care. */
export function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, at) => bytes[at] === byte);
}

/** @throws ApplianceError `clipboard.too-large` */
export function requireSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new ApplianceError('malformed', 'clipboard.too-large', `${bytes} bytes are too many for a clipboard`);
}

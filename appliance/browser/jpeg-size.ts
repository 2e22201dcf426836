// Size of a JPEG by its own head (ITU-T T.81 §B.2.2), to be known before a browser makes room for it: a few bytes may
// claim 65,535 × 65,535 pixels.

/** Start of frame, whichever process; between them stand DHT (C4), JPG (C8) and DAC (CC). */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const START_OF_IMAGE = 0xd8;
const START_OF_SCAN = 0xda;

/** @returns null when it tells none */
export function jpegSize(bytes: Uint8Array): { readonly width: number; readonly height: number } | null {
  const two = (at: number) => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  if (bytes[0] !== 0xff || bytes[1] !== START_OF_IMAGE) return null;
  for (let at = 2; at + 9 <= bytes.length; at += 2 + two(at + 2)) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff || marker === START_OF_SCAN || two(at + 2) < 2) return null;
    if (isFrame(marker)) return { height: two(at + 5), width: two(at + 7) };
  }
  return null;
}

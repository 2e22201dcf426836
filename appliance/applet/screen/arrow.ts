// What is shown for a cursor whose picture nobody may have: an arrow.
import { type CursorPicture, PIXEL_BYTES } from '../../customer-core/screen-source.ts';

/** `#` black, `.` white. */
const FORM = [
  '#',
  '##',
  '#.#',
  '#..#',
  '#...#',
  '#....#',
  '#.....#',
  '#......#',
  '#.......#',
  '#........#',
  '#.....#####',
  '#..#..#',
  '#.# #..#',
  '##  #..#',
  '#    #..#',
  '     #..#',
  '      ##',
];
const COLOURS: Readonly<Record<string, readonly number[]>> = { '#': [0, 0, 0, 255], '.': [255, 255, 255, 255] };

export function arrow(): CursorPicture {
  const width = Math.max(...FORM.map(row => row.length));
  const pixels = new Uint8Array(width * FORM.length * PIXEL_BYTES);
  for (const [y, row] of FORM.entries()) {
    for (const [x, mark] of [...row].entries()) pixels.set(COLOURS[mark] ?? [], (y * width + x) * PIXEL_BYTES);
  }
  return { width, height: FORM.length, hotX: 0, hotY: 0, pixels };
}

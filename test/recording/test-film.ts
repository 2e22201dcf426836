// A film as the recorder writes one: a desktop that changes each second for six minutes, with clicks, monitors and a pause.
import { createHash } from 'node:crypto';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import type { RcrecHead } from '../../appliance/protocol/rcrec.ts';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import { type Mark, writeMark } from '../../appliance/protocol/recording-marks.ts';
import { Picture } from '../../appliance/recording/decode/picture.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { MemoryOutput, openFile } from './open-rcrec.ts';

export const FILM_SECONDS = 340;
export const QUIET_SECONDS = { from: 200, to: 240 };
const [WIDTH, HEIGHT] = [960, 600];

export async function makeFilm(head: RcrecHead): Promise<Bytes> {
  const output = new MemoryOutput();
  const writer = RcrecWriter.begin(output, head);
  const picture = new Picture(WIDTH, HEIGHT);
  picture.fill({ x: 0, y: 0, width: WIDTH, height: HEIGHT }, 96, 64, 32);
  const mark = (told: Mark, isPlace = true) => writer.mark(writeMark(told), isPlace);
  writer.cursor({ hotX: 0, hotY: 0, width: 12, height: 12, pixels: new Uint8Array(12 * 12 * 4).fill(0xff) });
  for (let second = 0; second <= FILM_SECONDS; second++) {
    if (second > QUIET_SECONDS.from && second < QUIET_SECONDS.to) continue;
    const at = head.startedAt + second * 1000;
    writer.time(second * 1000);
    if (second === 0) mark({ type: 'monitors', at, monitors, monitor: 1 });
    if (second === QUIET_SECONDS.from) mark({ type: 'state', at, state: 'paused' });
    change(picture, second);
    writer.frame(picture);
    const [x, y] = [300 + (second % 300), 20];
    writer.pointer(x, y, 0);
    if (second % 30 === 7) {
      writer.pointer(x, y, 1);
      writer.place(writeMark({ type: 'pointer', at, x, y, buttons: 1 }));
      writer.time(second * 1000 + 120);
      writer.pointer(x, y, 0);
    }
    if (second % 10 === 0) await writer.flush(second + 1);
  }
  mark({ type: 'end', at: head.startedAt + FILM_SECONDS * 1000, why: 'stopped' });
  await writer.end(FILM_SECONDS + 1);
  await writer.close();
  return output.bytes;
}

const monitors = [
  { id: 1, name: 'left', x: 0, y: 0, width: WIDTH, height: HEIGHT, primary: true },
  { id: 2, name: 'right', x: WIDTH, y: 0, width: 1280, height: 1024, primary: false },
];

/** A window that moves, text that repeats nowhere, and now and then a grey one that came as a JPEG: of this grey all decoders agree. */
function change(picture: Picture, second: number): void {
  picture.fill({ x: (second * 13) % 700, y: 120, width: 200, height: 90 }, (second * 7) & 255, 160, second & 255);
  const area = { x: 40, y: 250 + (second % 20) * 15, width: 400, height: 12 };
  for (let row = area.y; row < area.y + area.height; row++)
    for (let byte = 0; byte < area.width * 4; byte++)
      picture.pixels[picture.at(area.x, row) + byte] = ((row * 31 + byte * 7) ^ (second * 2_654_435)) >> 2;
  picture.touch(area);
  if (second % 40 !== 5) return;
  const [width, height, value] = [256, 128, 128];
  const grey = Buffer.alloc(width * height * 4, value);
  const jpeg = jpegTurbo.compressSync(grey, { format: jpegTurbo.FORMAT_BGRX, width, height, quality: 90 });
  for (let row = 448; row < 448 + height; row++) picture.pixels.fill(value, picture.at(640, row), picture.at(896, row));
  picture.touchLossy({ x: 640, y: 448, width, height }, new Uint8Array(jpeg));
}

/** What a film shows then, without a pointer: SHA-256 of red, green, blue, 255. */
export async function digestAt(film: Bytes, ms: number, fromRow: number): Promise<string> {
  const player = new RcrecPlayer(await openFile(film), nodeCodecs);
  await player.seek(ms);
  const { pixels, width } = player.picture;
  const digest = createHash('sha256')
    .update(pixels.subarray(fromRow * width * 4))
    .digest('hex');
  player.close();
  return digest;
}

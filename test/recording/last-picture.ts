// What a recording on the disk shows at its end, and all that it tells.
import { readFileSync } from 'node:fs';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import { type Mark, parseMark } from '../../appliance/protocol/recording-marks.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import type { Picture } from '../console/xwd.ts';
import { openFile } from './open-rcrec.ts';

export async function lastPictureOf(path: string): Promise<{ picture: Picture; marks: Mark[]; clicks: number }> {
  const player = new RcrecPlayer(await openFile(new Uint8Array(readFileSync(path))), nodeCodecs);
  const marks: Mark[] = [];
  let clicks = 0;
  for (let step = await player.next(); step !== null; step = await player.next()) {
    if ((player.picture.pointer?.buttons ?? 0) > 0) clicks++;
    for (const json of step.marks) if (!isNote(json)) marks.push(parseMark(json));
  }
  const { width, height, pixels } = player.picture;
  const rgb = Buffer.alloc(width * height * 3);
  for (let at = 0, out = 0; out < rgb.length; at += 4, out += 3) rgb.set(pixels.subarray(at, at + 3), out);
  player.close();
  return { picture: { width, height, rgb }, marks, clicks };
}

/** The recorder's own. */
function isNote(json: Uint8Array): boolean {
  return JSON.parse(Buffer.from(json).toString('utf8')).type === 'note';
}

// Makes an AVI of an RCREC: what it shows at each fifth of a second, repeated where nothing happened, with the technician's
// pointer in it.
import { open, rename, rm } from 'node:fs/promises';
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { RcrecFile } from '../protocol/rcrec-file.ts';
import { RcrecPlayer } from '../protocol/rcrec-player.ts';
import { RecordReader } from '../protocol/rcrec-records.ts';
import { AviWriter } from './avi/avi-writer.ts';
import { Canvas } from './avi/canvas.ts';
import { FfmpegEncoder, findFfmpeg } from './avi/ffmpeg.ts';
import { ZmbvEncoder } from './avi/zmbv.ts';
import { nodeCodecs } from './rcrec/unpacker.ts';
import { RcrecDiskSource, sha256 } from './rcrec-disk.ts';

/** Pictures a second. */
export const AVI_RATE = 5;
const FRAME_MS = 1000 / AVI_RATE;
/** Of H.264. */
const MAX_SIDE = 16_384;
const MAX_PIXELS = 2 ** 26;
/** Of ZMBV: a player goes to one of these first. */
const KEY_FRAMES = 60 * AVI_RATE;
export const AVI_CODECS = ['h264', 'zmbv'] as const;
export type AviCodec = (typeof AVI_CODECS)[number];

export interface AviWish {
  /** Of the RCREC, and of the AVI that is to be. */
  readonly from: string;
  readonly to: string;
  /** H.264 by ffmpeg, or ZMBV by ourselves; left out: the first that can be had. */
  readonly codec?: AviCodec | undefined;
  /** Told now and then how far it is: 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Of one list in the file, for a test; 1 GiB. */
  readonly riffBytes?: number;
}

export interface AviMade {
  readonly codec: AviCodec;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
}

interface Encoder {
  frame(pixels: Bytes, isKey: boolean): Promise<void>;
  end(): Promise<void>;
  close(): void;
}

/**
 * The file is there when it is whole, and not before.
 * @throws ApplianceError `rcrec.damaged`, `recording.avi-failed`, `recording.no-ffmpeg`, `recording.empty`, `recording.too-large`
 */
export async function convertToAvi({ from, to, codec, onProgress, riffBytes }: AviWish): Promise<AviMade> {
  const source = await RcrecDiskSource.open(from);
  const part = `${to}.${process.pid}.part`; // an encoder whose parent was killed never writes into the next one's
  try {
    const file = await RcrecFile.open(source, sha256);
    const canvas = await canvasFor(file);
    const chosen = await choose(codec);
    const format = { width: canvas.width, height: canvas.height, rate: AVI_RATE, comment: commentOf(file) };
    const encoder = chosen === 'h264' ? new FfmpegEncoder(part, format) : await zmbvFile(part, format, riffBytes);
    try {
      const frames = await encode(file, canvas, encoder, onProgress);
      await encoder.end();
      await rename(part, to);
      return { codec: chosen, frames, width: canvas.width, height: canvas.height };
    } finally {
      encoder.close();
    }
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await source.close();
  }
}

async function encode(
  file: RcrecFile,
  canvas: Canvas,
  encoder: Encoder,
  onProgress: AviWish['onProgress'],
): Promise<number> {
  const player = new RcrecPlayer(file, nodeCodecs);
  try {
    const frames = Math.ceil(file.durationMs / FRAME_MS) + 1;
    for (let frame = 0; frame < frames; frame++) {
      await player.seek(frame * FRAME_MS);
      canvas.draw(player.picture);
      await encoder.frame(canvas.pixels, frame % KEY_FRAMES === 0);
      if (frame % KEY_FRAMES === KEY_FRAMES - 1) onProgress?.(frame / frames);
    }
    return frames;
  } finally {
    player.close();
  }
}

async function choose(wish: AviCodec | undefined): Promise<AviCodec> {
  if (wish === 'zmbv') return 'zmbv';
  if (await findFfmpeg()) return 'h264';
  if (wish === undefined) return 'zmbv';
  throw new ApplianceError('unavailable', 'recording.no-ffmpeg', 'there is no ffmpeg that makes H.264', {
    hint: 'Install Debian’s package ffmpeg, or choose ZMBV.',
  });
}

async function zmbvFile(
  path: string,
  format: { width: number; height: number; rate: number; comment: string },
  riffBytes: number | undefined,
): Promise<Encoder> {
  const file = await open(path, 'w', 0o640);
  const output = {
    write: async (position: number, bytes: Uint8Array) => {
      for (let done = 0; done < bytes.length; )
        done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    },
  };
  const writer = new AviWriter(output, { ...format, codec: 'ZMBV' }, riffBytes);
  const encoder = new ZmbvEncoder(format.width, format.height);
  return {
    frame: async (pixels, isKey) => {
      const encoded = await encoder.frame(pixels, isKey);
      await writer.frame(encoded.bytes, encoded.isKey);
    },
    end: async () => {
      await writer.end();
      await file.datasync();
    },
    close: () => {
      encoder.close();
      void file.close();
    },
  };
}

/** When the technician had paused the recording, before its first picture and behind its last. */
function commentOf({ head, durationMs, index }: RcrecFile): string {
  const { startedAt, after, pausedMs, technician } = head;
  const time = (at: number) => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const isPaused = index.marks.some(({ json }) => isPauseMark(json));
  return [
    ...(after === null ? [] : [`Goes on: ${technician} had paused it from ${time(startedAt - pausedMs)}.`]),
    ...(isPaused ? [`At its end ${technician} paused it, ${time(startedAt + durationMs)}.`] : []),
  ].join(' ');
}

function isPauseMark(json: Bytes): boolean {
  const { type, why } = JSON.parse(Buffer.from(json).toString('utf8')); // of our own index, or of one that is checked
  return type === 'end' && why === 'paused';
}

/** As large as the largest picture there is. */
async function canvasFor(file: RcrecFile): Promise<Canvas> {
  let [width, height] = [0, 0];
  const first = file.segmentAt(0);
  let [unpacker, reader] = [nodeCodecs.newUnpacker(), new RecordReader()];
  for (let position = first; position !== undefined; ) {
    const block = await file.data(position);
    if (block === null) break;
    const { isStart, packed, plainBytes } = block.data;
    if (isStart && position !== first) {
      unpacker.close();
      [unpacker, reader] = [nodeCodecs.newUnpacker(), new RecordReader()];
    }
    position = block.next;
    if (plainBytes === 0) continue;
    for (const record of reader.read(await unpacker.unpack(packed, plainBytes))) {
      if (record.type !== 'size') continue;
      width = Math.max(width, record.width);
      height = Math.max(height, record.height);
    }
  }
  unpacker.close();
  // Each picture of a recording has its limit; the sides of several are those of none.
  if (Math.max(width, height) > MAX_SIDE || width * height > MAX_PIXELS)
    throw new ApplianceError('malformed', 'recording.too-large', `no AVI holds ${width} × ${height} pixels`);
  if (width > 0) return new Canvas(width, height);
  throw new ApplianceError('missing', 'recording.empty', 'there is no picture in this recording');
}

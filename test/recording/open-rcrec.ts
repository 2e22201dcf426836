// A recording in memory, and what a player sees of it.
import { createHash } from 'node:crypto';
import { sessionIdFrom } from '../../appliance/guid.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import type { RcrecHead } from '../../appliance/protocol/rcrec.ts';
import { RcrecFile, type RcrecSource } from '../../appliance/protocol/rcrec-file.ts';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import type { Picture } from '../../appliance/recording/decode/picture.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import { sha256 } from '../../appliance/recording/rcrec-disk.ts';
import type { RcrecOutput } from '../../appliance/recording/rcrec-writer.ts';

export const head: RcrecHead = {
  ...{ sid: sessionIdFrom(new Uint8Array(16).fill(1)), linkId: new Uint8Array(16), nonce: new Uint8Array(16).fill(3) },
  ...{ sub: 'tina', technician: 'Tina', forced: true, startedAt: Date.UTC(2026, 5, 1, 8) },
  ...{ after: null, pausedMs: 0 },
};

export class MemoryOutput implements RcrecOutput {
  bytes: Bytes = new Uint8Array();
  /** How many bytes there is room for. */
  room = Number.POSITIVE_INFINITY;
  syncs = 0;
  closes = 0;
  /** What a write fails with that has not enough. */
  error: Error = new Error('no space left');

  async write(position: number, bytes: Bytes): Promise<void> {
    const fits = bytes.subarray(0, Math.max(0, this.room - position));
    const all = new Uint8Array(Math.max(this.bytes.length, position + fits.length));
    all.set(this.bytes);
    all.set(fits, position);
    this.bytes = all;
    if (fits.length < bytes.length) throw this.error;
  }

  async sync(): Promise<void> {
    this.syncs++;
  }

  async close(): Promise<void> {
    this.closes++;
  }
}

export function sourceOf(bytes: Bytes): RcrecSource {
  return { bytes: bytes.length, read: (position, length) => bytes.subarray(position, position + length) };
}

export async function openFile(bytes: Bytes): Promise<RcrecFile> {
  return RcrecFile.open(sourceOf(bytes), sha256);
}

export interface Seen {
  readonly ms: number;
  readonly marks: readonly string[];
  readonly picture: string;
  readonly pointer: string;
  readonly cursor: string;
}

/** All that a player shows, from the beginning to the end. */
export async function playAll(file: RcrecFile): Promise<Seen[]> {
  const player = new RcrecPlayer(file, nodeCodecs);
  const seen: Seen[] = [];
  for (;;) {
    const step = await player.next();
    if (step === null) break;
    seen.push({ ms: step.ms, marks: step.marks.map(json => new TextDecoder().decode(json)), ...shownBy(player) });
  }
  player.close();
  return seen;
}

export function shownBy({ picture }: RcrecPlayer): Omit<Seen, 'ms' | 'marks'> {
  const { width, height, pixels, pointer, cursor } = picture;
  return {
    picture: digestOf(width, height, pixels),
    pointer: JSON.stringify(pointer),
    cursor: cursor === null ? 'none' : digestOf(cursor.width, cursor.height, cursor.pixels),
  };
}

/** What a player should show of a picture. */
export function digestOfPicture({ grid, pixels }: Picture): string {
  const rgba = new Uint8Array(pixels.length);
  for (let at = 0; at < pixels.length; at += 4) {
    rgba[at] = pixels[at + 2] ?? 0;
    rgba[at + 1] = pixels[at + 1] ?? 0;
    rgba[at + 2] = pixels[at] ?? 0;
    rgba[at + 3] = 255;
  }
  return digestOf(grid.width, grid.height, rgba);
}

function digestOf(width: number, height: number, pixels: Uint8Array): string {
  return `${width}×${height} ${createHash('sha256').update(pixels).digest('hex').slice(0, 16)}`;
}

// AVI of a recording, looked at with Debian's ffmpeg.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { writeMark } from '../../appliance/protocol/recording-marks.ts';
import { AviWriter } from '../../appliance/recording/avi/avi-writer.ts';
import { Picture } from '../../appliance/recording/decode/picture.ts';
import { RcrecDiskOutput } from '../../appliance/recording/rcrec-disk.ts';
import { AVI_RATE, convertToAvi } from '../../appliance/recording/rcrec-to-avi.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { head } from './open-rcrec.ts';

const run = promisify(execFile);
const [WIDTH, HEIGHT] = [201, 151]; // odd: the AVI is a pixel larger each way
const [AVI_WIDTH, AVI_HEIGHT] = [202, 152];

/** Blue, green, red of a window with "text" in it, at a place. */
function drawWindow(picture: Picture, left: number, top: number): void {
  picture.fill({ x: 0, y: 0, width: WIDTH, height: HEIGHT }, 90, 60, 30);
  picture.fill({ x: left, y: top, width: 100, height: 80 }, 250, 250, 250);
  for (let glyph = 0; glyph < 90; glyph++) {
    const [x, y] = [left + 4 + (glyph % 15) * 6, top + 4 + Math.floor(glyph / 15) * 12];
    for (let stroke = 0; stroke < 4; stroke++)
      picture.fill(
        { x: x + ((glyph * stroke) % 4), y: y + stroke * 2, width: 2, height: 1 },
        glyph % 40,
        stroke * 30,
        20,
      );
  }
}

interface Moment {
  readonly ms: number;
  /** Red, green, blue. */
  readonly pixels: Buffer;
}

/** Some seconds of work: a window that moves, typing, a pause. @returns what it shows at some moments */
async function record(path: string, draw: (picture: Picture, step: number) => void = drawStep): Promise<Moment[]> {
  const output = new RcrecDiskOutput(path, true);
  const writer = RcrecWriter.begin(output, head);
  const picture = new Picture(WIDTH, HEIGHT);
  const moments: Moment[] = [];
  for (let step = 0; step < 12; step++) {
    const ms = step * 400 + (step > 8 ? 5000 : 0);
    writer.time(ms);
    draw(picture, step);
    writer.frame(picture);
    moments.push({ ms, pixels: rgb(picture) });
    await writer.flush(step + 1);
  }
  await writer.end(99);
  await writer.close();
  return moments;
}

function drawStep(picture: Picture, step: number): void {
  if (step < 6) drawWindow(picture, 10 + step * 13, 20 + step * 7);
  else picture.fill({ x: 30 + step * 7, y: 140, width: 5, height: 8 }, step, 2, 200);
}

function rgb({ pixels }: Picture): Buffer {
  const out = Buffer.alloc(AVI_WIDTH * AVI_HEIGHT * 3);
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++)
      for (let c = 0; c < 3; c++) out[(y * AVI_WIDTH + x) * 3 + c] = pixels[(y * WIDTH + x) * 4 + 2 - c] ?? 0;
  return out;
}

async function probe(path: string): Promise<Record<string, string>> {
  const wanted = 'stream=codec_name,width,height,nb_frames,nb_read_frames,r_frame_rate';
  const args = ['-v', 'error', '-count_frames', '-select_streams', 'v', '-show_entries', wanted, '-of', 'json', path];
  const { stdout, stderr } = await run('ffprobe', args);
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout).streams[0];
}

/** What a player shows at this moment. */
async function shownAt(path: string, ms: number): Promise<Buffer> {
  const where = ['-i', path, '-vf', `select=eq(n\\,${Math.ceil((ms * AVI_RATE) / 1000)})`, '-frames:v', '1'];
  const args = ['-v', 'error', ...where, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 * 2 ** 20 });
  return stdout;
}

function meanError(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (const [at, value] of a.entries()) sum += Math.abs(value - (b[at] ?? 0));
  return sum / a.length;
}

test('H-01 an AVI says in its properties when the recording was paused, whichever codec it has', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'part.rcrec'), join(folder.path, 'part.avi')];
  const writer = RcrecWriter.begin(new RcrecDiskOutput(from, true), { ...head, after: head.nonce, pausedMs: 247_000 });
  const picture = new Picture(WIDTH, HEIGHT);
  writer.time(1000);
  writer.frame(picture);
  writer.mark(writeMark({ type: 'end', at: head.startedAt + 1000, why: 'paused' }), true);
  await writer.flush(1);
  await writer.end(2);
  await writer.close();
  for (const codec of ['zmbv', 'h264'] as const) {
    await convertToAvi({ from, to, codec });
    const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'format_tags', '-of', 'json', to]);
    t.is(
      JSON.parse(stdout).format.tags.comment,
      'Goes on: Tina had paused it from 2026-06-01 07:55:53 UTC. At its end Tina paused it, 2026-06-01 08:00:01 UTC.',
    );
  }
});

test('H-01 as ZMBV an AVI shows each moment exactly, at a constant rate, and every picture is there', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const moments = await record(from);
  const made = await convertToAvi({ from, to, codec: 'zmbv' });
  const frames = Math.ceil((moments.at(-1)?.ms ?? 0) / 200) + 1;
  t.deepEqual(made, { codec: 'zmbv', frames, width: AVI_WIDTH, height: AVI_HEIGHT });
  t.deepEqual(await probe(to), {
    ...{ codec_name: 'zmbv', width: AVI_WIDTH, height: AVI_HEIGHT, r_frame_rate: '5/1' },
    ...{ nb_frames: `${frames}`, nb_read_frames: `${frames}` },
  } as never);
  for (const { ms, pixels } of moments) t.is(Buffer.compare(await shownAt(to, ms), pixels), 0, `${ms} ms`);
  t.false(existsSync(`${to}.part`));
});

test('H-01 as H.264 an AVI shows each moment as eyes see it, at a constant rate, and every picture is there', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const moments = await record(from);
  const { codec, frames } = await convertToAvi({ from, to });
  t.is(codec, 'h264');
  t.like(await probe(to), { codec_name: 'h264', nb_read_frames: `${frames}`, r_frame_rate: '5/1' });
  const other = moments[0]?.pixels ?? Buffer.alloc(0);
  for (const { ms, pixels } of moments.filter((_, step) => step % 4 === 3)) {
    const shown = await shownAt(to, ms);
    t.true(meanError(shown, pixels) < 4, `${ms} ms: ${meanError(shown, pixels)}`);
    t.true(meanError(shown, other) > 2 * meanError(shown, pixels));
  }
});

test('H-01 an AVI of many lists is whole: each picture is found by its index', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const moments = await record(from);
  const { frames } = await convertToAvi({ from, to, codec: 'zmbv', riffBytes: 400 });
  const lists = readFileSync(to).toString('latin1').split('AVIX').length - 1;
  t.true(lists > 2, `${lists} lists`);
  t.like(await probe(to), { nb_frames: `${frames}`, nb_read_frames: `${frames}` });
  const last = moments.at(-1);
  t.is(Buffer.compare(await shownAt(to, last?.ms ?? 0), last?.pixels ?? Buffer.alloc(0)), 0);
});

test('H-01 an AVI of more than 2 GB is read to its last picture', async t => {
  using folder = new TempFolder();
  const path = join(folder.path, 'large.avi');
  await using file = await open(path, 'w');
  let end = 0;
  const zeroes = Buffer.alloc(65_536);
  const output = {
    // Nothing but what isn't zero is written: the file has holes.
    write: async (position: number, bytes: Uint8Array) => {
      end = Math.max(end, position + bytes.length);
      for (let at = 0; at < bytes.length; at += 65_536) {
        const part = bytes.subarray(at, at + 65_536);
        if (zeroes.compare(part, 0, part.length, 0, part.length) !== 0)
          await file.write(part, 0, part.length, position + at);
      }
    },
  };
  const writer = new AviWriter(output, { width: 64, height: 64, rate: 5, codec: 'ZMBV', comment: '' });
  const frame = new Uint8Array(200 * 2 ** 20);
  for (let n = 0; n < 12; n++) await writer.frame(frame, true);
  await writer.end();
  await file.truncate(end);
  t.true(end > 2 ** 31);
  // From the last picture on, which only the indexes can tell.
  const wanted = ['-read_intervals', '2.2', '-show_entries', 'stream=nb_frames:packet=pos,pts'];
  const { stdout } = await run('ffprobe', ['-v', 'error', ...wanted, '-of', 'json', path]);
  const { packets, streams } = JSON.parse(stdout);
  t.is(streams[0].nb_frames, '12');
  t.true(packets.length >= 1 && packets.length <= 12);
  t.true(Number(packets.at(-1).pos) > 2 ** 31);
});

test('H-01 more than 256 colours: what there is much of is exact, the rest is near', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const moments = await record(from, (picture, step) => {
    drawWindow(picture, 5, 5);
    for (let n = 0; n < 2000; n++)
      picture.fill(
        { x: 110 + (n % 80), y: 100 + Math.floor(n / 80) * 2, width: 1, height: 2 },
        n & 255,
        n >> 3,
        step * 20,
      );
  });
  await convertToAvi({ from, to, codec: 'zmbv' });
  for (const { ms, pixels } of moments.slice(0, 3)) {
    const shown = await shownAt(to, ms);
    for (let y = 5; y < 85; y++)
      for (let at = (y * AVI_WIDTH + 5) * 3; at < (y * AVI_WIDTH + 105) * 3; at++)
        if (shown[at] !== pixels[at]) return t.fail(`text differs at ${at}`);
    t.true(meanError(shown, pixels) < 8, `${meanError(shown, pixels)}`);
  }
  t.pass();
});

test('H-01 the pointer is drawn where it was, with a ring while a button is pressed', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const output = new RcrecDiskOutput(from, true);
  const writer = RcrecWriter.begin(output, head);
  writer.frame(new Picture(WIDTH, HEIGHT));
  writer.cursor({ hotX: 1, hotY: 1, width: 3, height: 3, pixels: new Uint8Array(36).fill(255) });
  writer.pointer(50, 60, 0);
  writer.time(1000);
  writer.pointer(100, 60, 1);
  await writer.end(1);
  await writer.close();
  await convertToAvi({ from, to, codec: 'zmbv' });
  const at = (pixels: Buffer, x: number, y: number) => [...pixels.subarray((y * AVI_WIDTH + x) * 3).subarray(0, 3)];
  const [moved, pressed] = [await shownAt(to, 0), await shownAt(to, 1000)];
  t.deepEqual(
    [at(moved, 49, 59), at(moved, 51, 61), at(moved, 52, 61)],
    [
      [255, 255, 255],
      [255, 255, 255],
      [0, 0, 0],
    ],
  );
  t.deepEqual(
    [at(pressed, 50, 60), at(pressed, 100, 60), at(pressed, 110, 60)],
    [
      [0, 0, 0],
      [255, 255, 255],
      [224, 32, 32],
    ],
  );
});

test('H-01 the command makes H.264 where ffmpeg is installed and ZMBV where it isn’t, and says what is wrong', async t => {
  using folder = new TempFolder();
  const from = join(folder.path, 'a.rcrec');
  await record(from);
  const bin = resolve(import.meta.dirname, '../../appliance/bin/rcrec-to-avi.ts');
  const command = (env: NodeJS.ProcessEnv, ...args: string[]) => run(process.execPath, [bin, ...args], { env });
  t.regex((await command(process.env, from)).stdout, /a\.avi: h264, 202 × 152, 48 pictures/);
  const without = { PATH: folder.path };
  t.regex((await command(without, from, '--to', join(folder.path, 'b.avi'))).stdout, /zmbv/);
  const refused = (...args: string[]) => t.throwsAsync(command(without, ...args));
  t.regex(String((await refused(from, '--codec', 'h264'))?.message), /Install Debian’s package ffmpeg/);
  t.regex(String((await refused(from, '--codec', 'gif'))?.message), /--codec h264\|zmbv/);
  const bytes = readFileSync(from);
  const bad = join(folder.path, 'bad.rcrec');
  writeFileSync(bad, bytes.fill(0xaa, 300, 310));
  t.regex(String((await refused(bad))?.message), /damaged at byte/);
  t.false(existsSync(join(folder.path, 'bad.avi')) || existsSync(join(folder.path, 'bad.avi.part')));
});

test('H-01 attack: pictures whose sides together are too large for any AVI are refused, for good', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const output = new RcrecDiskOutput(from, true);
  const writer = RcrecWriter.begin(output, head);
  for (const [ms, width, height] of [
    [0, 16_000, 16],
    [500, 16, 16_000],
  ] as const) {
    writer.time(ms);
    writer.frame(new Picture(width, height));
    await writer.flush(ms + 1);
  }
  await writer.end(999);
  await writer.close();
  await t.throwsAsync(convertToAvi({ from, to, codec: 'zmbv' }), { code: 'recording.too-large' });
  t.deepEqual(readdirSync(folder.path), ['a.rcrec']);
});

test('H-01 of a recording that was cut an AVI is made as far as it goes', async t => {
  using folder = new TempFolder();
  const [from, to] = [join(folder.path, 'a.rcrec'), join(folder.path, 'a.avi')];
  const moments = await record(from);
  truncateSync(from, Math.floor(readFileSync(from).length * 0.6));
  const { frames } = await convertToAvi({ from, to, codec: 'zmbv' });
  t.true(frames > 1 && frames < 40);
  t.is(Buffer.compare(await shownAt(to, 400), moments[1]?.pixels ?? Buffer.alloc(0)), 0);
});

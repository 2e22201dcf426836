// What an average minute of support takes in a recording (H-02), and what it costs the recorder: a session that must be
// recorded, from a real display through applet, link, gateway and console to the recorder, in real time: ten minutes of calm
// work, or RECORDED_SECONDS for a quick look, in which the first picture, the dearest, weighs more. Small is worth nothing where
// it can't be read: whenever the desktop rests it is compared with the recording, pixel by pixel, and with the AVI, ink by ink.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openLinuxDesktop } from '../../appliance/applet/desktop-linux.ts';
import { systemClock } from '../../appliance/clock.ts';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import { AVI_RATE } from '../../appliance/recording/rcrec-to-avi.ts';
import { pictureOf } from '../console/xwd.ts';
import { openFile } from '../recording/open-rcrec.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { type Benches, type BenchLine, figure } from '../support/bench-line.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { type Work, WorkDesktop } from '../support/desktop-work.ts';
import { RecordedSession } from '../support/recorded-session.ts';
import { codecs } from '../support/rfb-session.ts';

const run = promisify(execFile);
const [WIDTH, HEIGHT] = [1920, 1080];
const CALM_SECONDS = Number(process.env.RECORDED_SECONDS ?? 600);
const HARSH_SECONDS = 120;
/** A picture is in the recording so long after it was on the display at most: five a second, on a busy machine. */
const LATE_MS = 2000;
/** A picture that is shown so long has to be among five a second. */
const SHOWN_MS = 220;
/** What an editor moves by itself after his user has stopped is over by then. */
const MAX_FADE_MS = 3000;
/** Of the ink: a caret that blinks meanwhile is less. */
const MAX_UNREADABLE = 0.01;
const [INK, MIDDLE, PAPER] = [64, 128, 192];

/** The display while nothing on it moves; red, green, blue, 255. */
interface Capture {
  readonly from: number;
  readonly until: number;
  readonly pixels: Buffer;
}

/** A capture that is in the recording, so many ms after its beginning. */
interface Found extends Capture {
  readonly ms: number;
}

interface Recorded {
  readonly rcrecBytes: number;
  readonly aviBytes: number;
  readonly minutes: number;
  readonly cpuSeconds: number;
}

type Format = 'rcrec' | 'both';

async function record(work: Work, seconds: number, recordingFormat: Format): Promise<Recorded> {
  const rootPolicy = { forcedRecording: true, recordingFormat } as const;
  await using appliance = await startAppliance({ accounts: true, recorder: true, rootPolicy });
  const { recorder } = appliance.processes;
  const before = cpuMs(recorder.pid ?? 0);
  const captures = await recorded(appliance, work, seconds);
  const { bytes } = await recorder.told('recording.finished');
  const cpuSeconds = (cpuMs(recorder.pid ?? 0) - before) / 1000;
  const folder = join(appliance.dataFolder, 'recordings', 'finished');
  const path = (ending: string) =>
    join(folder, readdirSync(folder, { recursive: true, encoding: 'utf8' }).find(name => name.endsWith(ending)) ?? '');
  const { minutes, found } = await findAll(path('.rcrec'), captures);
  let aviBytes = 0;
  if (recordingFormat === 'both') {
    await recorder.told('recording.avi-made');
    aviBytes = statSync(path('.avi')).size;
    await readAll(path('.avi'), found);
  }
  process.stderr.write(`${work}: ${minutes.toFixed(2)} minutes, ${found.length} pictures of the display are in it\n`);
  return { rcrecBytes: Number(bytes), aviBytes, minutes, cpuSeconds };
}

/** A session from its first picture to its end. @returns the display, whenever it was at rest */
async function recorded(appliance: Appliance, work: Work, seconds: number): Promise<Capture[]> {
  await using desktop = await WorkDesktop.open();
  const { environment } = desktop;
  const opened = await openLinuxDesktop({ clock: systemClock, environment });
  const captures: Capture[] = [];
  desktop.atRest = async () => {
    captures.push(await capture(environment.DISPLAY ?? ''));
  };
  try {
    const desk = { codecs, openScreen: () => opened.screen, openInput: null, openClipboard: null, watchPresence: null };
    await using session = await RecordedSession.begin(appliance, desk);
    await desktop.begin(work);
    await delay(seconds * 1000);
    await desktop.stop();
    await session.end();
  } finally {
    opened.close();
  }
  return captures;
}

/** What the display shows for a fifth of a second and more: a scroll bar that fades is no rest, a caret between two blinks is. */
async function capture(display: string): Promise<Capture> {
  const until = Date.now() + MAX_FADE_MS;
  let [from, rgb] = [Date.now(), pictureOf(display).rgb];
  for (;;) {
    await delay(SHOWN_MS);
    const now = Date.now();
    const next = pictureOf(display).rgb;
    if (next.equals(rgb)) return { from, until: Date.now(), pixels: withAlpha(rgb) };
    if (now > until) throw new Error(`the display does not rest for ${SHOWN_MS} ms`);
    [from, rgb] = [now, next];
  }
}

function withAlpha(rgb: Buffer): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 4, 255);
  for (let at = 0, out = 0; at < rgb.length; at += 3, out += 4) rgb.copy(pixels, out, at, at + 3);
  return pixels;
}

/** @throws where one is not in the recording at its time, in every pixel */
async function findAll(path: string, captures: readonly Capture[]): Promise<{ minutes: number; found: Found[] }> {
  const file = await openFile(new Uint8Array(readFileSync(path)));
  const player = new RcrecPlayer(file, nodeCodecs);
  const missing = new Set(captures);
  const found: Found[] = [];
  for (let step = await player.next(); step !== null; step = await player.next()) {
    const at = file.head.startedAt + step.ms;
    for (const one of missing) {
      if (at < one.from - LATE_MS || at > one.until + LATE_MS) continue;
      if (!one.pixels.equals(player.picture.pixels)) continue;
      missing.delete(one);
      found.push({ ...one, ms: step.ms });
    }
  }
  player.close();
  if (missing.size > 0 || captures.length === 0)
    throw new Error(`${missing.size} of ${captures.length} pictures of the display are not in the recording`);
  return { minutes: file.durationMs / 60_000, found };
}

/** @throws where what is dark on the display is light in the AVI, or the other way round */
async function readAll(path: string, found: readonly Found[]): Promise<void> {
  for (const { ms, pixels } of found) {
    const number = Math.ceil((ms * AVI_RATE) / 1000);
    const where = ['-ss', String(number / AVI_RATE), '-i', path, '-frames:v', '1'];
    const args = ['-v', 'error', ...where, '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
    const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 2 * WIDTH * HEIGHT });
    let [ink, wrong] = [0, 0];
    for (let at = 0; at < WIDTH * HEIGHT; at++) {
      const [red = 0, green = 0, blue = 0] = pixels.subarray(at * 4, at * 4 + 3);
      const light = 0.299 * red + 0.587 * green + 0.114 * blue;
      const shown = stdout[at] ?? 0;
      if (light < INK) ink++;
      if ((light < INK && shown >= MIDDLE) || (light > PAPER && shown < MIDDLE)) wrong++;
    }
    if (wrong > ink * MAX_UNREADABLE) throw new Error(`${wrong} of ${ink} pixels of ink can’t be read at ${ms} ms`);
  }
}

const perMinute = ({ minutes }: Recorded, bytes: number) => bytes / 1024 / minutes;

async function calm(): Promise<BenchLine[]> {
  const made = await record('calm', CALM_SECONDS, 'both');
  return [
    figure('rcrec-calm', perMinute(made, made.rcrecBytes), 'KiB/min', 372),
    figure('avi-calm', perMinute(made, made.aviBytes), 'KiB/min', 1024),
    figure('rcrec-of-avi', made.rcrecBytes / made.aviBytes, 'of the AVI', 0.9),
    figure('recorder-cpu', made.cpuSeconds / made.minutes, 'CPU s/min', 3),
  ];
}

async function harsh(): Promise<BenchLine[]> {
  const made = await record('office', HARSH_SECONDS, 'rcrec');
  return [
    figure('rcrec-harsh', perMinute(made, made.rcrecBytes), 'KiB/min', 2048),
    figure('recorder-cpu-harsh', made.cpuSeconds / made.minutes, 'CPU s/min', 3),
  ];
}

/** Figures of one recording have its bench under the name of each. */
export const benches: Benches = {
  ...{ 'rcrec-calm': calm, 'avi-calm': calm, 'rcrec-of-avi': calm, 'recorder-cpu': calm },
  ...{ 'rcrec-harsh': harsh, 'recorder-cpu-harsh': harsh },
};

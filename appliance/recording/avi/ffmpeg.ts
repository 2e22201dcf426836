// H.264 by Debian's ffmpeg, which is given whole pictures and nothing else: no file of ours, no network, no shell.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import type { AviFormat } from './avi-writer.ts';

const run = promisify(execFile);
/** Measured on desktop work: 47 dB, which nobody tells from the picture itself, at two thirds of the size that is allowed. */
const QUALITY = '28';
/** So far apart are pictures that a player can begin with; a window that moves needs no new one. */
const KEY_SECONDS = 60;
const MAX_ERROR_BYTES = 4096;

export async function findFfmpeg(): Promise<boolean> {
  try {
    const { stdout } = await run('ffmpeg', ['-hide_banner', '-encoders'], { timeout: 10_000, maxBuffer: 1024 * 1024 });
    return / libx264 /.test(stdout);
  } catch {
    return false; // it is not there, or not one we can use
  }
}

export class FfmpegEncoder {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #error = '';

  /** @param path of the file it writes */
  constructor(path: string, { width, height, rate, comment }: Omit<AviFormat, 'codec'>) {
    const input = ['-f', 'rawvideo', '-pix_fmt', 'rgb0', '-s', `${width}x${height}`, '-r', `${rate}`, '-i', 'pipe:0'];
    const keys = ['-bf', '0', '-g', `${rate * KEY_SECONDS}`, '-sc_threshold', '0'];
    const codec = ['-c:v', 'libx264', '-preset', 'medium', '-crf', QUALITY, ...keys];
    const colours = ['-vf', 'scale=out_color_matrix=bt709:out_range=tv', '-pix_fmt', 'yuv420p', '-colorspace', 'bt709'];
    const about = comment === '' ? [] : ['-metadata', `comment=${comment}`];
    const output = ['-threads', '1', '-an', '-vtag', 'H264', ...about, '-f', 'avi', '-y', path];
    const args = ['-hide_banner', '-loglevel', 'error', '-nostdin', ...input, ...codec, ...colours, ...output];
    this.#process = spawn('ffmpeg', args, { stdio: ['pipe', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      if (this.#error.length < MAX_ERROR_BYTES) this.#error += chunk.toString('utf8');
    });
    this.#process.stdin?.on('error', () => undefined); // told when it ends
    this.#ended = new Promise((resolve, reject) => {
      this.#process.once('error', cause => reject(failed('ffmpeg does not start', cause)));
      this.#process.once('close', code => (code === 0 ? resolve() : reject(failed(this.#error))));
    });
    this.#ended.catch(() => undefined); // told by the next call
  }

  /** @param pixels red, green, blue, anything; they must not change until it returns */
  async frame(pixels: Bytes): Promise<void> {
    const written = new Promise<void>((resolve, reject) =>
      this.#process.stdin?.write(pixels, error => (error ? reject(error) : resolve())),
    );
    await Promise.race([written.catch(() => this.#ended), this.#ended.then(() => Promise.reject(failed(this.#error)))]);
  }

  async end(): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }

  close(): void {
    this.#process.kill('SIGKILL');
  }
}

function failed(why: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'recording.avi-failed', `the AVI could not be made: ${why.trim()}`, {
    hint: 'The recording itself is whole. Is there room for the AVI, and is ffmpeg installed as Debian has it?',
    cause,
  });
}

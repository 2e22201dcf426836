// Plays a film: by the recording's own clock, faster or slower, from wherever somebody jumps to. What is damaged ends it at
// its damage, and it goes on beyond where it is told to.
import type { Cancel, Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { RcrecFile } from '../../protocol/rcrec-file.ts';
import type { RcrecPicture } from '../../protocol/rcrec-picture.ts';
import { type RcrecCodecs, RcrecPlayer } from '../../protocol/rcrec-player.ts';

/** Pictures come five times a second at most; a pointer is followed closer. */
export const TICK_MS = 40;
/** More than this of real time is never made up for: what took long to fetch is not skipped. */
const MAX_TICK_MS = 250;
/** Nothing for so long is a quiet stretch; of its end so much is shown. */
export const QUIET_MS = 2000;
export const LEAD_MS = 500;

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;

/** Where and when a button was pressed. */
export interface Click {
  readonly x: number;
  readonly y: number;
  readonly ms: number;
}

export interface Damage {
  readonly message: string;
  /** Of the next segment, which may be good; null where there is none. */
  readonly nextMs: number | null;
}

export interface PlaybackState {
  readonly ms: number;
  readonly isPlaying: boolean;
  readonly width: number;
  readonly height: number;
  readonly damage: Damage | null;
}

export interface PlaybackParts {
  readonly file: RcrecFile;
  readonly codecs: RcrecCodecs;
  readonly clock: Clock;
  /** Draws what is shown at this moment of the recording. */
  readonly paint: (picture: RcrecPicture, ms: number, click: Click | null) => void;
  readonly tell: (state: PlaybackState) => void;
  /** What is no damage: bytes that can't be fetched. It stands still until it is told to go on. */
  readonly failed: (error: unknown) => void;
}

export class Playback {
  readonly #parts: PlaybackParts;
  readonly #player: RcrecPlayer;
  #ms = 0;
  #wantedMs: number | null = null;
  #isPlaying = false;
  #isRunning = false;
  #speed = 1;
  #skipsQuiet = false;
  #tickedAt = 0;
  #click: Click | null = null;
  #damage: Damage | null = null;
  /** The player has to begin anew where it is. */
  #isBroken = false;
  #cancel: Cancel = () => undefined;
  #wake: () => void = () => undefined;

  constructor(parts: PlaybackParts) {
    this.#parts = parts;
    this.#player = new RcrecPlayer(parts.file, parts.codecs);
  }

  /** From the beginning, where it was at its end; never into what is damaged. */
  play(): void {
    if (this.#isPlaying || (this.#damage !== null && this.#wantedMs === null)) return;
    if (this.#ms >= this.#parts.file.durationMs) this.#wantedMs ??= 0;
    if (this.#isBroken) this.#wantedMs ??= this.#ms;
    this.#isPlaying = true;
    this.#tickedAt = this.#parts.clock.monotonic();
    this.#tell();
    this.#start();
  }

  pause(): void {
    this.#isPlaying = false;
    this.#wake();
  }

  /** Of several only the last, where they come faster than pictures can be made. */
  seek(ms: number): void {
    this.#wantedMs = Math.min(Math.max(0, ms), this.#parts.file.durationMs);
    this.#wake();
    this.#start();
  }

  speed(factor: number): void {
    this.#speed = factor;
  }

  skipQuiet(isOn: boolean): void {
    this.#skipsQuiet = isOn;
  }

  close(): void {
    this.pause();
    this.#player.close();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const wanted = this.#wantedMs;
        this.#wantedMs = null;
        if (wanted !== null) await this.#show(wanted, () => this.#jump(wanted));
        else if (this.#isPlaying) await this.#tick();
        else break;
      }
    } catch (error) {
      this.#break();
      this.#parts.failed(error);
    }
    this.#isRunning = false;
    this.#tell();
  }

  async #jump(ms: number): Promise<void> {
    this.#click = null;
    this.#isBroken = false;
    await this.#player.seek(ms);
  }

  async #tick(): Promise<void> {
    await this.#wait();
    if (!this.#isPlaying || this.#wantedMs !== null) return;
    const { clock, file } = this.#parts;
    const now = clock.monotonic();
    const elapsed = Math.min(now - this.#tickedAt, MAX_TICK_MS);
    this.#tickedAt = now;
    const ms = Math.min(this.#beyondQuiet(this.#ms + elapsed * this.#speed), file.durationMs);
    if (ms >= file.durationMs) this.#isPlaying = false;
    await this.#show(ms, () => this.#forward(ms));
  }

  #beyondQuiet(ms: number): number {
    const next = this.#player.nextMs ?? this.#parts.file.durationMs;
    return this.#skipsQuiet && next - ms > QUIET_MS ? next - LEAD_MS : ms;
  }

  /** Step by step, so that no click is missed. */
  async #forward(ms: number): Promise<void> {
    const player = this.#player;
    while (player.nextMs !== null && player.nextMs <= ms) {
      const before = player.picture.pointer?.buttons ?? 0;
      const step = await player.next();
      const { pointer } = player.picture;
      if (step !== null && pointer !== null && (pointer.buttons & ~before) !== 0)
        this.#click = { x: pointer.x, y: pointer.y, ms: step.ms };
    }
  }

  async #show(ms: number, act: () => Promise<void>): Promise<void> {
    this.#damage = null;
    this.#ms = ms;
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.code !== 'rcrec.damaged') throw error;
      await this.#endAt(error, ms);
    }
    this.#parts.paint(this.#player.picture, this.#ms, this.#click);
    this.#tell();
  }

  async #endAt(error: ApplianceError, ms: number): Promise<void> {
    this.#break();
    this.#damage = { message: error.message, nextMs: await this.#goodAfter(ms) };
    this.#ms = this.#player.ms ?? ms;
  }

  /** Of the next segment that at least begins well. */
  async #goodAfter(ms: number): Promise<number | null> {
    const { file } = this.#parts;
    for (const { atMs, position } of file.index.segments) {
      if (atMs <= ms) continue;
      const block = await file.data(position).catch(() => null); // looked at again by whoever goes there
      if (block !== null) return atMs;
    }
    return null;
  }

  #break(): void {
    this.#isPlaying = false;
    this.#isBroken = true;
    this.#player.close();
  }

  #wait(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = () => {
        this.#cancel();
        resolve();
      };
      this.#cancel = this.#parts.clock.after(TICK_MS, resolve);
    });
  }

  #tell(): void {
    const { width, height } = this.#player.picture;
    this.#parts.tell({ ms: this.#ms, isPlaying: this.#isPlaying, width, height, damage: this.#damage });
  }
}

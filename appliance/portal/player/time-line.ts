// The time line of a film: where it is, and what stands where.
import type { FilmMark, MarkKind } from './film-marks.ts';

/** Of a slider's knob in look.css: its middle never reaches the ends. */
const KNOB_PIXELS = 16;
const MARK_PIXELS = 2;
/** Seen on both papers. In the order in which they are drawn: what is rare comes last. */
const COLOURS: Readonly<Record<MarkKind, string>> = {
  click: '#8592a3',
  action: '#4a90e2',
  chat: '#2f9e6e',
  gap: '#d9822b',
  consent: '#c02f8f',
};
/** A mark so near is where one is already. */
const NEAR_MS = 250;

export class TimeLine {
  readonly #slider: HTMLInputElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #told: HTMLElement;
  #durationMs = 0;
  #marks: readonly FilmMark[] = [];

  constructor(slider: HTMLInputElement, canvas: HTMLCanvasElement, told: HTMLElement) {
    this.#slider = slider;
    this.#canvas = canvas;
    this.#told = told;
    new ResizeObserver(() => this.#draw()).observe(canvas);
  }

  open(durationMs: number, marks: readonly FilmMark[]): void {
    this.#durationMs = durationMs;
    this.#marks = marks.toSorted((a, b) => a.ms - b.ms);
    this.#slider.max = String(durationMs);
    this.#draw();
    this.show(0);
  }

  show(ms: number): void {
    this.#slider.value = String(ms);
    const told = `${clockOf(ms)} / ${clockOf(this.#durationMs)}`;
    if (this.#told.textContent === told) return;
    this.#told.textContent = told;
    this.#slider.setAttribute('aria-valuetext', `${clockOf(ms)} of ${clockOf(this.#durationMs)}`);
  }

  next(ms: number): FilmMark | undefined {
    return this.#marks.find(mark => mark.ms > ms + NEAR_MS);
  }

  /** Where it plays one has to be quick: the one before that. */
  previous(ms: number): FilmMark | undefined {
    return this.#marks.findLast(mark => mark.ms < ms - 4 * NEAR_MS);
  }

  #draw(): void {
    const canvas = this.#canvas;
    const context = canvas.getContext('2d');
    if (context === null || canvas.clientWidth === 0) return;
    const scale = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    const room = canvas.clientWidth - KNOB_PIXELS;
    for (const [kind, colour] of Object.entries(COLOURS)) {
      context.fillStyle = colour;
      for (const mark of this.#marks) {
        if (mark.kind !== kind) continue;
        const x = KNOB_PIXELS / 2 + (room * mark.ms) / Math.max(1, this.#durationMs) - MARK_PIXELS / 2;
        context.fillRect(x * scale, 0, MARK_PIXELS * scale, canvas.height);
      }
    }
  }
}

/** `1:02:03`, `2:03` */
export function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

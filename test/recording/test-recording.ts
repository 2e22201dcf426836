// A recording of what somebody does to a desktop, step by step, made by the real writer.
import fc from 'fast-check';
import { utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { Picture } from '../../appliance/recording/decode/picture.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { digestOfPicture, head, MemoryOutput } from './open-rcrec.ts';

/** What somebody does to a desktop. */
export type Step =
  | { readonly kind: 'fill'; readonly x: number; readonly y: number; readonly colour: number }
  | { readonly kind: 'noise'; readonly x: number; readonly y: number; readonly seed: number }
  | { readonly kind: 'copy'; readonly x: number; readonly y: number; readonly dx: number; readonly dy: number }
  | { readonly kind: 'resize'; readonly width: number; readonly height: number }
  | { readonly kind: 'pointer'; readonly x: number; readonly y: number }
  | { readonly kind: 'cursor'; readonly side: number }
  | { readonly kind: 'mark'; readonly text: string }
  | { readonly kind: 'flush' }
  | { readonly kind: 'wait'; readonly ms: number };

const at = fc.nat(120);
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('fill' as const), x: at, y: at, colour: fc.nat(0xffffff) }),
    fc.record({ kind: fc.constant('noise' as const), x: at, y: at, seed: fc.nat(5) }),
    fc.record({ kind: fc.constant('copy' as const), x: at, y: at, dx: fc.integer({ min: -40, max: 40 }), dy: at }),
    fc.record({
      kind: fc.constant('resize' as const),
      width: fc.constantFrom(150, 200),
      height: fc.constantFrom(130, 192),
    }),
    fc.record({ kind: fc.constant('pointer' as const), x: at, y: at }),
    fc.record({ kind: fc.constant('cursor' as const), side: fc.nat(20) }),
    fc.record({ kind: fc.constant('mark' as const), text: fc.stringMatching(/^[a-z]{1,20}$/) }),
    fc.record({ kind: fc.constant('flush' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 200, 400_000) }),
  ),
  { minLength: 1, maxLength: 40 },
);

/** A recording of such steps, and what it should show. */
export class Recording {
  readonly output = new MemoryOutput();
  readonly writer = RcrecWriter.begin(this.output, head);
  readonly picture = new Picture(200, 150);
  readonly expected: { ms: number; picture: string }[] = [];
  #ms = 0;
  #offset = 0;

  async play(all: readonly Step[]): Promise<void> {
    this.#frame();
    for (const step of all) await this.step(step);
    await this.writer.end(++this.#offset);
    await this.writer.close();
  }

  async step(step: Step): Promise<void> {
    const { picture, writer } = this;
    switch (step.kind) {
      case 'fill':
        picture.fill(
          { x: step.x, y: step.y, width: 30, height: 10 },
          step.colour & 255,
          step.colour >> 8,
          step.colour >> 16,
        );
        return this.#frame();
      case 'noise':
        this.#noise(step);
        return this.#frame();
      case 'copy':
        picture.copy({ x: 40, y: Math.min(60, step.y), width: 70, height: 70 }, 40 + step.dx, Math.min(60, step.x));
        return this.#frame();
      case 'resize':
        picture.resize(step.width, step.height);
        return this.#frame();
      case 'pointer':
        return writer.pointer(step.x, step.y, 1);
      case 'cursor':
        return writer.cursor(step.side === 0 ? null : cursor(step.side));
      case 'mark':
        return writer.mark(utf8Bytes(`{"text":"${step.text}"}`), true);
      case 'flush':
        return writer.flush(++this.#offset);
      case 'wait':
        this.#ms += step.ms;
        return writer.time(this.#ms);
    }
  }

  #frame(): void {
    this.writer.frame(this.picture);
    this.expected.push({ ms: this.#ms, picture: digestOfPicture(this.picture) });
  }

  #noise({ x, y, seed }: { x: number; y: number; seed: number }): void {
    const { picture } = this;
    for (let row = 0; row < 10; row++)
      for (let byte = 0; byte < 100; byte++)
        if (byte % 4 !== 3) picture.pixels[picture.at(x, y + row) + byte] = (row * 31 + byte * 7 + seed * 101) & 255;
    picture.touch({ x, y, width: 25, height: 10 });
  }
}

function cursor(side: number) {
  return { hotX: 1, hotY: 2, width: side, height: side, pixels: new Uint8Array(side * side * 4).fill(side) };
}

export async function recorded(all: readonly Step[]): Promise<Recording> {
  const recording = new Recording();
  await recording.play(all);
  return recording;
}

/** A little of everything, in several segments. */
export const everything: Step[] = [
  { kind: 'noise', x: 3, y: 5, seed: 1 },
  { kind: 'cursor', side: 7 },
  { kind: 'wait', ms: 250 },
  { kind: 'pointer', x: 9, y: 12 },
  { kind: 'copy', x: 0, y: 40, dx: 5, dy: 0 },
  { kind: 'flush' },
  { kind: 'wait', ms: 400_000 },
  { kind: 'mark', text: 'hello' },
  { kind: 'flush' },
  { kind: 'fill', x: 20, y: 30, colour: 0x123456 },
  { kind: 'flush' },
  { kind: 'flush' },
  { kind: 'resize', width: 150, height: 130 },
  { kind: 'wait', ms: 1 },
  { kind: 'noise', x: 60, y: 60, seed: 2 },
];

// The stream `input`: every message names the grant it claims, and is dropped without it, whatever the console believes.
import { ApplianceError } from '../../errors.ts';
import type { LinkStream } from '../../link/stream.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { parseInputEvent } from '../../protocol/rfb-client-messages.ts';
import { type InputMessage, type InputState, parseInput, writeInputState } from '../../protocol/screen.ts';
import type { DesktopInput, InputSink } from '../input-sink.ts';
import type { Rectangle } from '../screen-source.ts';

const RESET_MALFORMED = 2;

export interface InputStreamParts {
  readonly stream: LinkStream;
  /** What may be done with input just now. */
  readonly state: () => InputState;
  /** Counts what it does not admit. */
  readonly admitsInput: (grant: number) => boolean;
  /** Is told of what was admitted; places are in pixels of the picture. */
  readonly seen: (input: DesktopInput) => void;
  readonly admitsLaser: (grant: number) => boolean;
  readonly sink: () => InputSink | null;
  /** Where the picture lies that the technician points into; null while he sees none. */
  readonly area: () => Rectangle | null;
  readonly cutText: (grant: number, rfb: Bytes) => void | Promise<void>;
  readonly refused: () => void;
  readonly ended: () => void;
}

export class InputStream {
  readonly #parts: InputStreamParts;
  #told: InputState | null = null;
  #isOver = false;

  constructor(parts: InputStreamParts) {
    this.#parts = parts;
    const over = () => {
      this.#isOver = true;
      parts.ended();
    };
    parts.stream.listen({ message: bytes => this.#receive(bytes), ended: over, reset: over });
    this.stateChanged();
  }

  /** Called when `state` may have changed. */
  stateChanged(): void {
    const state = this.#parts.state();
    if (this.#isOver || state === this.#told) return;
    this.#told = state;
    this.#parts.stream.send(writeInputState(state));
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.stream.end();
  }

  async #receive(bytes: Bytes): Promise<void> {
    try {
      const message = parseInput(bytes);
      if (message.type === 'clipboard') await this.#parts.cutText(message.grant, message.rfb);
      else if (message.type === 'laser') this.#laser(message);
      else this.#event(message.grant, message.rfb);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#parts.refused();
      this.#isOver = true;
      this.#parts.stream.reset(RESET_MALFORMED);
      this.#parts.ended();
    }
  }

  /** Read before it is admitted: what is no event ends the stream in any case. */
  #event(grant: number, rfb: Bytes): void {
    const { admitsInput, state, sink, area, seen } = this.#parts;
    const input = parseInputEvent(rfb);
    if (!admitsInput(grant) || state() === 'paused') return;
    seen(input);
    const shown = area();
    const place = shown === null ? undefined : placed(input, shown);
    if (place !== undefined) sink()?.inject(place);
  }

  #laser({ grant, x, y, shown }: Extract<InputMessage, { type: 'laser' }>): void {
    const { admitsLaser, sink, area } = this.#parts;
    const picture = area();
    if (!admitsLaser(grant) || picture === null) return;
    const spot = { x: picture.x + Math.min(x, picture.width - 1), y: picture.y + Math.min(y, picture.height - 1) };
    sink()?.point(shown ? spot : null);
  }
}

/** From pixels of the picture to those of the whole desktop; a place outside of the picture is at its edge. */
function placed(input: DesktopInput, { x, y, width, height }: Rectangle): DesktopInput {
  if (input.type === 'key') return input;
  return { ...input, x: x + Math.min(input.x, width - 1), y: y + Math.min(input.y, height - 1) };
}

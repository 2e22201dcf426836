// A desktop in memory on which something changes twenty times a second, as it does for somebody who works; it knows when it
// was looked at, and what was typed on it.
import { systemClock } from '../../appliance/clock.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import type { Grabbed, Rectangle } from '../../appliance/customer-core/screen-source.ts';
import { WrittenHands } from '../customer-core/test-desktop.ts';
import { codecs } from './rfb-session.ts';
import { TestScreen, textColour } from './test-screen.ts';

const EVERY_MS = 50;

class BusyScreen extends TestScreen {
  /** When, ms UTC. */
  readonly looks: number[] = [];

  override grab(area: Rectangle): Grabbed {
    this.looks.push(Date.now());
    return super.grab(area);
  }
}

export class BusyDesktop implements Desktop, Disposable {
  readonly codecs = codecs;
  readonly screen = new BusyScreen(640, 400);
  readonly hands = new WrittenHands();
  readonly openClipboard = null;
  readonly watchPresence = null;
  #drawn = 0;
  readonly #stop = systemClock.every(EVERY_MS, () => this.#draw());

  openScreen(): BusyScreen {
    return this.screen;
  }

  openInput = () => this.hands;

  #draw(): void {
    const n = this.#drawn++;
    this.screen.draw({ x: (n * 97) % 480, y: (n * 53) % 300, width: 160, height: 96 }, textColour(n));
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

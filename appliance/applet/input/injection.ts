// Presses, releases and moves through XTEST, as if it were the customer's own keyboard and mouse.
import type { XTest } from 'x11';
import type { XConnection } from '../x11/connection.ts';
import type { EventKind, OwnEvents } from './own-events.ts';

/** Core event types (X protocol, appendix B). */
const TYPES: Readonly<Record<EventKind, number>> = {
  ...{ 'key-press': 2, 'key-release': 3, 'button-press': 4, 'button-release': 5, motion: 6 },
};
/** Of a coordinate on the wire; the server keeps the pointer on the screen. */
const MAX_PLACE = 0x7fff;

export class Injection {
  readonly #connection: XConnection;
  readonly #xtest: XTest;
  readonly #own: OwnEvents;

  constructor(connection: XConnection, xtest: XTest, own: OwnEvents) {
    this.#connection = connection;
    this.#xtest = xtest;
    this.#own = own;
  }

  key(down: boolean, keycode: number): void {
    this.#send(down ? 'key-press' : 'key-release', keycode, 0, 0);
  }

  button(down: boolean, button: number): void {
    this.#send(down ? 'button-press' : 'button-release', button, 0, 0);
  }

  motion(x: number, y: number): void {
    this.#send('motion', 0, Math.min(x, MAX_PLACE), Math.min(y, MAX_PLACE));
  }

  /** What was sent leaves this process now. */
  flush(): void {
    this.#connection.client.pack_stream.flush();
  }

  #send(kind: EventKind, detail: number, x: number, y: number): void {
    const { client, screen } = this.#connection;
    this.#xtest.FakeInput(TYPES[kind], detail, 0, screen.root, x, y);
    this.#own.sent(kind, detail, client.seq_num);
  }
}

// A program of the customer's that owns a selection, or asks for one, as badly as a test wants.
import {
  parseSelectionEvent,
  type SelectionRequest,
  writeSelectionAnswer,
} from '../../appliance/applet/input/selection-events.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { Desktop } from './desktop.ts';

const PROPERTY_CHANGES = 0x40_0000;
const INPUT_ONLY = 2;
const NO_XFIXES = -1;

export class SelectionProgram {
  readonly connection: XConnection;
  readonly window: number;
  /** What was asked of it: names of targets. */
  readonly asked: string[] = [];
  #answer: (request: SelectionRequest, target: string) => void = () => undefined;
  #propertyDeleted: (window: number, property: number) => void = () => undefined;
  #asked: () => void = () => undefined;
  #isBusy: Promise<void> = Promise.resolve();

  private constructor(connection: XConnection, window: number) {
    this.connection = connection;
    this.window = window;
    connection.onEvent(event => {
      const news = parseSelectionEvent(event, NO_XFIXES);
      if (news?.type === 'request') this.#isBusy = this.#isBusy.then(() => this.#request(news));
      if (news?.type === 'property' && !news.isNew) this.#propertyDeleted(news.window, news.atom);
    });
  }

  static async open(desktop: Desktop): Promise<SelectionProgram> {
    const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
    const { client, screen } = connection;
    const window = client.AllocID();
    client.CreateWindow(window, screen.root, 0, 0, 1, 1, 0, 0, INPUT_ONLY, 0, { eventMask: PROPERTY_CHANGES });
    return new SelectionProgram(connection, window);
  }

  atom(name: string): Promise<number> {
    return this.connection.ask(answer => this.connection.client.InternAtom(false, name, answer));
  }

  /** Becomes owner; what is asked of it goes to `answer`. */
  async own(selection: string, answer: (request: SelectionRequest, target: string) => void): Promise<void> {
    this.#answer = answer;
    this.connection.client.SetSelectionOwner(this.window, await this.atom(selection), 0);
    await this.settle();
  }

  /** Says that the answer is in this property of the asker's; 0: there is none. */
  reply(request: SelectionRequest, property = request.property): void {
    this.connection.client.SendEvent(request.requestor, 0, 0, writeSelectionAnswer(request, property));
  }

  put({ requestor, property }: SelectionRequest, type: number, format: 8 | 32, data: Buffer | readonly number[]): void {
    this.connection.client.ChangeProperty(0, requestor, property, type, format, data);
  }

  /** Is told when the asker has taken what was put into a property of its window. */
  onTaken(window: number, taken: (window: number, property: number) => void): void {
    this.connection.client.ChangeWindowAttributes(window, { eventMask: PROPERTY_CHANGES });
    this.#propertyDeleted = taken;
  }

  /** Waits until this was asked of it so many times. */
  async until(target: string, times = 1): Promise<void> {
    while (this.asked.filter(one => one === target).length < times) {
      await new Promise<void>(resolve => {
        this.#asked = resolve;
      });
    }
  }

  async settle(): Promise<void> {
    await this.connection.ask(answer => this.connection.client.GetInputFocus(answer));
  }

  close(): void {
    this.connection.close();
  }

  async #request(request: SelectionRequest): Promise<void> {
    const target = await this.connection.ask<string>(answer =>
      this.connection.client.GetAtomName(request.target, answer),
    );
    this.asked.push(target);
    this.#answer(request, target);
    this.#asked();
  }
}

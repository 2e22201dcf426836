// A session that must be recorded, over a real appliance: the console's own session with a viewer that draws all that comes,
// and the applet's own with a desktop; both in this process, without windows.
import type { RfbChannel } from '../../appliance/console/rfb-channel.ts';
import type { ViewerListener } from '../../appliance/console/screen-viewer.ts';
import type { TechnicianSession } from '../../appliance/console/technician-session.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import { allow } from './allow.ts';
import type { Appliance } from './appliance.ts';
import { Customer } from './customer.ts';
import { RfbClient } from './rfb-client.ts';
import { ZSTD_VIEWER } from './rfb-session.ts';
import { StillViewer } from './still-viewer.ts';
import { Technician } from './technician.ts';

export const VIEWING = 'launch-desktop-viewing';
export const CONTROL = 'launch-remote-control';

/** Recorder and applet say that what is shown is recorded. */
export function isWell({ recording: { recorder, applet } }: TechnicianSession): boolean {
  return recorder === 'recording' && applet === 'proved';
}

/** Draws into memory, as noVNC does on the page. */
export class MemoryViewer extends StillViewer {
  readonly client: RfbClient;
  readonly #channel: RfbChannel;

  constructor(channel: RfbChannel, listener: ViewerListener) {
    super();
    this.#channel = channel;
    this.client = new RfbClient({
      ...{ encodings: ZSTD_VIEWER, mode: 'continuous' },
      send: bytes => queueMicrotask(() => channel.send(bytes)),
    });
    channel.onmessage = ({ data }) => this.client.push(data);
    void this.#draw(listener);
    channel.onclose = () => this.client.close();
  }

  async #draw(listener: ViewerListener): Promise<void> {
    try {
      for (;;) {
        await this.client.nextUpdate();
        listener.drawn();
      }
    } catch (error) {
      this.#channel.fail(String(error)); // the session says then that it can't be read
      this.#channel.close();
    }
  }

  get frames(): number {
    return this.client.updates;
  }

  get width(): number {
    return this.client.width;
  }

  get height(): number {
    return this.client.height;
  }

  /** As noVNC says it: a key of the picture's. */
  key(keysym: number): void {
    for (const down of [1, 0]) this.#channel.send(Uint8Array.of(4, down, 0, 0, 0, 0, keysym >> 8, keysym & 255));
  }
}

export class RecordedSession implements AsyncDisposable {
  readonly appliance: Appliance;
  readonly technician: Technician;
  readonly customer: Customer;
  readonly session: TechnicianSession;
  /** Newest last: a picture that is opened anew has one of its own. */
  readonly viewers: MemoryViewer[] = [];
  #drawn = Promise.withResolvers<void>();

  private constructor(appliance: Appliance, technician: Technician, customer: Customer, session: TechnicianSession) {
    this.appliance = appliance;
    this.technician = technician;
    this.customer = customer;
    this.session = session;
    technician.makeViewer = async (channel, listener) => {
      const drawn = () => {
        listener.drawn();
        this.#drawn.resolve();
        this.#drawn = Promise.withResolvers();
      };
      const viewer = new MemoryViewer(channel, { cutText: bytes => listener.cutText(bytes), drawn });
      this.viewers.push(viewer);
      return viewer;
    };
  }

  /**
   * Linked, and seen as far as the first picture.
   * @param doctored puts something between console and recorder
   */
  static async begin(
    appliance: Appliance,
    desktop: Desktop,
    doctored: (open: Technician['openRecorder']) => Technician['openRecorder'] = open => open,
  ): Promise<RecordedSession> {
    const technician = await Technician.signIn(appliance, appliance.accounts?.technician);
    technician.openRecorder = doctored(technician.openRecorder);
    const { session: made, pin } = await technician.make();
    const customer = await Customer.enter(appliance, pin, desktop);
    customer.session.windowVisible(true); // there is none here; without one nothing may be done
    await technician.until(made.id, ({ state }) => state === 'waiting');
    const session = await technician.pickUp(made.id);
    const recorded = new RecordedSession(appliance, technician, customer, session);
    await technician.untilThat(() => (session.link.phase === 'open' ? true : undefined));
    await recorded.allow(VIEWING);
    await technician.untilThat(() => (recorded.isWell ? true : undefined));
    return recorded;
  }

  allow(action: string): Promise<void> {
    return allow(action, this);
  }

  get isWell(): boolean {
    return isWell(this.session);
  }

  /** The next update that is drawn, of whatever picture there is then. */
  nextFrame(): Promise<void> {
    return this.#drawn.promise;
  }

  /** Pictures that were drawn, of all that were opened. */
  get frames(): number {
    return this.viewers.reduce((sum, { frames }) => sum + frames, 0);
  }

  /** Of the picture that was opened last. */
  get viewer(): MemoryViewer {
    const viewer = this.viewers.at(-1);
    if (viewer === undefined) throw new Error('there is no picture');
    return viewer;
  }

  /** As the console does it: what runs is stopped first, so that the film has its end. */
  async end(): Promise<void> {
    await this.session.stopAll();
    await this.technician.api.end(this.session.id, 'solved');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.technician[Symbol.asyncDispose]();
    await this.customer[Symbol.asyncDispose]();
  }
}

// The console's screen over a real link, without a page: what is a Worker there is a structured clone here, and the viewer
// only collects. The applet's end is the test's.
import { GrantStreams } from '../../appliance/console/grant-streams.ts';
import { LinkClient, type LinkWorker } from '../../appliance/console/link-client.ts';
import type { FromLinkWorker, ToLinkWorker } from '../../appliance/console/link-messages.ts';
import type { RfbChannel } from '../../appliance/console/rfb-channel.ts';
import type { ScreenViewer, ViewerListener } from '../../appliance/console/screen-viewer.ts';
import { SessionScreen } from '../../appliance/console/session-screen.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import { type Bytes, concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { connectedLinks, type TestLinks } from '../link/support.ts';

/** Nothing is recorded here. */
const nothing = { take: () => undefined, ended: () => undefined, leave: () => undefined, isRecorded: false };
const noRecordings = { picture: () => nothing };
/** What a viewer says before it is connected. */
export const OPENING = concat(utf8Bytes('RFB 003.008\n'), Uint8Array.of(1, 1));
export const KEY_A = Uint8Array.of(4, 1, 0, 0, 0, 0, 0, 0x61);
export const POINTER = Uint8Array.of(5, 1, 0, 10, 0, 20);
export const UPDATE_REQUEST = Uint8Array.of(3, 1, 0, 0, 0, 0, 4, 0, 3, 0);
export const CUT_TEXT = concat(Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 2), utf8Bytes('hi'));

/** Draws nothing; each piece of a picture is an update to it. */
export class CollectingViewer implements ScreenViewer {
  readonly place = null;
  readonly width = 8;
  readonly height = 8;
  readonly taken: Bytes[] = [];
  readonly channel: RfbChannel;
  hasControl = false;
  isClosed = false;
  /** Until it is let go on, it takes no more. */
  isBusy: Promise<void> | undefined;

  constructor(channel: RfbChannel, listener: ViewerListener) {
    this.channel = channel;
    channel.busy = () => this.isBusy;
    channel.onmessage = ({ data }) => {
      if (data[0] === 0xee) throw new RangeError('that is no picture');
      this.taken.push(data);
      listener.drawn();
    };
  }

  get frames(): number {
    return this.taken.length;
  }

  control(isOn: boolean): void {
    this.hasControl = isOn;
  }

  close(): void {
    this.isClosed = true;
  }

  fit = () => undefined;
  focus = () => undefined;
  press = () => undefined;
  type = () => undefined;
  releaseKeys = () => undefined;
  pixelAt = () => null;
  readonly pointers: ({ x: number; y: number } | null)[] = [];
  showPointer = (at: { x: number; y: number } | null) => void this.pointers.push(at && { x: at.x, y: at.y });
  picture = () => Promise.resolve(new Blob());
}

export class OpenScreen implements AsyncDisposable {
  readonly links: TestLinks;
  readonly linkId: string;
  readonly screen: SessionScreen;
  readonly viewers: CollectingViewer[] = [];
  /** The applet's ends of streams the console has opened. */
  readonly streams: { stream: LinkStream; said: Bytes[]; resetBy: number | null }[] = [];
  /** What the Worker handed over, and whether all of its memory was its own. */
  readonly handedOver: boolean[] = [];
  #waiting: (() => void)[] = [];

  private constructor(links: TestLinks) {
    this.links = links;
    this.linkId = toBase64Url(links.console.id);
    const client = new LinkClient('session', () => this.#worker());
    client.open({
      changed: () => undefined,
      message: async () => undefined,
      ended: () => undefined,
      recording: () => undefined,
      signedOut: () => undefined,
    });
    this.screen = new SessionScreen({
      link: client,
      makeViewer: async (channel, listener) => {
        const viewer = new CollectingViewer(channel, listener);
        this.viewers.push(viewer);
        return viewer;
      },
      changed: () => this.wake(),
    });
    links.applet.onStream(stream => this.#opened(stream));
  }

  static async open(): Promise<OpenScreen> {
    return new OpenScreen(await connectedLinks());
  }

  /** Resolves with what `find` gives, asked again whenever something happened. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  /** The n-th stream of that kind. */
  stream(kind: string, n = 0) {
    return this.until(() => this.streams.filter(({ stream }) => stream.kind === kind)[n]);
  }

  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.screen.close();
    await this.links[Symbol.asyncDispose]();
  }

  #opened(stream: LinkStream): void {
    const opened = { stream, said: [] as Bytes[], resetBy: null as number | null };
    this.streams.push(opened);
    stream.listen({
      message: bytes => {
        opened.said.push(bytes);
        this.wake();
      },
      reset: code => {
        opened.resetBy = code;
        this.wake();
      },
    });
    this.wake();
  }

  #worker(): LinkWorker {
    const tell = (message: FromLinkWorker, handedOver: readonly ArrayBuffer[] = []) => {
      if (message.type === 'opened-message') this.handedOver.push(message.bytes.length === handedOver[0]?.byteLength);
      const data = structuredClone(message, { transfer: [...handedOver] });
      setImmediate(() => {
        worker.onmessage?.({ data });
        this.wake();
      });
    };
    const streams = new GrantStreams(this.links.console, this.linkId, tell, noRecordings);
    const worker: LinkWorker = {
      onmessage: null,
      postMessage: message => handle(structuredClone(message)),
      terminate: () => undefined,
    };
    const handle = (message: ToLinkWorker) => {
      if (message.type === 'open' || message.type === 'opened-send') streams.handle(message);
      if (message.type === 'opened-took' || message.type === 'opened-reset') streams.handle(message);
    };
    return worker;
  }
}

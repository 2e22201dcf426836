// A session in which a customer's X11 desktop is seen and controlled, over a real appliance, gateway and link, by whatever
// viewer comes to a TCP port: the console's own screen, and in place of its noVNC a bridge. Portal and gateway are processes
// of their own; the customer's and the technician's ends are in this one.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { openLinuxDesktop } from '../../appliance/applet/desktop-linux.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { RfbChannel } from '../../appliance/console/rfb-channel.ts';
import type { ViewerListener } from '../../appliance/console/screen-viewer.ts';
import type { TechnicianSession } from '../../appliance/console/technician-session.ts';
import type { PictureCodecs } from '../../appliance/customer-core/picture-codecs.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { allow } from './allow.ts';
import { type Appliance, startAppliance } from './appliance.ts';
import { Customer } from './customer.ts';
import { StillViewer } from './still-viewer.ts';
import { Technician } from './technician.ts';

/** Takes what a viewer would draw, and hands it to whoever is connected. */
class Bridge extends StillViewer {
  readonly width = 0;
  readonly height = 0;
  frames = 0;
  readonly #channel: RfbChannel;
  readonly #listener: ViewerListener;

  constructor(channel: RfbChannel, listener: ViewerListener) {
    super();
    this.#channel = channel;
    this.#listener = listener;
  }

  serve(socket: Socket): void {
    const channel = this.#channel;
    channel.busy = () => (socket.writableNeedDrain ? once(socket, 'drain').then(() => undefined) : undefined);
    socket.on('data', (bytes: Buffer) => channel.send(new Uint8Array(bytes)));
    socket.on('close', () => channel.close());
    socket.on('error', () => socket.destroy());
    channel.onclose = () => socket.destroy();
    channel.onmessage = ({ data }: { readonly data: Bytes }) => {
      socket.write(data);
      this.frames += 1;
      this.#listener.drawn();
    };
  }
}

export class BridgedSession implements AsyncDisposable {
  readonly #appliance: Appliance;
  readonly #technician: Technician;
  readonly #customer: Customer;
  readonly #session: TechnicianSession;
  readonly #listener: Server;
  /** Bridges nobody has come to yet, and who waits for one. */
  #bridge: PromiseWithResolvers<Bridge> = Promise.withResolvers();
  readonly #sockets = new Set<Socket>();

  private constructor(appliance: Appliance, technician: Technician, customer: Customer, session: TechnicianSession) {
    this.#appliance = appliance;
    this.#technician = technician;
    this.#customer = customer;
    this.#session = session;
    this.#listener = createServer({ noDelay: true }, socket => void this.#serve(socket));
  }

  /** @param environment with the customer's DISPLAY */
  static async open(environment: NodeJS.ProcessEnv, codecs: PictureCodecs): Promise<BridgedSession> {
    const appliance = await startAppliance({ accounts: true });
    const technician = await Technician.signIn(appliance, appliance.accounts?.technician);
    const { session: made, pin } = await technician.make();
    const opened = openLinuxDesktop({ clock: systemClock, environment });
    const customer = await Customer.enter(appliance, pin, {
      codecs,
      openScreen: async () => (await opened).screen,
      openInput: async () => {
        const { input } = await opened;
        if (input !== null) return input;
        throw new ApplianceError('unavailable', 'input.unavailable', 'this display takes no input');
      },
      openClipboard: null,
      watchPresence: null,
    });
    customer.session.windowVisible(true); // there is none here; without one nothing may be done
    await technician.until(made.id, ({ state }) => state === 'waiting');
    const session = await technician.pickUp(made.id);
    const bridged = new BridgedSession(appliance, technician, customer, session);
    technician.makeViewer = async (channel, listener) => {
      const bridge = new Bridge(channel, listener);
      bridged.#bridge.resolve(bridge);
      return bridge;
    };
    bridged.#listener.listen(0, '127.0.0.1');
    await once(bridged.#listener, 'listening');
    await technician.untilThat(() => (session.link.phase === 'open' ? true : undefined));
    for (const action of ['launch-desktop-viewing', 'launch-remote-control'])
      await allow(action, { technician, customer, session });
    return bridged;
  }

  /** Where a viewer finds it; one at a time. */
  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await this.#customer[Symbol.asyncDispose]();
    await this.#technician[Symbol.asyncDispose]();
    await this.#appliance.close();
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.pause();
    const bridge = await this.#bridge.promise;
    bridge.serve(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      // Whoever comes next begins anew, on a stream of his own.
      this.#bridge = Promise.withResolvers();
      this.#session.screen.reopen();
    });
    socket.resume();
  }
}

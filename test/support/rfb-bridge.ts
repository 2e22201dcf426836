// A picture server behind a TCP port, for viewers and measuring clients of others: what they type or copy goes nowhere.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '../../appliance/clock.ts';
import type { PictureCodecs } from '../../appliance/customer-core/picture-codecs.ts';
import { RfbServer } from '../../appliance/customer-core/rfb-server.ts';
import type { ScreenSource } from '../../appliance/customer-core/screen-source.ts';
import { ClientMessageSplitter, type ClientPiece } from '../../appliance/protocol/rfb-splitter.ts';

export interface RfbBridgeOptions {
  readonly source: ScreenSource;
  readonly codecs: PictureCodecs;
  /** Mouse and keyboard of the viewer. */
  readonly input?: (event: ClientPiece) => void;
}

export class RfbBridge implements AsyncDisposable {
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  /** Why viewers were let go of. */
  readonly ends: unknown[] = [];
  /** The server of the viewer that came last. */
  server: RfbServer | null = null;

  private constructor(options: RfbBridgeOptions) {
    this.#listener = createServer({ noDelay: true }, socket => this.#serve(socket, options));
  }

  /** @param port 0: any that is free */
  static async open(options: RfbBridgeOptions, port = 0): Promise<RfbBridge> {
    const bridge = new RfbBridge(options);
    bridge.#listener.listen(port, '127.0.0.1');
    await once(bridge.#listener, 'listening');
    return bridge;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  #serve(socket: Socket, { source, codecs, input }: RfbBridgeOptions): void {
    this.#sockets.add(socket);
    const end = (error: unknown) => {
      this.ends.push(error);
      socket.destroy();
    };
    const server = new RfbServer({
      ...{ clock: systemClock, source, codecs, name: 'bridge' },
      area: () => ({ x: 0, y: 0, width: source.layout.width, height: source.layout.height }),
      send: bytes => socket.write(bytes),
      ended: (_, error) => end(error),
    });
    this.server = server;
    const splitter = new ClientMessageSplitter();
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const piece of splitter.push(new Uint8Array(bytes))) {
          if (piece.kind === 'event' && input !== undefined) input(piece);
          else server.receive(piece.bytes);
        }
      } catch (error) {
        end(error);
      }
    });
    socket.on('drain', () => server.drained());
    socket.on('error', error => this.ends.push(error));
    socket.on('close', () => {
      server.close();
      this.#sockets.delete(socket);
    });
    server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}

// Connections to the gateways, by this page's own name: that is the one whose certificate the browser has looked at.
import { openRelaySocket, openWebSocket } from '../browser/relay-socket.ts';
import { systemClock } from '../clock.ts';
import type { MessageSocket } from '../customer-core/session-parts.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import type { Path } from '../link/path.ts';
import { WebSocketPath } from '../link/web-socket-path.ts';
import { APPLET_LEG_PATH, APPLET_LEG_PROTOCOL } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { Entry } from './entry-messages.ts';

const RELAY_PATH = '/gateway/relay/browser';

export class GatewaySockets {
  readonly #host: string;
  readonly #ports: ReadonlyMap<string, number>;

  /** @param host of this page, without its port */
  constructor(host: string, gateways: Entry['gateways']) {
    this.#host = host;
    this.#ports = new Map(gateways.map(({ id, port }) => [id, port]));
  }

  /** @throws ApplianceError `link.gateway-away` */
  async openLeg(gateway: string): Promise<MessageSocket> {
    return this.#path(await openWebSocket(this.#address(gateway, APPLET_LEG_PATH), [APPLET_LEG_PROTOCOL]));
  }

  /** @throws ApplianceError `link.gateway-away`, `link.gateway-unknown` */
  async openRelay({ gateway, token }: { gateway: string; token: Bytes }): Promise<Path> {
    const url = this.#address(gateway, RELAY_PATH);
    return this.#path(await openRelaySocket({ url, token: toBase64Url(token) }));
  }

  #path(socket: Awaited<ReturnType<typeof openWebSocket>>): WebSocketPath {
    return new WebSocketPath('relay', socket, systemClock);
  }

  #address(gateway: string, path: string): string {
    const port = this.#ports.get(gateway);
    if (port === undefined)
      throw new ApplianceError('missing', 'link.gateway-unknown', 'that gateway is not known here');
    return `wss://${this.#host}:${port}${path}`;
  }
}

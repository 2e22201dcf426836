// The applet's own leg: a WebSocket to a gateway over the checked connection (secure-connection.ts) and no other; `ws` never
// opens one by itself. The name is the one the appliance's own certificate is shown for (DESIGN 12.7), in Host and Origin.
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import WebSocket from 'ws';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { WebSocketPath } from '../link/web-socket-path.ts';
import { APPLET_LEG_PATH, APPLET_LEG_PROTOCOL, MAX_LEG_MESSAGE_BYTES } from '../protocol/applet-leg.ts';
import type { ServerAddress } from './configuration.ts';
import { certificateName } from './secure-connection.ts';

const OPEN_MS = 10_000;

/** `applet.<name>:<port>`, as the gateway knows itself. */
export function authorityOf({ host, port }: ServerAddress): string {
  const name = certificateName(host);
  return `${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}

/** @throws ApplianceError `connection.failed` */
export function openLegSocket(address: ServerAddress, connection: TLSSocket, clock: Clock): Promise<WebSocketPath> {
  const authority = authorityOf(address);
  const socket = new WebSocket(`wss://${authority}${APPLET_LEG_PATH}`, [APPLET_LEG_PROTOCOL], {
    ...{ createConnection: () => connection, headers: { host: authority }, origin: `https://${authority}` },
    ...{ handshakeTimeout: OPEN_MS, maxPayload: MAX_LEG_MESSAGE_BYTES, perMessageDeflate: false },
  });
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) => {
      connection.destroy();
      reject(new ApplianceError('unavailable', 'connection.failed', 'the gateway did not open a leg', { cause }));
    };
    socket.once('error', failed);
    socket.once('close', () => failed());
    socket.once('open', () => {
      socket.removeAllListeners('close');
      socket.on('error', () => socket.terminate()); // from now on the end is told by `close`
      resolve(new WebSocketPath('relay', socket, clock)); // in this turn, before a message can come
    });
  });
}

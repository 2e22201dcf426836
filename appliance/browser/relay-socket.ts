// A leg to the relay, opened from a page or its Worker.
import { systemClock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { OpenSocket } from '../link/web-socket-path.ts';

const OPEN_MS = 10_000;
const LINK_PROTOCOL = 'appliance.link.v1';

/**
 * @param token one use, good for a short while; it goes as a subprotocol, for a browser can set no header
 * @returns the open socket
 * @throws ApplianceError `link.gateway-away`
 */
export function openRelaySocket({ url, token }: { url: string; token: string }): Promise<OpenSocket> {
  return openWebSocket(url, [LINK_PROTOCOL, `token.${token}`]);
}

/** @returns the open socket. @throws ApplianceError `link.gateway-away`: a browser does not say why */
export function openWebSocket(url: string, protocols: string[]): Promise<OpenSocket> {
  const socket = new WebSocket(url, protocols);
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    const fail = () => {
      cancel();
      socket.close();
      reject(new ApplianceError('unavailable', 'link.gateway-away', 'the gateway does not take the connection'));
    };
    const cancel = systemClock.after(OPEN_MS, fail);
    socket.onclose = fail;
    socket.onopen = () => {
      cancel();
      // A browser's event has the `data` that is read, and more.
      resolve(socket as unknown as OpenSocket);
    };
  });
}

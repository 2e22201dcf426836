// A gateway's WebSockets in front of the appliance of the customer-core tests: own legs and relay legs over real TLS. The
// real gateway has its own tests; this one shows what an applet says, and can go away.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { MessageSocket } from '../../appliance/customer-core/session-parts.ts';
import { APPLET_LEG_PROTOCOL } from '../../appliance/protocol/applet-leg.ts';
import type { TestAppliance } from '../customer-core/test-appliance.ts';
import { bytesOf } from '../link/support.ts';
import type { TestGateway } from './test-gateway.ts';

export interface SeenUpgrade {
  readonly path: string;
  readonly host: string;
  readonly origin: string;
}

/** Puts the appliance behind the gateway, in place of the one before. @returns what the applet asked for, as it comes */
export function serveLegs(gateway: TestGateway, appliance: TestAppliance): SeenUpgrade[] {
  const seen: SeenUpgrade[] = [];
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: ([first]) => first ?? false,
  });
  gateway.upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { host = '', origin = '' } = request.headers;
    const path = request.url ?? '';
    seen.push({ path, host, origin });
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(one => one.trim());
    const far = path === '/gateway/applet' ? legOf(appliance, offered) : appliance.takeRelay(tokenOf(offered));
    if (far === undefined || appliance.isAway) return void socket.destroy();
    sockets.handleUpgrade(request, socket, head, opened => join(opened, far));
  };
  return seen;
}

function legOf(appliance: TestAppliance, offered: readonly string[]): MessageSocket | undefined {
  return offered.includes(APPLET_LEG_PROTOCOL) && !appliance.isAway
    ? appliance.connectLeg('gateway-1').socket
    : undefined;
}

function tokenOf(offered: readonly string[]): string {
  return offered.find(one => one.startsWith('token.'))?.slice('token.'.length) ?? '';
}

function join(opened: WebSocket, far: MessageSocket): void {
  far.listen({
    message: bytes => opened.send(bytes),
    drained: () => undefined,
    closed: () => opened.close(),
  });
  opened.on('message', (data: Buffer) => far.send(bytesOf(data)));
  opened.on('close', () => far.close());
  opened.on('error', () => opened.terminate());
}

// Two sockets after a `101`: bytes go across as they come, and the end of one is the end of both.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long one side may go on after the other has said its last byte, ms. */
const LINGER_MS = 5000;

/** Writes the portal's `101` to the client, header for header: the handshake's proof is between those two. */
export function writeHandshake(client: Duplex, reply: IncomingMessage): void {
  const lines = [`HTTP/1.1 101 ${reply.statusMessage ?? 'Switching Protocols'}`];
  for (let at = 0; at + 1 < reply.rawHeaders.length; at += 2) {
    lines.push(`${reply.rawHeaders[at]}: ${reply.rawHeaders[at + 1]}`);
  }
  client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

export function join(sides: { client: Duplex; fromClient: Buffer; portal: Duplex; fromPortal: Buffer }): void {
  const { client, portal } = sides;
  if (sides.fromClient.length > 0) portal.write(sides.fromClient);
  if (sides.fromPortal.length > 0) client.write(sides.fromPortal);
  bind(client, portal);
  bind(portal, client);
}

/** `pipe` pauses `from` while `to` has not drained, and passes the end on. */
function bind(from: Duplex, to: Duplex): void {
  from.pipe(to);
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
  from.on('end', () => {
    const timer = setTimeout(() => to.destroy(), LINGER_MS);
    to.once('close', () => clearTimeout(timer));
  });
}

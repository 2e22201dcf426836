// Whose connection is this? Loopback is open to every user of the computer, so each connection to the window must come from
// a process of our own user (TRUST). No answer means no.
import type { AddressInfo } from 'node:net';
import { linuxConnectionOwner } from './connection-owner-linux.ts';
import { windowsConnectionOwner } from './connection-owner-windows.ts';

/** Both ends of a connection, as the server sees them; always on 127.0.0.1. */
export interface LoopbackConnection {
  readonly serverPort: AddressInfo['port'];
  readonly clientPort: AddressInfo['port'];
}

export type IsOwnConnection = (connection: LoopbackConnection) => Promise<boolean>;

export const isOwnConnection: IsOwnConnection = connection =>
  process.platform === 'win32' ? windowsConnectionOwner(connection) : linuxConnectionOwner(connection);

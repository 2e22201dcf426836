// Linux: the kernel's table of TCP sockets names the user of each (proc_pid_net(5)).
import { readFile } from 'node:fs/promises';
import type { LoopbackConnection } from './connection-owner.ts';

const ESTABLISHED = '01';
// 127.0.0.1 as the kernel prints it, in the byte order of x86; a socket for both families maps it into IPv6.
const LOOPBACK = { '/proc/net/tcp': '0100007F', '/proc/net/tcp6': '0000000000000000FFFF00000100007F' } as const;

export async function linuxConnectionOwner(connection: LoopbackConnection): Promise<boolean> {
  const uid = process.getuid?.();
  for (const [table, address] of Object.entries(LOOPBACK)) {
    const owners = findOwners(await readFile(table, 'latin1'), address, connection);
    if (owners.length > 0) return owners.every(owner => owner === uid);
  }
  return false;
}

/** Users of the client's end: its local address is the one the server sees as its peer. */
export function findOwners(table: string, address: string, { clientPort, serverPort }: LoopbackConnection): number[] {
  const local = `${address}:${hex(clientPort)}`;
  const remote = `${address}:${hex(serverPort)}`;
  const owners: number[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, from, to, state, , , , uid] = line.trim().split(/\s+/);
    if (from === local && to === remote && state === ESTABLISHED) owners.push(Number(uid));
  }
  return owners;
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

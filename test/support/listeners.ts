// What processes really listen on, by the kernel's own tables and not by our configuration (DESIGN 12.15).
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Listener {
  readonly protocol: string;
  /** As the kernel writes it: hexadecimal, each 32-bit word in the machine's byte order. */
  readonly address: string;
  readonly port: number;
}

const LISTENING = '0A'; // TCP_LISTEN (include/net/tcp_states.h); for UDP every bound socket counts
export const LOOPBACK = '0100007F';

/** TCP sockets that listen and UDP sockets that are bound, of these processes and of those they started. */
export function openListeners(pids: readonly (number | undefined)[]): Listener[] {
  const inodes = new Set(pids.flatMap(pid => (pid === undefined ? [] : socketsOf(pid))));
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap(protocol =>
    readFileSync(`/proc/net/${protocol}`, 'utf8')
      .split('\n')
      .slice(1)
      .map(line => line.trim().split(/\s+/))
      .filter(fields => inodes.has(fields[9] ?? '') && (protocol.startsWith('udp') || fields[3] === LISTENING))
      .map(([, local = '']) => {
        const [address = '', port = ''] = local.split(':');
        return { protocol, address, port: Number.parseInt(port, 16) };
      }),
  );
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // closed since it was listed
    }
  });
}

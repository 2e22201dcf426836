// Which user is at the other end of a Unix socket: SO_PEERCRED (unix(7)), as the kernel noted it at connect. The one
// native call of the signer. `node:ffi` is experimental and on by default in the pinned runtime; where it is missing or
// switched off (`--no-experimental-ffi`) the signer does not start: nobody is ever believed without the kernel's word.
import { dlopen } from 'node:ffi';
import type { Socket } from 'node:net';
import { ApplianceError } from '../errors.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12; // pid, uid, gid: int32 each, host byte order (x64: little endian)

const { functions: libc } = dlopen(null, {
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
});

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
}

/** @throws ApplianceError `signer.unknown-caller` when the kernel doesn't say */
export function peerCredentials(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket);
  const [credentials, length] = [Buffer.alloc(UCRED_BYTES), Buffer.alloc(4)];
  length.writeInt32LE(UCRED_BYTES);
  if (fd >= 0 && libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) === 0) {
    return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) };
  }
  throw new ApplianceError('refused', 'signer.unknown-caller', 'the kernel does not say who is calling');
}

/** Node has no public name for a socket's descriptor; the pinned runtime keeps it on the handle. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' ? fd : -1;
}

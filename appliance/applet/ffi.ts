// Calls into the operating system's own libraries: the one place where native memory becomes bytes. Everything above it sees
// typed functions and a Uint8Array; a wrong signature here crashes the program, so there are few, and each stands beside its
// manual page.
import { dlopen, toArrayBuffer } from 'node:ffi';
import { ApplianceError } from '../errors.ts';

const IPC_PRIVATE = 0;
const IPC_CREAT_OWNER_ONLY = 0o1600;
const IPC_RMID = 0;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32; // Linux
const MAP_NORESERVE = 0x4000;
const PAGE = 4096;

/** shmget(2), shmop(2), shmctl(2), mmap(2), of the C library this program runs with. */
function openLibc() {
  return dlopen(null, {
    shmget: { arguments: ['i32', 'u64', 'i32'], return: 'i32' },
    shmat: { arguments: ['i32', 'u64', 'i32'], return: 'i64' },
    shmctl: { arguments: ['i32', 'i32', 'pointer'], return: 'i32' },
    mmap: { arguments: ['u64', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'i64' },
    munmap: { arguments: ['u64', 'u64'], return: 'i32' },
  }).functions;
}

/** Memory that another program of this machine can attach by its number (System V). */
export class SharedMemory {
  readonly #libc = openLibc();
  readonly #address: bigint;
  readonly #length: bigint;
  /** For whoever is to attach it. */
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;

  /** @throws ApplianceError `memory.not-shared` where the system gives none: a container without IPC, a limit reached */
  constructor(length: number) {
    const pages = Math.ceil(length / PAGE);
    this.#length = BigInt(pages * PAGE);
    this.id = this.#libc.shmget(IPC_PRIVATE, this.#length, IPC_CREAT_OWNER_ONLY);
    if (this.id < 0) throw notShared(length);
    this.#address = this.#libc.shmat(this.id, 0n, 0);
    // Linux lets it be attached by its number after this, and it ends with the last program that has it, however that one ends.
    this.#libc.shmctl(this.id, IPC_RMID, null);
    if (this.#address === -1n) throw notShared(length);
    const memory = toArrayBuffer(this.#address, pages * PAGE, false);
    unmapWithBytes.register(memory, { address: this.#address, length: this.#length });
    this.bytes = new Uint8Array(memory, 0, length);
  }

  /**
   * Gives the memory back. Who still holds `bytes` reads zeroes: the place is taken by an empty mapping in the same step, which
   * costs nothing and goes with the last reference, so that a late reader can't crash the program.
   */
  release(): void {
    const flags = MAP_PRIVATE_FIXED_ANONYMOUS | MAP_NORESERVE;
    this.#libc.mmap(this.#address, this.#length, PROT_READ_WRITE, flags, -1, 0n);
  }
}

const unmapWithBytes = new FinalizationRegistry<{ address: bigint; length: bigint }>(({ address, length }) => {
  openLibc().munmap(address, length);
});

function notShared(length: number): ApplianceError {
  return new ApplianceError('unavailable', 'memory.not-shared', `the system shares no memory of ${length} bytes`, {
    hint: 'The screen is read through the display connection instead, which is slower.',
  });
}

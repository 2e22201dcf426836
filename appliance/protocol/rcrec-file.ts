// Reads an RCREC file from wherever it lies, a part at a time: who looks at a recording needs no whole download. What is
// damaged is said where it is met, and what lies beyond the damage can still be seen.
import { ApplianceError } from '../errors.ts';
import { type Bytes, equalBytes } from './bytes.ts';
import {
  BLOCK,
  BLOCK_HEAD_BYTES,
  CHECK_BYTES,
  END_BLOCK_BYTES,
  openBlock,
  parseBlockHead,
  parseData,
  parseEnd,
  parseHead,
  parseIndex,
  RCREC_START,
  type RcrecData,
  type RcrecEnd,
  type RcrecHead,
  type RcrecIndex,
  type RcrecSegment,
} from './rcrec.ts';
import type { Later } from './rcrec-picture.ts';

export interface RcrecSource {
  /** Of the whole file. */
  readonly bytes: number;
  /** Exactly so many bytes, or fewer at the end of the file. */
  read(position: number, length: number): Later<Bytes>;
}

export type Sha256 = (bytes: Bytes) => Later<Bytes>;

/** A block of pictures and where the next one is. */
export interface DataBlock {
  readonly data: RcrecData;
  readonly next: number;
}

export class RcrecFile {
  readonly head: RcrecHead;
  readonly index: RcrecIndex;
  readonly durationMs: number;
  /** Up to here in the hashed stream all is in the file. */
  readonly offset: number;
  /** Whether it has no end. */
  readonly isCut: boolean;
  /** Where its pictures end; of a file that was cut, up to where it is good. */
  readonly goodBytes: number;
  readonly #blocks: Blocks;

  private constructor(blocks: Blocks, found: Found) {
    this.#blocks = blocks;
    this.head = found.head;
    this.index = found.index;
    this.durationMs = found.durationMs;
    this.offset = found.offset;
    this.isCut = found.isCut;
    this.goodBytes = found.goodBytes;
  }

  /**
   * Of a file without an end all blocks are read once, and its index has no marks.
   * @throws ApplianceError `rcrec.damaged` for what is no RCREC, or whose head or index was changed
   */
  static async open(source: RcrecSource, sha256: Sha256): Promise<RcrecFile> {
    const blocks = new Blocks(source, sha256);
    const { head, next } = await readHead(source, blocks);
    const end = await blocks.end();
    const found = end === null ? await scan(blocks, next) : await finished(blocks, end);
    return new RcrecFile(blocks, { head, ...found });
  }

  /**
   * A file whose index is damaged, as one that was cut: all blocks are read once.
   * @throws ApplianceError `rcrec.damaged` where its head is, too
   */
  static async salvage(source: RcrecSource, sha256: Sha256): Promise<RcrecFile> {
    const blocks = new Blocks(source, sha256);
    const { head, next } = await readHead(source, blocks);
    return new RcrecFile(blocks, { head, ...(await scan(blocks, next)) });
  }

  /** Of the segment that shows this moment; undefined where nothing was recorded. */
  segmentAt(ms: number): number | undefined {
    const { segments } = this.index;
    let found = segments[0]?.position;
    for (const { atMs, position } of segments) if (atMs <= ms) found = position;
    return found;
  }

  /** Of the segment after the one at this position; undefined after the last. */
  segmentAfter(position: number): number | undefined {
    return this.index.segments.find(segment => segment.position > position)?.position;
  }

  /**
   * @returns null where the pictures end
   * @throws ApplianceError `rcrec.damaged`
   */
  async data(position: number): Promise<DataBlock | null> {
    if (position >= this.goodBytes) return null;
    const block = await this.#blocks.read(position);
    if (block === null) throw damaged(position, 'the file ends in the middle of a block');
    if (block.type !== BLOCK.start && block.type !== BLOCK.more) return null;
    return { data: parsedAt(position, () => parseData(block.type, block.body)), next: block.next };
  }
}

interface Found {
  readonly head: RcrecHead;
  readonly index: RcrecIndex;
  readonly durationMs: number;
  readonly offset: number;
  readonly isCut: boolean;
  readonly goodBytes: number;
}

interface Block {
  readonly type: number;
  readonly body: Bytes;
  /** Where the next one begins. */
  readonly next: number;
}

class Blocks {
  readonly #source: RcrecSource;
  readonly #sha256: Sha256;

  constructor(source: RcrecSource, sha256: Sha256) {
    this.#source = source;
    this.#sha256 = sha256;
  }

  /** @returns null where the file ends before the block does. @throws ApplianceError `rcrec.damaged` */
  async read(position: number): Promise<Block | null> {
    const start = await this.#source.read(position, BLOCK_HEAD_BYTES);
    if (start.length < BLOCK_HEAD_BYTES) return null;
    const { type, bodyBytes } = parsedAt(position, () => parseBlockHead(start));
    const length = BLOCK_HEAD_BYTES + bodyBytes + CHECK_BYTES;
    if (position + length > this.#source.bytes) return null;
    const block = await this.#source.read(position, length);
    const digest = await this.#sha256(block.subarray(0, -CHECK_BYTES));
    return { type, body: parsedAt(position, () => openBlock(block, digest)), next: position + length };
  }

  /** The file's last block; null when that is none, for then it was cut. */
  async end(): Promise<RcrecEnd | null> {
    const position = this.#source.bytes - END_BLOCK_BYTES;
    if (position < RCREC_START.length) return null;
    try {
      const block = await this.read(position);
      return block?.type === BLOCK.end ? parseEnd(block.body) : null;
    } catch (error) {
      if (error instanceof ApplianceError && error.kind === 'malformed') return null;
      throw error;
    }
  }
}

async function readHead(source: RcrecSource, blocks: Blocks): Promise<{ head: RcrecHead; next: number }> {
  const start = await source.read(0, RCREC_START.length);
  if (!equalBytes(start, RCREC_START)) throw damaged(0, 'this is no recording of a version that is known');
  const first = await blocks.read(RCREC_START.length);
  if (first?.type !== BLOCK.head) throw damaged(RCREC_START.length, 'it does not say whose it is');
  return { head: parsedAt(RCREC_START.length, () => parseHead(first.body)), next: first.next };
}

async function finished(blocks: Blocks, end: RcrecEnd): Promise<Omit<Found, 'head'>> {
  const { indexPosition, durationMs, offset } = end;
  const block = await blocks.read(indexPosition);
  if (block?.type !== BLOCK.index) throw damaged(indexPosition, 'there is no index where it should be');
  const index = parsedAt(indexPosition, () => parseIndex(block.body));
  return { index, durationMs, offset, isCut: false, goodBytes: indexPosition };
}

/** Finds what is good of a file that was cut: everything up to its last whole block. */
async function scan(blocks: Blocks, from: number): Promise<Omit<Found, 'head'>> {
  const segments: RcrecSegment[] = [];
  let [goodBytes, durationMs, offset] = [from, 0, 0];
  for (;;) {
    const data = await scanned(blocks, goodBytes);
    if (data === null) return { index: { segments, marks: [] }, durationMs, offset, isCut: true, goodBytes };
    if (data.isStart) segments.push({ atMs: durationMs, position: goodBytes });
    ({ untilMs: durationMs, offset } = data);
    goodBytes = data.next;
  }
}

async function scanned(blocks: Blocks, position: number): Promise<(RcrecData & { readonly next: number }) | null> {
  try {
    const block = await blocks.read(position);
    if (block === null || (block.type !== BLOCK.start && block.type !== BLOCK.more)) return null;
    return { ...parseData(block.type, block.body), next: block.next };
  } catch (error) {
    if (error instanceof ApplianceError && error.kind === 'malformed') return null;
    throw error;
  }
}

function parsedAt<T>(position: number, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw cause instanceof ApplianceError && cause.code === 'protocol.malformed'
      ? damaged(position, cause.message)
      : cause;
  }
}

export function damaged(position: number, what: string): ApplianceError {
  return new ApplianceError('malformed', 'rcrec.damaged', `the recording is damaged at byte ${position}: ${what}`, {
    hint: 'What lies before and after it can still be seen. The manifest tells whether the file is as it was recorded.',
  });
}

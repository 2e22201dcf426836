// Deflated pieces of a runtime, made once with the template. Nine tenths of a built applet are its runtime unaltered, in the
// same places, so a build compresses only the pieces that are not in here. Each piece ends at a byte boundary (an empty stored
// block, RFC 1951 §3.2.4) and refers to nothing before itself: pieces of either origin follow one another as they come.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, deflateRaw } from 'node:zlib';
import { z } from 'zod';
import type { Bytes } from '../protocol/bytes.ts';

/** The shorter, the more of a runtime is found again; each costs the 32 KiB the one before could have lent it. */
export const PIECE = 1024 * 1024;
const LEVEL = 6; // 9 takes three times as long for 0.5 % less
/** Pieces in hand at once: as many are compressed beside each other as there are threads for it. */
const AT_ONCE = 4;

const Index = z.record(z.string(), z.tuple([z.int().min(0), z.int().min(1)]));

/** Where a runtime's pieces are, beside it in the template: the pieces, and of each hash its offset and length. */
export function deflatedFiles(runtime: string): { readonly pieces: string; readonly index: string } {
  return { pieces: `${runtime}.deflated`, index: `${runtime}.deflated.json` };
}

/** @param path of the runtime; its pieces are written beside it */
export async function writeDeflated(path: string): Promise<void> {
  const { pieces, index } = deflatedFiles(path);
  const places: z.infer<typeof Index> = {};
  const output = await open(pieces, 'w', 0o644);
  try {
    let offset = 0;
    for await (const { plain, deflated } of deflatePieces(path, Number.POSITIVE_INFINITY)) {
      places[hashOf(plain)] = [offset, deflated.length];
      await output.write(deflated);
      offset += deflated.length;
    }
  } finally {
    await output.close();
  }
  await writeFile(index, JSON.stringify(places));
}

export class DeflatedPieces implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #places: z.infer<typeof Index>;

  private constructor(file: FileHandle, places: z.infer<typeof Index>) {
    this.#file = file;
    this.#places = places;
  }

  /** @param path of the runtime, in a template whose every file has been compared with its hash */
  static async open(path: string): Promise<DeflatedPieces> {
    const { pieces, index } = deflatedFiles(path);
    const places = Index.parse(JSON.parse(await readFile(index, 'utf8')));
    return new DeflatedPieces(await open(pieces, 'r'), places);
  }

  /** Undefined when the runtime has no such piece. */
  async find(plain: Bytes): Promise<Bytes | undefined> {
    const place = this.#places[hashOf(plain)];
    if (place === undefined) return undefined;
    const [offset, length] = place;
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, offset);
    return bytesRead === length ? bytes : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/**
 * @param until bytes of the file
 * @param known pieces that need no compressing
 * @returns the file's pieces in their order, each as it is and compressed
 */
export async function* deflatePieces(path: string, until: number, known?: DeflatedPieces) {
  const file = await open(path, 'r');
  try {
    const waiting: Promise<{ plain: Bytes; deflated: Bytes }>[] = [];
    for await (const plain of piecesOf(file, until)) {
      waiting.push(deflatePiece(plain, known));
      const first = waiting.length < AT_ONCE ? undefined : waiting.shift();
      if (first !== undefined) yield await first;
    }
    for (const one of waiting) yield await one;
  } finally {
    await file.close();
  }
}

async function* piecesOf(file: FileHandle, until: number): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < until; ) {
    const piece = Buffer.alloc(Math.min(PIECE, until - offset));
    const { bytesRead } = await file.read(piece, 0, piece.length, offset);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
    offset += bytesRead;
  }
}

async function deflatePiece(plain: Bytes, known: DeflatedPieces | undefined) {
  // finishFlush Z_SYNC_FLUSH: no last block, and the next byte starts a new one.
  const options = { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH };
  const deflated = (await known?.find(plain)) ?? (await promisify(deflateRaw)(plain, options));
  return { plain, deflated };
}

function hashOf(bytes: Bytes): string {
  return createHash('sha256').update(bytes).digest('hex');
}

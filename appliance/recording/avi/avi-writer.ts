// An AVI with one picture stream at a constant rate, as large as it likes: OpenDML AVI File Format Extensions 1.02 (1996).
// Numbers are little-endian. The file is a row of RIFF lists of at most a GB; the first can be read by players that know
// nothing of the others.
//   RIFF 'AVI '  hdrl: avih, strl (strh, strf, indx), odml (dmlh) · INFO: ICMT · movi: 00dc …, ix00 · idx1
//   RIFF 'AVIX'  movi: 00dc …, ix00
// `indx` names the ix00 of all lists, each ix00 the pictures of its own.

/** Where it goes; the head is written again at the end. */
export interface AviOutput {
  write(position: number, bytes: Uint8Array): Promise<void>;
}

export interface AviFormat {
  readonly width: number;
  readonly height: number;
  /** Pictures a second. */
  readonly rate: number;
  /** Four characters that name the codec. */
  readonly codec: string;
  /** What players show of it in its properties; empty: nothing. */
  readonly comment: string;
}

const RIFF_BYTES = 1024 * 1024 * 1024;
/** An index of 800 KB. */
const RIFF_FRAMES = 100_000;
const MAX_RIFFS = 2048;
const FRAME = '00dc';
const INDEX = 'ix00';
const HAS_INDEX = 0x10;
const KEY_FRAME = 0x10;
const DELTA = 0x8000_0000;
const LIST_HEAD = 12;
const CHUNK_HEAD = 8;
const WRITE_BYTES = 1024 * 1024;

interface Frame {
  /** Of its chunk in the file. */
  readonly position: number;
  readonly bytes: number;
  readonly isKey: boolean;
}

interface Part {
  /** Of its ix00. */
  readonly position: number;
  readonly bytes: number;
  readonly frames: number;
}

export class AviWriter {
  readonly #output: AviOutput;
  readonly #format: AviFormat;
  readonly #riffBytes: number;
  readonly #parts: Part[] = [];
  #frames: Frame[] = [];
  /** Of the RIFF list that is written now, and of its list of pictures. */
  #riff = 0;
  #movi = 0;
  #position = 0;
  /** Not written yet: what ends at `position`. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #largest = 0;

  /** @param riffBytes of one list; 1 GiB */
  constructor(output: AviOutput, format: AviFormat, riffBytes = RIFF_BYTES) {
    this.#output = output;
    this.#format = format;
    this.#riffBytes = riffBytes;
    const head = this.#head(); // of the same length as at the end
    this.#movi = head.length - LIST_HEAD;
    this.#add(head);
  }

  async frame(bytes: Uint8Array, isKey: boolean): Promise<void> {
    const isFull = this.#position + bytes.length - this.#riff > this.#riffBytes || this.#frames.length >= RIFF_FRAMES;
    if (isFull && this.#frames.length > 0) await this.#nextRiff();
    this.#frames.push({ position: this.#position, bytes: bytes.length, isKey });
    this.#largest = Math.max(this.#largest, bytes.length);
    this.#add(chunkHead(FRAME, bytes.length));
    this.#add(bytes);
    if (bytes.length % 2 === 1) this.#add(Buffer.alloc(1));
    if (this.#pendingBytes > WRITE_BYTES) await this.#flush();
  }

  /** Indexes, and the head with all that is known now. */
  async end(): Promise<void> {
    await this.#endRiff();
    await this.#flush();
    await this.#output.write(0, this.#head());
  }

  get #total(): number {
    return this.#parts.reduce((sum, { frames }) => sum + frames, 0);
  }

  async #nextRiff(): Promise<void> {
    await this.#endRiff();
    if (this.#parts.length >= MAX_RIFFS) throw new RangeError('an AVI of more than two terabytes');
    this.#riff = this.#position;
    this.#movi = this.#position + LIST_HEAD;
    this.#add(Buffer.concat([listHead('RIFF', 'AVIX', 0), listHead('LIST', 'movi', 0)]));
  }

  async #endRiff(): Promise<void> {
    const index = this.#index();
    this.#parts.push({ position: this.#position, bytes: index.length, frames: this.#frames.length });
    this.#add(index);
    const moviBytes = this.#position - this.#movi - CHUNK_HEAD;
    if (this.#riff === 0) this.#add(this.#oldIndex());
    const riffBytes = this.#position - this.#riff - CHUNK_HEAD;
    await this.#flush();
    await this.#output.write(this.#movi, listHead('LIST', 'movi', moviBytes));
    if (this.#riff > 0) await this.#output.write(this.#riff, listHead('RIFF', 'AVIX', riffBytes));
    else this.#firstRiff = { moviBytes, riffBytes, frames: this.#frames.length };
    this.#frames = [];
  }

  #firstRiff = { moviBytes: 0, riffBytes: 0, frames: 0 };

  /** Offsets from the list of pictures to each picture's bytes. */
  #index(): Buffer {
    const body = Buffer.alloc(24 + this.#frames.length * 8);
    body.writeUInt16LE(2, 0); // longs an entry
    body.writeUInt8(1, 3); // an index of chunks
    body.writeUInt32LE(this.#frames.length, 4);
    body.write(FRAME, 8, 'latin1');
    body.writeBigUInt64LE(BigInt(this.#movi), 12);
    for (const [at, { position, bytes, isKey }] of this.#frames.entries()) {
      body.writeUInt32LE(position + CHUNK_HEAD - this.#movi, 24 + at * 8);
      body.writeUInt32LE(isKey ? bytes : bytes + DELTA, 28 + at * 8);
    }
    return chunk(INDEX, body);
  }

  /** The index of before OpenDML. */
  #oldIndex(): Buffer {
    const body = Buffer.alloc(this.#frames.length * 16);
    for (const [at, { position, bytes, isKey }] of this.#frames.entries()) {
      body.write(FRAME, at * 16, 'latin1');
      body.writeUInt32LE(isKey ? KEY_FRAME : 0, at * 16 + 4);
      body.writeUInt32LE(position - this.#movi - CHUNK_HEAD, at * 16 + 8);
      body.writeUInt32LE(bytes, at * 16 + 12);
    }
    return chunk('idx1', body);
  }

  /** Everything up to the first picture. */
  #head(): Buffer {
    const { moviBytes, riffBytes } = this.#firstRiff;
    const dmlh = Buffer.alloc(248);
    dmlh.writeUInt32LE(this.#total, 0);
    const stream = list('strl', [chunk('strh', this.#streamHead()), chunk('strf', this.#bitmap()), this.#superIndex()]);
    const header = list('hdrl', [chunk('avih', this.#mainHead()), stream, list('odml', [chunk('dmlh', dmlh)])]);
    const { comment } = this.#format;
    const info = comment === '' ? [] : [list('INFO', [chunk('ICMT', Buffer.from(`${comment}\0`, 'utf8'))])];
    return Buffer.concat([listHead('RIFF', 'AVI ', riffBytes), header, ...info, listHead('LIST', 'movi', moviBytes)]);
  }

  #mainHead(): Buffer {
    const { width, height, rate } = this.#format;
    const head = Buffer.alloc(56);
    const fields = [Math.round(1e6 / rate), this.#largest * rate, 0, HAS_INDEX, this.#firstRiff.frames, 0, 1];
    for (const [at, value] of [...fields, this.#largest, width, height].entries())
      head.writeUInt32LE(Math.min(value, 0xffff_ffff), at * 4);
    return head;
  }

  #streamHead(): Buffer {
    const { width, height, rate, codec } = this.#format;
    const head = Buffer.alloc(56);
    head.write(`vids${codec}`, 0, 'latin1');
    head.writeUInt32LE(1, 20);
    head.writeUInt32LE(rate, 24);
    head.writeUInt32LE(this.#total, 32);
    head.writeUInt32LE(this.#largest, 36);
    head.writeUInt32LE(0xffff_ffff, 40); // quality: the usual one
    head.writeUInt16LE(width, 52);
    head.writeUInt16LE(height, 54);
    return head;
  }

  /** BITMAPINFOHEADER. */
  #bitmap(): Buffer {
    const { width, height, codec } = this.#format;
    const bitmap = Buffer.alloc(40);
    bitmap.writeUInt32LE(40, 0);
    bitmap.writeUInt32LE(width, 4);
    bitmap.writeUInt32LE(height, 8);
    bitmap.writeUInt16LE(1, 12);
    bitmap.writeUInt16LE(24, 14);
    bitmap.write(codec, 16, 'latin1');
    bitmap.writeUInt32LE(width * height * 3, 20);
    return bitmap;
  }

  #superIndex(): Buffer {
    const body = Buffer.alloc(24 + MAX_RIFFS * 16);
    body.writeUInt16LE(4, 0); // longs an entry; an index of indexes
    body.writeUInt32LE(this.#parts.length, 4);
    body.write(FRAME, 8, 'latin1');
    for (const [at, { position, bytes, frames }] of this.#parts.entries()) {
      body.writeBigUInt64LE(BigInt(position), 24 + at * 16);
      body.writeUInt32LE(bytes, 32 + at * 16);
      body.writeUInt32LE(frames, 36 + at * 16);
    }
    return chunk('indx', body);
  }

  #add(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#position += bytes.length;
  }

  async #flush(): Promise<void> {
    let position = this.#position - this.#pendingBytes;
    const isLarge = this.#pending.some(({ length }) => length > WRITE_BYTES); // too large to be copied once more
    const parts = isLarge ? this.#pending : [Buffer.concat(this.#pending)];
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const part of parts) {
      await this.#output.write(position, part);
      position += part.length;
    }
  }
}

function listHead(kind: 'RIFF' | 'LIST', type: string, bytes: number): Buffer {
  const head = Buffer.alloc(LIST_HEAD);
  head.write(kind, 0, 'latin1');
  head.writeUInt32LE(bytes, 4);
  head.write(type, 8, 'latin1');
  return head;
}

function list(type: string, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([listHead('LIST', type, body.length + 4), body]);
}

function chunkHead(id: string, bytes: number): Buffer {
  const head = Buffer.alloc(CHUNK_HEAD);
  head.write(id, 0, 'latin1');
  head.writeUInt32LE(bytes, 4);
  return head;
}

/** Of an even length in the file, whatever it holds. */
function chunk(id: string, body: Uint8Array): Buffer {
  return Buffer.concat([chunkHead(id, body.length), body, Buffer.alloc(body.length % 2)]);
}

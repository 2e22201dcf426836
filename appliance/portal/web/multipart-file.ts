// A form that brings one large file (RFC 7578), read as it comes in and never held: the bytes of the file, and nothing else in it.
import type { IncomingMessage } from 'node:http';
import { ApplianceError } from '../../errors.ts';

const MAX_HEAD_BYTES = 4096;
const HEAD_END = Buffer.from('\r\n\r\n');
const TYPE = /^multipart\/form-data;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))$/i;

/**
 * @param name of the form's only field
 * @throws ApplianceError `request.malformed` when it is anything else, or ends too early; what was given out before is a part of it
 */
export async function* fileInForm(request: IncomingMessage, name: string): AsyncGenerator<Uint8Array> {
  const [, quoted, plain] = TYPE.exec(request.headers['content-type'] ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw malformed('a form with a file was expected');
  const source = new Pieces(request);
  const head = await source.until(HEAD_END, MAX_HEAD_BYTES);
  const lines = head.toString('latin1').split('\r\n');
  const isFile = lines.some(line => /^content-disposition: form-data;/i.test(line) && line.includes(` name="${name}"`));
  if (lines[0] !== `--${boundary}` || !isFile) throw malformed('the form holds something else than a file');
  const end = Buffer.from(`\r\n--${boundary}`);
  for (let rest = source.rest; ; ) {
    const at = rest.indexOf(end);
    if (at !== -1) {
      yield rest.subarray(0, at);
      source.rest = rest.subarray(at + end.length);
      break;
    }
    // The end may be cut in two by the way it comes in.
    const sure = Math.max(0, rest.length - end.length + 1);
    if (sure > 0) yield rest.subarray(0, sure);
    rest = Buffer.concat([rest.subarray(sure), await source.next()]);
  }
  while (source.rest.length < 2) source.rest = Buffer.concat([source.rest, await source.next()]);
  if (source.rest.toString('latin1', 0, 2) !== '--') throw malformed('the form holds more than a file');
}

class Pieces {
  readonly #pieces: AsyncIterator<Buffer>;
  rest = Buffer.alloc(0);

  constructor(request: IncomingMessage) {
    this.#pieces = request.iterator({ destroyOnReturn: false }); // whoever stops reading still answers
  }

  async next(): Promise<Buffer> {
    const { value, done } = await this.#pieces.next().catch((cause: unknown) => {
      throw malformed('the file did not arrive whole', cause);
    });
    if (done === true) throw malformed('the file did not arrive whole');
    return value;
  }

  /** What comes before it; what is behind it is `rest`. */
  async until(mark: Buffer, most: number): Promise<Buffer> {
    for (;;) {
      const at = this.rest.indexOf(mark);
      const found = at !== -1 && at <= most ? this.rest.subarray(0, at) : undefined;
      if (found !== undefined) this.rest = this.rest.subarray(at + mark.length);
      if (found !== undefined) return found;
      if (this.rest.length > most) throw malformed('the form begins with more than it may');
      this.rest = Buffer.concat([this.rest, await this.next()]);
    }
  }
}

function malformed(message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', 'request.malformed', message, { cause });
}

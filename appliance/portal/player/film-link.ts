// Joins a film on the appliance to the Worker that plays it: the Worker asks for parts of it, the page fetches them (RFC 9110
// §14), of this one film and of nothing else.
import type { Bytes } from '../../protocol/bytes.ts';
import type { FromPlayer, ToPlayer } from './messages.ts';

/** More than the largest block of a film. */
const MAX_PART_BYTES = 160 * 1024 * 1024;
const WORDS: Readonly<Record<number, string>> = {
  200: 'It is another film now. Load this page again.',
  401: 'You are not signed in any more. Sign in in another window, then go on.',
  404: 'The film is not kept any more.',
};

export type FromFilm = Exclude<FromPlayer, { readonly type: 'read' }>;

export class FilmLink {
  readonly #url: string;
  readonly #worker: Worker;
  readonly #tell: (message: FromFilm) => void;
  #film: { readonly bytes: number; readonly tag: string } | null = null;

  constructor(url: string, worker: Worker, tell: (message: FromFilm) => void) {
    this.#url = url;
    this.#worker = worker;
    this.#tell = tell;
    worker.addEventListener('message', ({ data }: MessageEvent<FromPlayer>) => {
      if (data.type === 'read') void this.#part(data.id, data.first, data.last);
      else tell(data);
    });
    worker.addEventListener('error', () => tell({ type: 'failed', why: 'The player ended. Load this page again.' }));
  }

  async open(): Promise<void> {
    try {
      const answer = await this.#fetch({ method: 'HEAD' });
      if (!answer.ok) throw new Error(wordsFor(answer.status));
      this.#film = { bytes: Number(answer.headers.get('content-length')), tag: answer.headers.get('etag') ?? '' };
    } catch (error) {
      return this.#tell({ type: 'failed', why: String(error instanceof Error ? error.message : error) });
    }
    this.say({ type: 'open', bytes: this.#film.bytes });
  }

  say(message: ToPlayer, handedOver: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, handedOver);
  }

  close(): void {
    this.#worker.terminate();
  }

  async #part(id: number, first: number, last: number): Promise<void> {
    try {
      const bytes = await this.#fetchPart(first, last);
      this.say({ type: 'part', id, bytes }, [bytes.buffer]);
    } catch (error) {
      this.say({ type: 'no-part', id, why: error instanceof Error ? error.message : String(error) });
    }
  }

  async #fetchPart(first: number, last: number): Promise<Bytes> {
    const film = this.#film;
    if (film === null || !(first >= 0 && last >= first && last < film.bytes && last - first < MAX_PART_BYTES))
      throw new RangeError('that is no part of the film');
    const answer = await this.#fetch({ headers: { range: `bytes=${first}-${last}`, 'if-range': film.tag } });
    if (answer.status !== 206) {
      await answer.body?.cancel();
      throw new Error(wordsFor(answer.status));
    }
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (bytes.length !== last - first + 1) throw new Error('The film is shorter than it was.');
    return bytes;
  }

  async #fetch({ method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> }) {
    const accept = 'application/octet-stream, application/json';
    try {
      return await fetch(this.#url, { method, headers: { accept, ...headers }, cache: 'no-store' });
    } catch {
      throw new Error('The appliance can’t be reached just now.');
    }
  }
}

function wordsFor(status: number): string {
  return WORDS[status] ?? `The film can’t be read: the appliance answered ${status}.`;
}

// Finished recordings, as retention sees them (audit/retention.ts): by the month in their path, whoever they are of.
import { lstat, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ErasableFilms } from '../audit/erasures.ts';
import type { KeptRecordings as Face, KeptRecording } from '../audit/retention.ts';
import { parseSessionId, type SessionId } from '../guid.ts';
import { attempt } from './rcrec-disk.ts';

const DAY_MS = 86_400_000;
const YEAR = /^\d{4}$/;
const TWO_DIGITS = /^\d{2}$/;
/** `080000-<session>-<stream>`, then an ending. */
const FILE = /^(\d{6}-([A-Za-z0-9_-]{21}[AQgw])-[A-Za-z0-9_-]{22})\.[a-z.]+$/;

/** `<stream>-<session>.second`, in the folder `writing/`. */
const SECOND = /^[A-Za-z0-9_-]{22}-([A-Za-z0-9_-]{21}[AQgw])\.second$/;

/** The whole name of one, without its ending. */
const NAME = /^\d{4}\/\d{2}\/\d{2}\/\d{6}-([A-Za-z0-9_-]{22})-[A-Za-z0-9_-]{22}$/;

export interface KeptFile {
  readonly path: string;
  readonly bytes: number;
}

export interface RecordingFiles {
  readonly rcrec: KeptFile | null;
  readonly avi: KeptFile | null;
  readonly aviManifest: string | null;
}

export class KeptRecordings implements Face, ErasableFilms {
  readonly #finished: string;
  readonly #writing: string;

  /** @param folder of the recording share */
  constructor(folder: string) {
    this.#finished = join(folder, 'finished');
    this.#writing = join(folder, 'writing');
  }

  /** @throws ApplianceError `recording.share-…` */
  before(before: number): Promise<KeptRecording[]> {
    return attempt(async () => {
      const found: KeptRecording[] = [];
      await this.#checkThere();
      for (const year of await this.#list('', YEAR))
        for (const month of await this.#list(year, TWO_DIGITS)) {
          if (Date.UTC(Number(year), Number(month) - 1) >= before) continue;
          for (const day of await this.#list(join(year, month), TWO_DIGITS))
            found.push(...(await this.#ofDay(join(year, month, day))));
        }
      const isOld = (at: number) => Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth()) < before;
      for (const { writtenAt, ...second } of await this.#seconds()) if (isOld(writtenAt)) found.push(second);
      return found;
    });
  }

  /**
   * What is kept of a recording.
   * @param name as the recorder gave it, who can name nothing but a recording of that session
   * @throws ApplianceError `recording.share-…`
   */
  async filesOf(sessionId: SessionId, name: string): Promise<RecordingFiles> {
    const [, session] = NAME.exec(name) ?? [];
    if (session !== sessionId) return { rcrec: null, avi: null, aviManifest: null };
    const path = join(this.#finished, name);
    return attempt(async () => {
      await this.#checkThere();
      return {
        rcrec: await fileAt(`${path}.rcrec`),
        avi: await fileAt(`${path}.avi`),
        aviManifest: await readFile(`${path}.avi.manifest.json`, 'utf8').catch(ifThere),
      };
    });
  }

  /** The film, and all that is beside it: manifests, the AVI. @throws ApplianceError `recording.share-…` */
  async remove({ name }: KeptRecording): Promise<void> {
    await attempt(async () => {
      if (SECOND.test(name)) return rm(join(this.#writing, name), { force: true });
      const folder = join(this.#finished, dirname(name));
      const stem = name.slice(dirname(name).length + 1);
      const files = (await readdir(folder)).filter(file => FILE.exec(file)?.[1] === stem);
      // A manifest last: what is left after a kill is still known for what it is.
      for (const file of files.sort((a, b) => Number(a.endsWith('.json')) - Number(b.endsWith('.json'))))
        await rm(join(folder, file), { force: true });
      await this.#tidy(dirname(name));
    });
  }

  /** By the day in their path, and by one beside it where a clock was set: whatever of a session's is there, whether the store knows of it or not. */
  removeOf(id: SessionId, from: number, until: number): Promise<{ readonly films: number; readonly bytes: number }> {
    return attempt(async () => {
      const removed = { films: 0, bytes: 0 };
      await this.#checkThere();
      const found: KeptRecording[] = await this.#seconds();
      for (const day of daysFrom(from, until)) {
        const names = await readdir(join(this.#finished, day)).catch(ifThere);
        if (names !== null) found.push(...(await this.#ofDay(day)));
      }
      for (const recording of found.filter(({ sessionId }) => sessionId === id)) {
        await this.remove(recording);
        removed.films++;
        removed.bytes += recording.bytes;
      }
      return removed;
    });
  }

  /** The recorder makes the folder before its first film: where it is not, the share is, and nobody knows what is on it. */
  async #checkThere(): Promise<void> {
    await stat(this.#finished);
  }

  /** Films of streams that were brought once more: nobody shows them, and they go with the others. */
  async #seconds(): Promise<(KeptRecording & { readonly writtenAt: number })[]> {
    const found = [];
    for (const name of (await readdir(this.#writing).catch(ifThere)) ?? []) {
      const [, session = ''] = SECOND.exec(name) ?? [];
      if (session === '') continue;
      const { size, mtimeMs } = await stat(join(this.#writing, name));
      found.push({ name, sessionId: parseSessionId(session), bytes: size, writtenAt: mtimeMs });
    }
    return found;
  }

  async #ofDay(day: string): Promise<KeptRecording[]> {
    const byStem = new Map<string, { sessionId: SessionId; bytes: number }>();
    for (const file of await readdir(join(this.#finished, day))) {
      const [, stem = '', session = ''] = FILE.exec(file) ?? [];
      if (stem === '') continue; // none of ours
      const { bytes } = byStem.get(stem) ?? { bytes: 0 };
      const { size } = await stat(join(this.#finished, day, file));
      byStem.set(stem, { sessionId: parseSessionId(session), bytes: bytes + size });
    }
    return [...byStem].map(([stem, facts]) => ({ name: `${day}/${stem}`, ...facts }));
  }

  async #list(folder: string, pattern: RegExp): Promise<string[]> {
    const entries = await readdir(join(this.#finished, folder), { withFileTypes: true });
    return entries
      .filter(entry => entry.isDirectory() && pattern.test(entry.name))
      .map(entry => entry.name)
      .sort();
  }

  /** Day, month and year go when there is nothing in them any more. */
  async #tidy(folder: string): Promise<void> {
    for (let at = folder; at !== '.'; at = dirname(at)) {
      if ((await readdir(join(this.#finished, at))).length > 0) return;
      await rmdir(join(this.#finished, at));
    }
  }
}

/** `2026/06/01`, … from the day before to the day after: a film begins when its picture does, by a clock that may have been set. */
function daysFrom(from: number, until: number): string[] {
  const days: string[] = [];
  for (let at = from - (from % DAY_MS) - DAY_MS; at <= until + DAY_MS; at += DAY_MS)
    days.push(new Date(at).toISOString().slice(0, 10).replaceAll('-', '/'));
  return days;
}

async function fileAt(path: string): Promise<KeptFile | null> {
  const facts = await lstat(path).catch(ifThere);
  return facts?.isFile() ? { path, bytes: facts.size } : null;
}

function ifThere(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}

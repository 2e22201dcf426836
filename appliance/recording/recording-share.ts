// Where recordings are: what is written now in `writing/` and what is made into an AVI in `converting/`, which nobody else sees,
// and what is finished in `finished/year/month/day/`, a manifest beside each. All are on one file system: finishing is a rename.
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionId } from '../guid.ts';
import { attempt } from './rcrec-disk.ts';

export const RCREC_ENDING = '.rcrec';
export const MANIFEST_ENDING = '.manifest.json';
export const AVI_ENDING = '.avi';
/** Of what is set aside in `writing/`. */
const SECOND_ENDING = '.second';
/** In `converting/`: a finished recording of which an AVI may be wanted; its text is where that is. */
const NOTE_ENDING = '.unconverted';
/** The same where somebody has asked for it, whatever is kept. */
const WISH_ENDING = '.wanted';

/** A finished recording of which an AVI is wanted, or may be: that was not looked at yet. */
export interface Unconverted {
  /** Of the stream: its nonce, base64url. */
  readonly name: string;
  readonly finishedName: string;
  /** Somebody has asked for it. */
  readonly isWanted: boolean;
}

export interface FileFacts {
  readonly bytes: number;
  /** base64url. */
  readonly sha256: string;
}

export class RecordingShare {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws ApplianceError `recording.share-…` */
  async prepare(): Promise<void> {
    await attempt(async () => {
      await mkdir(join(this.#folder, 'writing'), { recursive: true, mode: 0o700 });
      await mkdir(join(this.#folder, 'converting'), { recursive: true, mode: 0o700 });
      await mkdir(join(this.#folder, 'finished'), { recursive: true, mode: 0o750 });
    });
  }

  /** Of the file that is written for a stream. @param name its nonce, base64url */
  writingPath(name: string): string {
    return join(this.#folder, 'writing', `${name}${RCREC_ENDING}`);
  }

  /** Names of what is being written, or was when the recorder was ended. @throws ApplianceError `recording.share-…` */
  async writing(): Promise<string[]> {
    const files = await attempt(() => readdir(join(this.#folder, 'writing')));
    return files.filter(file => file.endsWith(RCREC_ENDING)).map(file => file.slice(0, -RCREC_ENDING.length));
  }

  /** `2026/06/01/080000-<session>-<stream>`, by the time it began, UTC. */
  finishedName(name: string, sid: string, startedAt: number): string {
    const [date = '', time = ''] = new Date(startedAt).toISOString().split('T');
    return `${date.replaceAll('-', '/')}/${time.slice(0, 8).replaceAll(':', '')}-${sid}-${name}`;
  }

  finishedPath(finishedName: string): string {
    return join(this.#folder, 'finished', finishedName);
  }

  /** @throws ApplianceError `recording.share-…` */
  async facts(path: string): Promise<FileFacts> {
    return attempt(async () => {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of createReadStream(path)) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      return { bytes, sha256: hash.digest('base64url') };
    });
  }

  /**
   * The manifest first: no recording is finished without it.
   * @throws ApplianceError `recording.share-…`
   */
  async finish(name: string, finishedName: string, manifest: string): Promise<void> {
    const path = this.finishedPath(finishedName);
    await attempt(async () => {
      await mkdir(join(path, '..'), { recursive: true, mode: 0o750 });
      await writeWhole(this.#converting(name, NOTE_ENDING), finishedName); // before it: else a kill would lose the AVI
      await writeWhole(`${path}${MANIFEST_ENDING}`, manifest);
      await rename(this.writingPath(name), `${path}${RCREC_ENDING}`);
      await syncFolder(join(path, '..'));
    });
  }

  /** Finished recordings, or such as are just being finished, that may want an AVI. @throws ApplianceError `recording.share-…` */
  async unconverted(): Promise<Unconverted[]> {
    const folder = join(this.#folder, 'converting');
    return attempt(async () => {
      const files = (await readdir(folder)).sort();
      const read = [WISH_ENDING, NOTE_ENDING].flatMap(ending =>
        files
          .filter(file => file.endsWith(ending))
          .map(async file => ({
            name: file.slice(0, -ending.length),
            finishedName: await readFile(join(folder, file), 'utf8'),
            isWanted: ending === WISH_ENDING,
          })),
      );
      return Promise.all(read); // who waits for one goes first
    });
  }

  /** An AVI is to be made of it, and nothing forgets that. @throws ApplianceError `recording.share-…` */
  async want(name: string, finishedName: string): Promise<void> {
    await attempt(() => writeWhole(this.#converting(name, WISH_ENDING), finishedName));
  }

  /** The AVI while nobody is to see it, or not with what is said of it. */
  aviPath(name: string): string {
    return this.#converting(name, AVI_ENDING);
  }

  /** @throws ApplianceError `recording.share-gone` where that can't be told */
  async has(path: string): Promise<boolean> {
    return attempt(async () => {
      await stat(join(this.#folder, 'finished')); // without it nothing is there, and that says nothing
      return stat(path).then(
        () => true,
        error => {
          if (error.code === 'ENOENT') return false;
          throw error;
        },
      );
    });
  }

  /** The AVI goes beside the recording; first what is signed of it. @throws ApplianceError `recording.share-…` */
  async finishAvi({ name, finishedName }: Unconverted, manifest: string): Promise<void> {
    const to = `${this.finishedPath(finishedName)}${AVI_ENDING}`;
    await attempt(async () => {
      await syncFile(this.aviPath(name));
      await writeWhole(`${to}${MANIFEST_ENDING}`, manifest);
      await rename(this.aviPath(name), to);
      await syncFolder(join(to, '..'));
    });
  }

  /** Where the AVI alone is kept. @throws ApplianceError `recording.share-…` */
  async removeRcrec(finishedName: string): Promise<void> {
    await attempt(() => rm(`${this.finishedPath(finishedName)}${RCREC_ENDING}`, { force: true }));
  }

  /** Nothing is to be made (any more). @throws ApplianceError `recording.share-…` */
  async converted({ name, isWanted }: Unconverted): Promise<void> {
    await attempt(async () => {
      await this.clearAvi(name);
      await rm(this.#converting(name, isWanted ? WISH_ENDING : NOTE_ENDING), { force: true });
    });
  }

  /** What a converter that was ended has left. */
  async clearAvi(name: string): Promise<void> {
    const folder = join(this.#folder, 'converting');
    await attempt(async () => {
      const left = (await readdir(folder)).filter(file => file.startsWith(`${name}${AVI_ENDING}`));
      for (const file of left) await rm(join(folder, file), { force: true });
    });
  }

  /** A second film of a stream, which nobody vouches for: out of the way of what is written, and known for its session's. */
  async setAside(name: string, sid: SessionId): Promise<void> {
    await attempt(() =>
      rename(this.writingPath(name), join(this.#folder, 'writing', `${name}-${sid}${SECOND_ENDING}`)),
    );
  }

  /** What never held a picture. */
  async discard(name: string): Promise<void> {
    await attempt(() => rm(this.writingPath(name), { force: true }));
  }

  #converting(name: string, ending: string): string {
    return join(this.#folder, 'converting', `${name}${ending}`);
  }

  /** Bytes that can still be written. @throws ApplianceError `recording.share-…` */
  async free(): Promise<number> {
    const { bavail, bsize } = await attempt(() => statfs(this.#folder));
    return bavail * bsize;
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  const file = await open(part, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY, 0o640);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

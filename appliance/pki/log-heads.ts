// What the signer remembers of each log: the last head it signed. Only what continues it is signed (TRUST).
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { damagedKey, KEYS_FOLDER, readKeyFile, replaceFile } from './key-files.ts';

export interface LogHead {
  /** Incarnation of the log, 22 characters. */
  readonly log: string;
  readonly seq: number;
  /** base64url, 32 bytes */
  readonly hash: string;
}

const FILE = 'log-heads.json';
const Heads = z.record(z.string(), z.strictObject({ seq: z.int().min(1), hash: z.string().length(43) }));

export class LogHeads {
  readonly #dataFolder: string;
  readonly #last: Map<string, { seq: number; hash: string }>;

  /** @throws ApplianceError `keys.damaged`, `keys.exposed` */
  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
    const isThere = existsSync(join(dataFolder, KEYS_FOLDER, FILE));
    this.#last = new Map(Object.entries(isThere ? readHeads(dataFolder) : {}));
  }

  /** @throws ApplianceError `signer.log-not-continued` for a number gone back, or the same with another hash */
  check({ log, seq, hash }: LogHead): void {
    const last = this.#last.get(log);
    if (last === undefined || seq > last.seq || (seq === last.seq && hash === last.hash)) return;
    throw new ApplianceError('refused', 'signer.log-not-continued', `entry ${seq} does not continue ${last.seq}`, {
      hint: 'The log was changed, or the store is older than what was signed. Restore with the restore command.',
    });
  }

  /** On disk before the signature leaves the process. */
  remember({ log, seq, hash }: LogHead): void {
    const heads = { ...Object.fromEntries(this.#last), [log]: { seq, hash } };
    replaceFile(join(this.#dataFolder, KEYS_FOLDER), FILE, JSON.stringify(heads));
    this.#last.set(log, { seq, hash });
  }
}

function readHeads(dataFolder: string): z.infer<typeof Heads> {
  const text = readKeyFile(dataFolder, FILE).toString('utf8');
  try {
    return Heads.parse(JSON.parse(text));
  } catch (cause) {
    throw damagedKey(join(dataFolder, KEYS_FOLDER, FILE), 'it does not hold the last signed heads', cause);
  }
}

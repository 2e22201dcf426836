// Which applet keys stand for which session (TRUST): a portal gone bad can't slip a second applet into a session unseen,
// by a restart of the signer either. One line is added for each session, on disk before the credential leaves.
import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { damagedKey, KEYS_FOLDER, readKeyFile, replaceFile } from './key-files.ts';

const FILE = 'applet-keys.jsonl';
const REMEMBERED_MS = 48 * 60 * 60 * 1000; // well above the longest session and its grants
const MAX_REMEMBERED = 200_000;

const Line = z.strictObject({ sid: z.string(), keys: z.string().length(43), at: z.int() });
type Line = z.infer<typeof Line>;

export class AppletKeys {
  readonly #path: string;
  readonly #known = new Map<string, Line>(); // oldest first
  readonly #file: number;

  /** @param now ms UTC; what is older than two days is forgotten */
  constructor(dataFolder: string, now: number) {
    const folder = join(dataFolder, KEYS_FOLDER);
    this.#path = join(folder, FILE);
    for (const line of existsSync(this.#path) ? readLines(dataFolder, this.#path) : []) {
      this.#known.delete(line.sid);
      if (now - line.at < REMEMBERED_MS) this.#known.set(line.sid, line);
    }
    replaceFile(folder, FILE, [...this.#known.values()].map(line => `${JSON.stringify(line)}\n`).join(''));
    this.#file = openSync(this.#path, 'a', 0o600);
  }

  /**
   * @param keys base64url SHA-256 over all keys the credential certifies
   * @param hasTicket the customer's computer came back from a granted restart, with its ticket
   * @throws ApplianceError `signer.second-applet-key`; `signer.too-many-sessions` rather than forgetting one
   */
  register(sid: string, keys: string, hasTicket: boolean, now: number): void {
    const known = this.#known.get(sid);
    if (known?.keys === keys) return;
    if (known !== undefined && !hasTicket) {
      throw new ApplianceError('refused', 'signer.second-applet-key', 'that session has another applet key already');
    }
    this.#forgetOld(now);
    if (known === undefined && this.#known.size >= MAX_REMEMBERED) {
      throw new ApplianceError('limited', 'signer.too-many-sessions', `${MAX_REMEMBERED} sessions in two days`);
    }
    const line = { sid, keys, at: now };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#file);
    this.#known.delete(sid);
    this.#known.set(sid, line);
  }

  close(): void {
    closeSync(this.#file);
  }

  #forgetOld(now: number): void {
    for (const [sid, { at }] of this.#known) {
      if (now - at < REMEMBERED_MS) return;
      this.#known.delete(sid);
    }
  }
}

function readLines(dataFolder: string, path: string): Line[] {
  const text = readKeyFile(dataFolder, FILE).toString('utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1); // a last line cut by a power failure was never answered
  try {
    const lines = whole.split('\n').filter(line => line !== '');
    return lines.map(line => Line.parse(JSON.parse(line)));
  } catch (cause) {
    throw damagedKey(path, 'it does not hold the applet keys of sessions', cause);
  }
}

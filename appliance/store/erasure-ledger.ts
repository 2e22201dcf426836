// Which session keys were destroyed, one JSON line each, in the store and beside the backups: a restore destroys them
// again before anything is served. It holds session numbers and times, nothing about the people.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { parseSessionId, type SessionId } from '../guid.ts';

export const LEDGER_FILE = 'erasure-ledger.jsonl';

const Line = z.strictObject({ sessionId: z.string(), at: z.int() });

export interface Erasure {
  readonly sessionId: SessionId;
  /** ms UTC */
  readonly at: number;
}

export class ErasureLedger {
  readonly #paths: readonly string[];

  /** @param paths each gets every line */
  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /**
   * Makes all copies one: each gets what another has, and loses a last line that was not written whole, for what it speaks of
   * was not destroyed yet.
   * @param isNew a store that had no keys before; of any other there is a ledger, and a missing one is never taken for an empty one
   * @returns whose keys are destroyed
   * @throws ApplianceError `erasure-ledger.missing`, `erasure-ledger.malformed`
   */
  prepare(isNew: boolean): ReadonlySet<SessionId> {
    for (const path of this.#paths) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const there = this.#paths.filter(path => existsSync(path));
    const [first = ''] = this.#paths;
    if (there.length === 0 && !isNew) throw missing(first);
    const all = new Map(there.flatMap(readLedger).map(erasure => [erasure.sessionId, erasure]));
    for (const path of this.#paths) {
      const own = new Set(existsSync(path) ? readLedger(path).map(({ sessionId }) => sessionId) : []);
      cutTornLine(path);
      const lines = [...all.values()].filter(({ sessionId }) => !own.has(sessionId)).map(lineOf);
      appendDurably(path, lines.join(''));
    }
    return new Set(all.keys());
  }

  append(erasure: Erasure): void {
    for (const path of this.#paths) appendDurably(path, lineOf(erasure));
  }
}

function lineOf(erasure: Erasure): string {
  return `${JSON.stringify(erasure)}\n`;
}

function cutTornLine(path: string): void {
  if (!existsSync(path)) return;
  const text = readFileSync(path, 'utf8');
  if (text !== '' && !text.endsWith('\n'))
    truncateSync(path, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
}

function missing(path: string): ApplianceError {
  return new ApplianceError('missing', 'erasure-ledger.missing', `${path} is missing`, {
    hint: 'Without it erased data would come back. Put the ledger kept beside the backups there.',
  });
}

/** @throws ApplianceError `erasure-ledger.missing`, `erasure-ledger.malformed` naming the line */
export function readLedger(path: string): Erasure[] {
  if (!existsSync(path)) throw missing(path);
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((text, at) => parseLine(text, at + 1));
}

function parseLine(text: string, number: number): Erasure {
  try {
    const line = Line.parse(JSON.parse(text));
    return { sessionId: parseSessionId(line.sessionId), at: line.at };
  } catch (cause) {
    throw new ApplianceError('malformed', 'erasure-ledger.malformed', `line ${number} of the erasure ledger`, {
      cause,
    });
  }
}

function appendDurably(path: string, text: string): void {
  const file = openSync(path, 'a', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

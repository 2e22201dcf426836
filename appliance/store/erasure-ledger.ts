// Which session keys were destroyed, one JSON line each, in the store and beside the backups: a restore destroys them
// again before anything is served. It holds session numbers and times, nothing about the people.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
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

  /** Makes the files that aren't there, so that a missing ledger is never taken for an empty one. */
  prepare(): void {
    for (const path of this.#paths) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      appendDurably(path, '');
    }
  }

  append(erasure: Erasure): void {
    for (const path of this.#paths) appendDurably(path, `${JSON.stringify(erasure)}\n`);
  }
}

/** @throws ApplianceError `erasure-ledger.missing`, `erasure-ledger.malformed` naming the line */
export function readLedger(path: string): Erasure[] {
  if (!existsSync(path)) {
    throw new ApplianceError('missing', 'erasure-ledger.missing', `${path} is missing`, {
      hint: 'Without it erased data would come back. Put the ledger kept beside the backups there.',
    });
  }
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

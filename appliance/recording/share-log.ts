// What auditors do on the recording share, as Samba writes it (packaging/samba/smb.conf): read by the helper, as root, from where
// the portal last got to. A line is believed only when it begins with the mark, which nobody but root knows: neither a file's name
// with a line end in it nor what a client sends makes one.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';

/** In the share's state folder. */
export const MARK_FILE = 'opens-mark';
/** Samba renames a full file to this ending, and takes away the one that had it. */
const FULL = '.old';
const READ_AT_ONCE = 128 * 1024;
const MAX_FIRST_LINE = 2048;
const MAX_TEXT = 2000;

/** How far each file was read, by what it begins with: a renamed one is still the same, a new one of that name is another. */
export const SharePosition = z.record(z.string().regex(/^[oi]-[0-9a-f]{16}$/), z.int().nonnegative());
export type SharePosition = z.infer<typeof SharePosition>;

const text = z.string().max(MAX_TEXT);
const seen = { at: z.int(), name: text, address: text };
export const ShareAct = z.discriminatedUnion('kind', [
  /** A file or folder was asked for. `access` as Windows has it (MS-SMB2 2.2.13.1). */
  z.strictObject({
    kind: z.literal('open'),
    ...seen,
    why: text,
    access: z.int(),
    isFolder: z.boolean(),
    way: text,
    path: text,
  }),
  /** Refused: the share itself, or a change. */
  z.strictObject({ kind: z.literal('refused'), ...seen, what: text, why: text, path: text }),
  /** A wrong password, or nobody who has an account. */
  z.strictObject({ kind: z.literal('sign-in'), ...seen, why: text }),
]);
export type ShareAct = z.infer<typeof ShareAct>;

export const ShareLogPart = z.strictObject({
  acts: z.array(ShareAct),
  position: SharePosition,
  /** There is more already. */
  isMore: z.boolean(),
  /** What was read last time is not there any more: two files were full since. */
  hasGap: z.boolean(),
  /** Lines with the mark that say nothing we know. */
  unreadable: z.int(),
});
export type ShareLogPart = z.infer<typeof ShareLogPart>;

interface LogFile {
  readonly name: 'opens.log' | 'sign-ins.log';
  /** In a position. */
  readonly letter: 'o' | 'i';
}
const FILES: readonly LogFile[] = [
  { name: 'opens.log', letter: 'o' },
  { name: 'sign-ins.log', letter: 'i' },
];

export class ShareLog {
  readonly #state: string;

  /** @param state folder Samba keeps accounts and these files in */
  constructor(state: string) {
    this.#state = state;
  }

  /** The next acts, oldest first of each file. @throws ApplianceError `share.log` */
  async read(from: SharePosition): Promise<ShareLogPart> {
    const part = { acts: [] as ShareAct[], position: {} as SharePosition, isMore: false, hasGap: false, unreadable: 0 };
    try {
      const mark = await readFile(join(this.#state, MARK_FILE), 'utf8');
      for (const file of FILES) await this.#readFile(file, mark, from, part);
    } catch (cause) {
      if (cause instanceof ApplianceError) throw cause;
      throw new ApplianceError('unavailable', 'share.log', 'what auditors open on the share can’t be read', {
        hint: 'Does remote-support-share.service run, and has its folder in /var/lib room?',
        cause,
      });
    }
    return part;
  }

  /** The full one before the one that is written. */
  async #readFile(file: LogFile, mark: string, from: SharePosition, part: Writable<ShareLogPart>): Promise<void> {
    const known = Object.keys(from).filter(id => id.startsWith(file.letter));
    let isKnown = known.length === 0;
    for (const ending of [FULL, '']) {
      await using handle = await openThere(join(this.#state, `${file.name}${ending}`));
      const id = handle.file === null ? null : await identify(handle.file, file.letter);
      if (handle.file === null || id === null) continue;
      if (known.includes(id)) isKnown = true;
      const at = from[id] ?? 0;
      const { bytesRead, buffer } = await handle.file.read(Buffer.alloc(READ_AT_ONCE), 0, READ_AT_ONCE, at);
      const { lines, used } = wholeLines(buffer.subarray(0, bytesRead));
      part.position[id] = at + used;
      if (bytesRead === READ_AT_ONCE) part.isMore = true;
      const read = file.letter === 'o' ? readOpens(lines, mark) : readSignIns(lines);
      part.acts.push(...read.acts);
      part.unreadable += read.unreadable;
    }
    if (!isKnown) part.hasGap = true;
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Closed with what uses it. */
async function openThere(path: string): Promise<AsyncDisposable & { file: FileHandle | null }> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return { file, [Symbol.asyncDispose]: async () => file?.close() };
}

/** By its first line, which has a time of microseconds or what only one sign-in has. @returns null while there is none */
async function identify(file: FileHandle, letter: string): Promise<string | null> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_FIRST_LINE), 0, MAX_FIRST_LINE, 0);
  const end = buffer.subarray(0, bytesRead).indexOf('\n');
  if (end < 0 && bytesRead < MAX_FIRST_LINE) return null;
  const first = buffer.subarray(0, end < 0 ? MAX_FIRST_LINE : end);
  return `${letter}-${createHash('sha256').update(first).digest('hex').slice(0, 16)}`;
}

/** What ends; and no heading without what it heads. A line longer than all of it is skipped. */
function wholeLines(bytes: Buffer): { lines: string[]; used: number } {
  let used = bytes.lastIndexOf('\n') + 1;
  if (used === 0) return { lines: [], used: bytes.length === READ_AT_ONCE ? bytes.length : 0 };
  const lines = bytes.subarray(0, used).toString('utf8').split('\n').slice(0, -1);
  const last = lines.at(-1) ?? '';
  if (HEADING.test(last)) {
    lines.pop();
    used -= Buffer.byteLength(last) + 1;
  }
  return { lines, used };
}

/** `[2026/11/27 14:33:45.766177,  1] …`, in the machine's time. */
const HEADING = /^\[(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?/;

function readOpens(lines: readonly string[], mark: string): { acts: ShareAct[]; unreadable: number } {
  const acts: ShareAct[] = [];
  let [at, unreadable] = [0, 0];
  for (const line of lines) {
    const [, ...time] = HEADING.exec(line) ?? [];
    if (time.length > 0) {
      const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0, ms = 0] = time.map(n => Number(n ?? 0));
      at = new Date(year, month - 1, day, hours, minutes, seconds, ms).getTime();
      continue;
    }
    if (!line.startsWith(`  ${mark}|`)) continue; // what follows a line end in a name
    const act = openOf(line.slice(mark.length + 3), at);
    if (act === null) unreadable += 1;
    else acts.push(act);
  }
  return { acts, unreadable };
}

/** `name|address|create_file|ok|0x120089|file|open|/the/path`, `…|connect|fail (why)|share`; a path may have any character in it. */
function openOf(line: string, at: number): ShareAct | null {
  const [name = '', address = '', what = '', result = '', ...rest] = line.split('|');
  const why = /^fail \((.*)\)$/.exec(result)?.[1] ?? (result === 'ok' ? '' : null);
  if (why === null || what === '') return null;
  const seen = { at, name: cut(name), address: cut(address), why: cut(why) };
  if (what !== 'create_file')
    return why === '' ? null : { kind: 'refused', ...seen, what: cut(what), path: cut(rest.join('|')) };
  const [access = '', kind = '', way = '', ...path] = rest;
  if (!/^0x[0-9a-f]{1,8}$/.test(access) || path.length === 0) return null;
  const asked = { access: Number(access), isFolder: kind === 'dir', way: cut(way) };
  return { kind: 'open', ...seen, ...asked, path: cut(path.join('|')) };
}

const SignIn = z.object({
  timestamp: z.string(),
  Authentication: z.object({ status: z.string(), remoteAddress: z.string(), clientAccount: z.string().nullable() }),
});

/** JSON, of those that failed. */
function readSignIns(lines: readonly string[]): { acts: ShareAct[]; unreadable: number } {
  const acts: ShareAct[] = [];
  let unreadable = 0;
  for (const line of lines.filter(one => one.includes('{'))) {
    const act = signInOf(line.slice(line.indexOf('{')));
    if (act === null) unreadable += 1;
    else acts.push(act);
  }
  return { acts, unreadable };
}

function signInOf(json: string): ShareAct | null {
  let found: z.infer<typeof SignIn>;
  try {
    found = SignIn.parse(JSON.parse(json));
  } catch {
    return null; // counted
  }
  const { timestamp, Authentication: said } = found;
  const at = Date.parse(timestamp.replace(/(\.\d{3})\d*([+-]\d\d)(\d\d)$/, '$1$2:$3'));
  const address = said.remoteAddress.replace(/^ipv[46]:(.*):\d+$/, '$1');
  const name = said.clientAccount ?? '';
  if (said.status === 'NT_STATUS_OK' || Number.isNaN(at)) return null;
  return { kind: 'sign-in', at, name: cut(name), address: cut(address), why: cut(said.status) };
}

/** The chained log holds no half of a character, neither cut here nor sent so. */
function cut(text: string): string {
  return text.slice(0, MAX_TEXT).toWellFormed();
}

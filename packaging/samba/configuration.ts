// Writes the configuration of the recording share, for the folder recordings go to, into RUN/smb.conf:
// `node packaging/samba/configuration.ts --data DIR --state DIR --run DIR [--user NAME] [--group NAME]`
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../appliance/config.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { MARK_FILE } from '../../appliance/recording/share-log.ts';

export interface ShareWish {
  /** What is shared: the folder of finished recordings. */
  readonly finished: string;
  /** Of the accounts; only root can read it. */
  readonly state: string;
  /** What is gone with a restart. */
  readonly run: string;
  /** Who recordings belong to. */
  readonly user: string;
  /** Who may read them. */
  readonly group: string;
  /** Of a test: another port, on loopback only. */
  readonly testPort?: number;
}

/**
 * @param mark lines of what auditors do begin with it
 * @throws ApplianceError `share.path` for a path Samba would read as something else
 */
export function describeShare({ finished, state, run, user, group, testPort }: ShareWish, mark: string): string {
  const values = new Map([
    ['MARK', mark],
    ['FINISHED', plain(finished)],
    ['STATE', oneWord(state)],
    ['RUN', plain(run)],
    ['USER', plain(user)],
    ['GROUP', plain(group)],
    ['PORT', `${testPort ?? 445}`],
    ['INTERFACES', testPort === undefined ? '' : '127.0.0.1/8'],
    ['BIND', testPort === undefined ? 'no' : 'yes'],
  ]);
  const template = readFileSync(join(import.meta.dirname, 'smb.conf'), 'utf8');
  return template.replaceAll(/@([A-Z]+)@/g, (whole, name: string) => values.get(name) ?? whole);
}

/** With the folders Samba wants to find. @returns path of the configuration */
export function writeShare(wish: ShareWish): string {
  const { state, run } = wish;
  const path = join(run, 'smb.conf');
  for (const folder of ['private', 'state', 'cache']) mkdirSync(join(state, folder), { recursive: true, mode: 0o700 });
  for (const folder of ['lock', 'ncalrpc']) mkdirSync(join(run, folder), { recursive: true, mode: 0o755 });
  // Of root alone: the mark is in it.
  writeFileSync(path, describeShare(wish, markIn(state)), { mode: 0o600 });
  return path;
}

/** The same for good, so that what was written before a restart is still known. */
function markIn(state: string): string {
  const path = join(state, MARK_FILE);
  if (!existsSync(path)) writeFileSync(path, randomBytes(16).toString('hex'), { mode: 0o600, flag: 'wx', flush: true });
  return readFileSync(path, 'utf8');
}

/** Within a list of Samba's. */
function oneWord(text: string): string {
  if (!/[\s,@]/.test(text)) return plain(text);
  throw new ApplianceError('malformed', 'share.path', `${JSON.stringify(text)} can't hold the share's log`, {
    hint: 'The folder for the share’s accounts has a path without spaces, commas and @.',
  });
}

/** A line end would be a line of its own, and `%` begins one of Samba's variables. */
function plain(text: string): string {
  if (/^[^\p{Cc}%;#"\\]{1,1024}$/u.test(text)) return text;
  throw new ApplianceError('malformed', 'share.path', `${JSON.stringify(text)} can't be shared by Samba`, {
    hint: 'Name another folder under recording.folder, without control characters and none of % ; # " \\.',
  });
}

if (process.argv[1] === import.meta.filename) {
  const text = { type: 'string' } as const;
  const options = { data: text, state: text, run: text, user: text, group: text };
  const {
    data = '',
    state = '',
    run = '',
    user = 'remote-support',
    group = 'auditors',
  } = parseArgs({ options }).values;
  const dataFolder = resolve(data);
  const { folder } = readConfig(dataFolder).recording;
  const finished = join(folder ?? join(dataFolder, 'recordings'), 'finished');
  writeShare({ finished, state, run, user, group });
}

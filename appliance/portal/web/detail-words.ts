// What an entry of the log says, in words and units, as a page shows it; exports keep it as it was written.
import type { AuditDetail } from '../../audit/entry.ts';
import { sizeText } from '../status/words.ts';

export interface DetailPart {
  /** With a colon behind it; empty for what has no name. */
  readonly name: string;
  readonly value: string;
  /** An id or a digest: its beginning is shown, and the whole of it is there to be copied. */
  readonly isId: boolean;
}

const NAMES: Readonly<Record<string, string>> = {
  ...{ ttlMs: 'good for', appletKey: 'key of the customer’s program', loginIdDigest: 'digest of the login id' },
  ...{ fromSeq: 'from No.', throughSeq: 'through No.', sha256: 'SHA-256' },
  ...{
    consentId: 'consent',
    groupId: 'group',
    memberId: 'member',
    channelId: 'channel',
    linkId: 'link',
    loginId: 'login id',
  },
  ...{ isMissing: 'reports are missing', isOnly: 'is the only one', isWhole: 'is whole' },
};
/** Bytes as base64url or hex, or a UUID: 128 bits and more. */
const ID = /^(?=.*\d|.*[A-Z])[A-Za-z0-9_-]{22,}$/;
const [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] = [1000, 60_000, 3_600_000, 86_400_000];
const UNITS: readonly (readonly [suffix: string, say: (value: number) => string])[] = [
  ['Ms', durationText],
  ['Seconds', value => durationText(value * SECOND_MS)],
  ['Minutes', value => durationText(value * MINUTE_MS)],
  ['Bytes', sizeText],
  ['At', value => `${new Date(value).toISOString().replace('T', ' ').slice(0, 19)} UTC`],
];

/** @param named names of what is there, by its ids */
export function detailParts(detail: AuditDetail, named: ReadonlyMap<string, string> = new Map()): DetailPart[] {
  const parts = Object.entries(detail).map(([key, value]) => {
    const unit = typeof value === 'number' ? UNITS.find(([suffix]) => key.endsWith(suffix)) : undefined;
    const bare = unit === undefined ? key : key.slice(0, -unit[0].length);
    const name = NAMES[key] ?? (wordsOf(bare) || wordsOf(key));
    if (typeof value === 'number') return { name, value: unit?.[1](value) ?? sayNumber(key, value), isId: false };
    if (typeof value === 'boolean') return { name, value: value ? 'yes' : 'no', isId: false };
    return { name, ...idPart(value ?? 'nothing', named) };
  });
  // An id and a name of one thing may say the same by now.
  return parts.filter((part, at) => parts.findIndex(one => one.name === part.name && one.value === part.value) === at);
}

/** What an entry is about. */
export function subjectPart(subject: string | null, named: ReadonlyMap<string, string>): DetailPart | null {
  return subject === null ? null : { name: '', ...idPart(subject, named) };
}

/** `45 s`, `60 min`, `2 min 5 s`, `3 h`: nothing of it is lost but parts of a second. */
export function durationText(ms: number): string {
  if (ms > 0 && ms < SECOND_MS) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / SECOND_MS);
  if (seconds < 60) return `${seconds} s`;
  if (ms > DAY_MS && ms % DAY_MS === 0) return `${ms / DAY_MS} days`;
  if (ms > HOUR_MS && ms % HOUR_MS === 0) return `${ms / HOUR_MS} h`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? '' : ` ${rest} s`}`;
}

function idPart(text: string, named: ReadonlyMap<string, string>): Omit<DetailPart, 'name'> {
  const known = named.get(text);
  return { value: known ?? text, isId: known === undefined && ID.test(text) };
}

function sayNumber(key: string, value: number): string {
  return key === 'bytes' ? sizeText(value) : String(value);
}

/** `byCustomer` → `by customer`; `login.idleMinutes` stays as the file writes it. */
function wordsOf(key: string): string {
  if (!/^[a-z][A-Za-z0-9]*$/.test(key)) return key;
  return key.replaceAll(/(?<=[a-z0-9])[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
}

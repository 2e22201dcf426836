// What is typed to find words in the log, and where these words stand in an entry that is not in the index yet. Letters and
// digits make words, whatever their case and accents; all that is typed has to be there: `"as it stands"`, `begin*`.
import { ApplianceError } from '../errors.ts';
import type { AuditEntry } from './entry.ts';

export interface WantedText {
  /** As FTS5 takes it, for the column it is put behind. */
  readonly match: readonly string[];
  readonly phrases: readonly { readonly words: readonly string[]; readonly isBeginning: boolean }[];
}

const MAX_CHARACTERS = 200;
const MAX_TERMS = 16;

/** @throws ApplianceError `audit.text` */
export function parseText(typed: string): WantedText {
  if (typed.length > MAX_CHARACTERS) throw wrong(`a text has at most ${MAX_CHARACTERS} characters`);
  const terms = [...typed.replaceAll('\0', ' ').matchAll(/"([^"]*)"?|[^\s"]+/g)].map(([plain, quoted]) => ({
    text: quoted ?? plain,
    isBeginning: quoted === undefined && plain.endsWith('*'),
  }));
  const found = terms.map(term => ({ ...term, words: wordsOf(term.text) })).filter(({ words }) => words.length > 0);
  if (found.length === 0) throw wrong('a text to look for has letters or digits');
  if (found.length > MAX_TERMS) throw wrong(`a text to look for has at most ${MAX_TERMS} words`);
  return {
    match: found.map(({ words, isBeginning }) => `${quotedWords(words)}${isBeginning ? ' *' : ''}`),
    phrases: found.map(({ words, isBeginning }) => ({ words, isBeginning })),
  };
}

/** What of an entry is looked through. @param said what is sealed in it, where that may be */
export function wordsIn({ event, actor, subject, detail }: AuditEntry, said: string | null): string {
  const told = JSON.stringify(detail).replaceAll(/\\[nrt]/g, ' '); // else they would be a letter of the word after them
  return [event, actor.name ?? '', actor.address ?? '', subject ?? '', told, said ?? ''].join(' ');
}

/** Whether an entry has all of it; as the index would say. @param said as of `wordsIn` */
export function hasText(entry: AuditEntry, { phrases }: WantedText, said: string | null = null): boolean {
  const there = wordsOf(wordsIn(entry, said));
  return phrases.every(({ words, isBeginning }) =>
    there.some((_, at) =>
      words.every((word, n) => {
        const found = there[at + n];
        return isBeginning && n === words.length - 1 ? found?.startsWith(word) : found === word;
      }),
    ),
  );
}

/** Words next to each other, as one phrase of FTS5. */
export function quotedWords(words: readonly string[]): string {
  return `"${words.join(' ')}"`;
}

/** As `unicode61 remove_diacritics 2` parts them. */
export function wordsOf(text: string): string[] {
  const plain = text.normalize('NFD').replaceAll(/\p{M}/gu, '').normalize('NFC');
  return plain.toLowerCase().match(/[\p{L}\p{N}\p{Co}]+/gu) ?? [];
}

function wrong(message: string): ApplianceError {
  return new ApplianceError('malformed', 'audit.text', message);
}

// The verdict on a password, by zxcvbn. It takes up to 0.7 s for 128 characters, so it runs in a thread of its own
// (`judge-thread.ts`) and nobody else waits for it.
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english, translations } from '@zxcvbn-ts/language-en';
import {
  type Assessment,
  MAX_JUDGED_CHARACTERS,
  MAX_PASSWORD_CHARACTERS,
  type PasswordPolicy,
} from './password-policy.ts';

const MAX_PERSONAL_WORDS = 40;

/** Judges passwords; holds the word lists (about 30 MB), so one is made and kept. */
export class PasswordJudge {
  readonly #zxcvbn = new ZxcvbnFactory({
    translations,
    graphs: adjacencyGraphs,
    dictionary: { ...common, ...english },
    maxLength: MAX_JUDGED_CHARACTERS,
  });

  /** @param words personal ones: login id, name, organisation; in whole and in parts they make a password weak */
  assess(password: string, words: readonly string[], policy: PasswordPolicy): Assessment {
    const characters = [...password].length;
    const { score, feedback } = this.#zxcvbn.check(password.slice(0, MAX_JUDGED_CHARACTERS), personalWords(words));
    const advice: string[] = [];
    if (characters < policy.minLength) advice.push(`Use at least ${policy.minLength} characters.`);
    if (characters > MAX_PASSWORD_CHARACTERS) advice.push(`Use at most ${MAX_PASSWORD_CHARACTERS} characters.`);
    const isWeak = score < policy.minScore;
    if (isWeak) advice.push(...[feedback.warning, ...feedback.suggestions].filter(isText));
    if (isWeak && advice.length === 0) advice.push('This is too easy to guess.');
    return { score, acceptable: advice.length === 0, advice };
  }
}

/** Each word, its parts, and the parts put together: `Ann Oakley`, `ann`, `oakley`, `annoakley`. */
function personalWords(words: readonly string[]): string[] {
  const all = words.flatMap(word => {
    const parts = word.toLowerCase().split(/[^\p{L}\p{N}]+/u);
    return [word.toLowerCase(), parts.join(''), ...parts];
  });
  return [...new Set(all)].filter(word => word.length > 2).slice(0, MAX_PERSONAL_WORDS);
}

function isText(text: string | null): text is string {
  return text !== null && text !== '';
}

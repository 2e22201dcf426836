// What a password must be (C-02), and what a verdict on one looks like. The server decides; the page shows the same.
import { z } from 'zod';

export const PasswordPolicy = z.strictObject({
  /** zxcvbn's score, 0 (guessed at once) to 4 (10^10 guesses and more) */
  minScore: z.int().min(0).max(4),
  minLength: z.int().min(8).max(64),
  /** A password older than this is changed at the next login; null for never. */
  maxAgeDays: z.int().min(1).max(3650).nullable(),
  /** That many former passwords can't come back; each costs one hash when the password changes. */
  history: z.int().min(0).max(12),
  /** For so long a password that an admin gave is good. */
  temporaryDays: z.int().min(1).max(30).default(7),
});
export type PasswordPolicy = z.infer<typeof PasswordPolicy>;

export const DEFAULT_PASSWORD_POLICY: PasswordPolicy = {
  minScore: 3,
  minLength: 12,
  maxAgeDays: null,
  history: 5,
  temporaryDays: 7,
};

export interface Assessment {
  readonly score: 0 | 1 | 2 | 3 | 4;
  readonly acceptable: boolean;
  /** Sentences for the person, in English. */
  readonly advice: readonly string[];
}

/** Longer ones are refused: hashing must not be a way to make the server work. */
export const MAX_PASSWORD_CHARACTERS = 256;
/** Only so many characters are judged: each costs zxcvbn some 5 ms. */
export const MAX_JUDGED_CHARACTERS = 128;

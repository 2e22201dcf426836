// Codes people read and type: temporary passwords and recovery codes. 80 random bits in Crockford's base 32, which has
// no I, L, O or U, in groups of four.
import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const CHARACTERS = 16;

export function newReadableCode(): string {
  const characters = Array.from(randomBytes(CHARACTERS), byte => ALPHABET[byte & 31]);
  return characters.join('').replace(/(.{4})(?=.)/g, '$1-');
}

/** @returns the code as it was shown, or undefined when it can't be one */
export function parseReadableCode(text: string): string | undefined {
  if (text.length > 64) return undefined;
  const plain = text.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1');
  if (plain.length !== CHARACTERS || [...plain].some(character => !ALPHABET.includes(character))) return undefined;
  return plain.replace(/(.{4})(?=.)/g, '$1-');
}

/** What is stored of a recovery code. With 80 random bits a slow hash would add nothing. */
export function recoveryCodeDigest(memberId: string, code: string): Uint8Array {
  return createHash('sha256').update('appliance/recovery-code/v1\0').update(`${memberId}\0${code}`).digest();
}

// PINs (D-05): they route a customer to a session and never authenticate one. Kept as HMAC-SHA-256 under a key that is not
// in the store, good for one use.
import { createHmac, randomInt } from 'node:crypto';
import { ApplianceError, defect } from '../errors.ts';

export const MIN_PIN_DIGITS = 6;
export const MAX_PIN_DIGITS = 20;
/** Hits a day of guessing may be expected to bring, over all sites (TRUST: PIN, link, claim). */
export const DAILY_RISK = 1e-3;
/** Mistypings a day that must have room within that; PINs get longer before there is less. */
const LEAST_DAILY_MISSES = 1000;
/** Zeros of Arabic, Persian, Devanagari, Bengali and Thai; NFKC sees to the wide and the raised ones. */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50];

/** @param prefix the site's digit, which anyone may know; empty with one site. @param random further digits */
export function drawPin(prefix: string, random: number): string {
  let pin = prefix;
  for (let n = 0; n < random; n++) pin += randomInt(10);
  return pin;
}

/**
 * Random digits the next PIN needs: as many as are set, and more where so many PINs are live that the budget of guesses
 * would leave honest customers too few mistypings.
 * @param share of DAILY_RISK this site has
 */
export function digitsNeeded(configured: number, live: number, share: number): number {
  const least = Math.ceil(Math.log10(((live + 1) * LEAST_DAILY_MISSES) / (DAILY_RISK * share)) - 1e-9);
  return Math.min(MAX_PIN_DIGITS, Math.max(configured, least));
}

/** Reads what a customer typed: digits, with spaces or hyphens anywhere, in the digits of his keyboard. */
export function parsePin(typed: string): string {
  const digits = typed
    .slice(0, 100)
    .normalize('NFKC')
    .replace(/[\s\p{Pd}.]/gu, '');
  const ascii = digits.replace(/\p{Nd}/gu, asciiDigit);
  if (/^\d+$/.test(ascii) && ascii.length >= MIN_PIN_DIGITS && ascii.length <= MAX_PIN_DIGITS) return ascii;
  throw new ApplianceError('malformed', 'pin.malformed', 'a PIN is a row of digits', {
    hint: 'Ask the technician to read the PIN again.',
  });
}

/** In groups of three: 123 456 789. */
export function showPin(pin: string): string {
  return pin.replace(/\d{3}(?=\d)/g, '$& ');
}

export function digestPin(key: Uint8Array, pin: string): Uint8Array {
  if (key.length !== 32) throw defect('the PIN key has 32 bytes');
  return createHmac('sha256', key).update('appliance/pin/v1\0').update(pin, 'ascii').digest();
}

function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  const zero = ZEROS.find(first => code >= first && code <= first + 9);
  return zero === undefined ? digit : String(code - zero);
}

// Distinguished names (RFC 4514), brought to one form so that they can be compared: two libraries, and two places in one
// directory, write the same name differently.

/** @returns the same text for every spelling of a name: escapes read, case folded, space around `=` `,` `+` gone */
export function normalDn(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const parts: string[] = [];
  let part: number[] = [];
  let kept = 0; // up to here nothing is trimmed: an escaped space belongs to the value
  let isValue = false;
  const flush = (separator: string) => {
    while (part.length > kept && part.at(-1) === SPACE) part.pop();
    parts.push(escapeSeparators(new TextDecoder().decode(Uint8Array.from(part))), separator);
    part = [];
    kept = 0;
  };
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === BACKSLASH) {
      const hex = /^[0-9a-f]{2}/i.exec(text2(bytes, at + 1));
      part.push(hex ? Number.parseInt(hex[0], 16) : (bytes[at + 1] ?? BACKSLASH));
      at += hex ? 2 : 1;
      kept = part.length;
    } else if (byte === EQUALS ? !isValue : SEPARATORS.includes(byte)) {
      isValue = byte === EQUALS; // a second one belongs to the value, escaped or not (RFC 4514 §2.4)
      flush(byte === SEMICOLON ? ',' : String.fromCharCode(byte));
    } else if (byte !== SPACE || part.length > 0) part.push(byte);
  }
  flush('');
  return parts.join('').normalize('NFKC').toUpperCase().toLowerCase();
}

const SPACE = 0x20;
const BACKSLASH = 0x5c;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const SEPARATORS: readonly number[] = [0x2c, 0x2b, SEMICOLON]; // , + ;

/** What was escaped stays told from what separates. */
function escapeSeparators(value: string): string {
  return value.replace(/[,+=;\\]/g, one => `\\${one}`);
}

function text2(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 2));
}

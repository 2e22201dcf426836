// Finds web addresses in a text. Only http and https become links; whatever else looks like one stays text, so that no
// line can make a technician run `javascript:` or open a local file.

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string };

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`{}|\\^\p{Cc}\p{Cf}]+/giu;
/** Marks that end a sentence rather than an address. */
const TRAILING = /[.,;:!?…]+$/;
const MAX_ADDRESS = 2048;

/** The text in parts, which together are the whole text. */
export function findLinks(text: string): readonly TextPart[] {
  const parts: TextPart[] = [];
  let done = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const href = safeAddress(address);
    if (href === null) continue;
    if (match.index > done) parts.push({ kind: 'text', text: text.slice(done, match.index) });
    parts.push({ kind: 'link', text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ kind: 'text', text: text.slice(done) });
  return parts;
}

function trim(found: string): string {
  const address = found.replace(TRAILING, '');
  const isOpen = [...address].filter(letter => letter === '(').length;
  const isClosed = [...address].filter(letter => letter === ')').length;
  return address.endsWith(')') && isClosed > isOpen ? trim(address.slice(0, -1)) : address;
}

/** @returns the address as a browser would open it, or null for what must not be opened */
export function safeAddress(text: string): string | null {
  if (text.length > MAX_ADDRESS || !URL.canParse(text)) return null;
  const url = new URL(text);
  // A name or password in front of the host is there to make it look like another one.
  if (url.username !== '' || url.password !== '' || url.hostname === '') return null;
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
}

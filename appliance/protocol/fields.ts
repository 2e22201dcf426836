// Strict reading of a JSON object from a peer: each field is named with what it may be, and nothing else may be there.
import { fromBase64Url, parseSessionId, type SessionId } from '../guid.ts';
import { type Bytes, malformed, utf8Text } from './bytes.ts';
import { type CanonicalValue, canonicalJson } from './canonical-json.ts';

const NAME = /^[a-z][a-z0-9-]{0,63}$/;
const CONTROL_CHARACTERS = /[\p{Cc}\p{Zl}\p{Zp}]/u;

export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #read = new Set<string>();

  private constructor(value: object) {
    this.#values = new Map(Object.entries(value));
  }

  /**
   * The object in these bytes, which must be its one canonical text (RFC 8785).
   * @throws ApplianceError `protocol.malformed`
   */
  static fromCanonical(bytes: Bytes): Fields {
    const text = utf8Text(bytes);
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('JSON that is no object');
    if (canonical(value) !== text) throw malformed('JSON that is not canonical');
    return new Fields(value);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Any text without lone surrogates, of at most `maxBytes` in UTF-8. */
  text(name: string, maxBytes: number, least = 0): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length > maxBytes) throw malformed(`${name} is no text of that size`);
    const length = new TextEncoder().encode(value).length;
    if (length > maxBytes || length < least)
      throw malformed(`${name} has ${length} bytes, not ${least} to ${maxBytes}`);
    return value;
  }

  /** A text of one line, without control characters. */
  line(name: string, maxBytes: number): string {
    const value = this.text(name, maxBytes, 1);
    if (CONTROL_CHARACTERS.test(value)) throw malformed(`${name} has control characters`);
    return value;
  }

  /** Lower-case words with hyphens: the name of an action, a kind, a reason. */
  name(name: string): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || !NAME.test(value)) throw malformed(`${name} is no name`);
    return value;
  }

  oneOf<const T extends string>(name: string, choices: readonly T[]): T {
    const value = this.#take(name);
    const found = choices.find(choice => choice === value);
    if (found === undefined) throw malformed(`${name} is none of ${choices.join(', ')}`);
    return found;
  }

  integer(name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      throw malformed(`${name} is no whole number from ${least} to ${most}`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#take(name);
    if (typeof value !== 'boolean') throw malformed(`${name} is neither true nor false`);
    return value;
  }

  sessionId(name: string): SessionId {
    const value = this.#take(name);
    try {
      return parseSessionId(value);
    } catch (cause) {
      throw malformed(`${name} is no id`, cause);
    }
  }

  /** Bytes as unpadded base64url, `least` to `most` of them. */
  bytes(name: string, least: number, most = least): Bytes {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length > most * 2) throw malformed(`${name} is no base64url of that size`);
    try {
      const bytes = fromBase64Url(value);
      if (bytes.length >= least && bytes.length <= most) return bytes;
    } catch (cause) {
      throw malformed(`${name} is no base64url`, cause);
    }
    throw malformed(`${name} does not have ${least} to ${most} bytes`);
  }

  names(name: string, most: number): string[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length > most) throw malformed(`${name} is no list of at most ${most}`);
    const names = value.filter(item => typeof item === 'string' && NAME.test(item));
    if (names.length !== value.length || new Set(names).size !== names.length)
      throw malformed(`${name} holds what is no name, or one twice`);
    return names;
  }

  /** At most `count` whole numbers from `least` to `most`. */
  integers(name: string, count: number, least: number, most: number): number[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length > count) throw malformed(`${name} is no list of at most ${count}`);
    return value.map((item: unknown) => {
      if (typeof item === 'number' && Number.isSafeInteger(item) && item >= least && item <= most) return item;
      throw malformed(`${name} holds what is no whole number from ${least} to ${most}`);
    });
  }

  /** At most `most` objects, each read by `read` to its last field. */
  list<Item>(name: string, most: number, read: (fields: Fields) => Item): Item[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length > most) throw malformed(`${name} is no list of at most ${most}`);
    return value.map((item: unknown) => {
      if (typeof item !== 'object' || item === null || Array.isArray(item)) throw malformed(`${name} holds no object`);
      const fields = new Fields(item);
      const one = read(fields);
      fields.end();
      return one;
    });
  }

  /** Refuses fields nobody asked for. */
  end(): void {
    for (const name of this.#values.keys()) if (!this.#read.has(name)) throw malformed('a field nobody knows');
  }

  #take(name: string): unknown {
    this.#read.add(name);
    if (!this.#values.has(name)) throw malformed(`${name} is missing`);
    return this.#values.get(name);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed('not JSON', cause);
  }
}

function canonical(value: object): string {
  try {
    return canonicalJson(value as CanonicalValue); // refuses whatever is none
  } catch (cause) {
    throw malformed('JSON beyond what is signed', cause);
  }
}

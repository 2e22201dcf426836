// The portal's key for chat lines on their way to the log. It is good for one start of the portal, so an old one is
// noticed by a refusal and asked for again.
import { fromBase64Url } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';

export class LogKey {
  readonly #ask: () => Promise<string>;
  #key: Bytes | null = null;

  /** @param ask the portal's present key, base64url */
  constructor(ask: () => Promise<string>) {
    this.#ask = ask;
  }

  set(text: string): void {
    this.#key = fromBase64Url(text);
  }

  async get(): Promise<Bytes> {
    this.#key ??= fromBase64Url(await this.#ask());
    return this.#key;
  }

  forget(): void {
    this.#key = null;
  }
}

// Brings chat lines into the portal's log, one after the other, for as long as it takes. Only what is stored is sent or
// acknowledged, so nothing anybody has seen confirmed is ever missing from the log.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { SealedChatLine } from '../protocol/console-api.ts';
import type { LogKey } from './log-key.ts';

const AGAIN_MS = [250, 500, 1000, 2000, 4000, 8000];

export interface LineToLog {
  readonly lineId: string;
  readonly author: SealedChatLine['author'];
  readonly text: string;
}

export type Stored = { readonly place: number } | { readonly fault: string };

export interface ChatLogParts {
  readonly sessionId: SessionId;
  readonly clock: Clock;
  readonly key: LogKey;
  readonly seal: (key: Bytes, line: { sessionId: SessionId; lineId: string; text: string }) => Promise<Bytes>;
  readonly store: (line: SealedChatLine) => Promise<{ place: number }>;
}

export class ChatLog {
  readonly #parts: ChatLogParts;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(parts: ChatLogParts) {
    this.#parts = parts;
  }

  /** @returns its place, or the code of the refusal; null when the session was left before */
  add(line: LineToLog): Promise<Stored | null> {
    const added = this.#last.then(() => this.#add(line));
    this.#last = added;
    return added;
  }

  close(): void {
    this.#closed = true;
  }

  async #add(line: LineToLog): Promise<Stored | null> {
    for (let [tries, isRenewed] = [0, false]; !this.#closed; tries++) {
      try {
        return { place: (await this.#store(line)).place };
      } catch (error) {
        const { kind, code } = error instanceof ApplianceError ? error : { kind: 'unavailable', code: '' };
        if (kind === 'malformed' && !isRenewed) {
          isRenewed = true; // most likely sealed to the portal's key of before its last start
          this.#parts.key.forget();
          continue;
        }
        if (kind !== 'unavailable' && kind !== 'limited' && kind !== 'defect' && kind !== 'unauthenticated')
          return { fault: code };
        const delay = AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)] ?? 0;
        await new Promise<void>(resolve => this.#parts.clock.after(delay, resolve));
      }
    }
    return null;
  }

  async #store({ lineId, author, text }: LineToLog): Promise<{ place: number }> {
    const { sessionId, key, seal, store } = this.#parts;
    const sealed = await seal(await key.get(), { sessionId, lineId, text });
    return store({ lineId, author, sealed: toBase64Url(sealed) });
  }
}

// How an applet gets from a connection to its session: by PIN and claim, by claim alone, by coming back, or by the ticket
// of a granted restart. Until `claimed` it is a stranger.
import { randomBytes } from 'node:crypto';
import { ApplianceError } from '../../errors.ts';
import { toBase64Url } from '../../guid.ts';
import type { FromApplet } from '../../protocol/applet-leg.ts';
import { malformed } from '../../protocol/bytes.ts';
import type { Entries } from '../../sessions/entries.ts';
import type { SessionRow } from '../../sessions/session-store.ts';

export interface Entered {
  readonly session: SessionRow;
  /** A new process after a restart: its key is a second one for that session, and meant to be. */
  readonly isRestarted: boolean;
}

export class Entering {
  readonly nonce = new Uint8Array(randomBytes(16));
  readonly #entries: Entries;
  readonly #address: string;
  #hasPin = false;

  constructor(entries: Entries, address: string) {
    this.#entries = entries;
    this.#address = address;
  }

  /**
   * @returns what a PIN leads to, or the session that was entered
   * @throws ApplianceError of `Entries`; `protocol.malformed` for what a stranger has no business to say
   */
  async take(message: FromApplet): Promise<Entered | Awaited<ReturnType<Entries['drawGuid']>> | null> {
    const entries = this.#entries;
    const address = this.#address;
    switch (message.type) {
      case 'pin': {
        if (this.#hasPin) throw malformed('a second PIN on one connection');
        this.#hasPin = true;
        const { code } = await entries.enterByPin(message.pin, address);
        return entries.drawGuid(code, address);
      }
      case 'claim': {
        const { token, apk, platform, language } = message;
        const session = await entries.claim(token, toBase64Url(apk), address, { platform, language });
        return { session, isRestarted: false };
      }
      case 'return': {
        const proof = { nonce: toBase64Url(this.nonce), signature: toBase64Url(message.signature) };
        return { session: await entries.comeBack(message.token, proof, address), isRestarted: false };
      }
      case 'ticket': {
        const proof = { ticket: toBase64Url(message.ticket), appletKey: toBase64Url(message.apk) };
        return { session: await entries.returnByTicket(message.token, proof, address), isRestarted: true };
      }
      case 'alive':
        return null;
      default:
        throw malformed('said before the session was claimed');
    }
  }
}

/** As a word of the protocol: `entry.refused` → `entry-refused`. */
export function reasonOf(error: ApplianceError): string {
  return error.code.replaceAll('.', '-');
}

/** A refusal with a message of its own is told; anything else ends the leg. */
export function refusalOf(error: unknown): string {
  if (error instanceof ApplianceError && error.kind !== 'defect') return reasonOf(error);
  throw error;
}

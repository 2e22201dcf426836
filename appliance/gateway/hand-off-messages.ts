// What the gateway reads of an applet's own leg: messages that show a secret, and the first ones, until the portal has let
// the applet in. Everything else it passes on as it comes (protocol/applet-leg.ts).
import { createHash } from 'node:crypto';
import { ApplianceError } from '../errors.ts';
import { type FromAppliance, parseFromApplet, parseFromAppliance, writeLegMessage } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { HandOffLimits } from './hand-off-limits.ts';

/** Canonical JSON has one spelling: a message without these bytes has no field of that name that the portal would read. */
const TOKEN_FIELD = '"token":';

/**
 * Puts SHA-256 of the token in its place. It holds for as long as the leg does: were a later `return` passed as it is, a
 * digest stolen from the store would do in place of a token.
 * @throws ApplianceError `protocol.malformed` for a message with a token that is none of ours
 */
export function hideToken(message: Buffer): Uint8Array {
  return message.includes(TOKEN_FIELD) ? readAndHide(message) : message;
}

/** The budget of an applet nobody knows yet: few messages, few bytes, each of them whole and one of ours. */
export class FirstMessages {
  readonly #limits: Pick<HandOffLimits, 'firstMessages' | 'firstBytes'>;
  #messages = 0;
  #bytes = 0;

  constructor(limits: Pick<HandOffLimits, 'firstMessages' | 'firstBytes'>) {
    this.#limits = limits;
  }

  /** @throws ApplianceError `protocol.malformed`, `hand-off.too-much` */
  take(message: Buffer): Uint8Array {
    this.#messages += 1;
    this.#bytes += message.length;
    if (this.#messages > this.#limits.firstMessages || this.#bytes > this.#limits.firstBytes) {
      throw new ApplianceError('limited', 'hand-off.too-much', 'too much was said before being let in');
    }
    return readAndHide(message);
  }
}

/**
 * What the portal says to an applet that is not let in yet; the reason of a refusal is ours to count, not his to know.
 * @returns undefined for what is no message
 */
export function readFromPortal(message: Buffer): { said: FromAppliance; forApplet: Uint8Array } | undefined {
  const said = fromPortal(message);
  if (said === undefined) return undefined;
  const forApplet = said.type === 'refused' ? writeLegMessage({ type: 'refused', reason: 'refused' }) : message;
  return { said, forApplet };
}

function fromPortal(message: Buffer): FromAppliance | undefined {
  try {
    return parseFromAppliance(Uint8Array.from(message));
  } catch (error) {
    if (error instanceof ApplianceError && error.kind === 'malformed') return undefined;
    throw error;
  }
}

function readAndHide(message: Buffer): Uint8Array {
  const said = parseFromApplet(Uint8Array.from(message));
  return 'token' in said ? writeLegMessage({ ...said, token: digestOf(said.token) }) : message;
}

function digestOf(token: Bytes): Bytes {
  return Uint8Array.from(createHash('sha256').update(token).digest());
}

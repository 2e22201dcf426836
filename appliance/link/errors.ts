// Errors of a link that has begun. The handshake has one only: `link.refused`.
import { ApplianceError } from '../errors.ts';

/** A peer that holds the keys and breaks the rules. */
export function protocolError(what: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', 'link.protocol', what, { cause });
}

/** What a tag, or its place in the sequence, does not vouch for. */
export function tampered(what: string, cause: unknown): ApplianceError {
  return new ApplianceError('malformed', 'link.tampered', `${what} did not open`, { cause });
}

export function overLimit(what: string): ApplianceError {
  return new ApplianceError('limited', 'link.limit', what);
}

export function linkClosed(): ApplianceError {
  return new ApplianceError('unavailable', 'link.closed', 'the link has ended');
}

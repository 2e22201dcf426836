// Two who change the same thing at once: the second says what he saw, and is told when it is something else by now. It is
// looked at in the change's own transaction, so nothing is overwritten unseen.
import { ApplianceError } from '../errors.ts';

/** What a page carries of a value while somebody edits it. */
export function seenOf(value: unknown): string {
  return JSON.stringify(value);
}

/**
 * @param now what it is in this transaction
 * @param seen what `seenOf` made of what the editor looked at; left out by who changes it whatever it is
 * @throws ApplianceError `changed-meanwhile`
 */
export function requireSeen(now: unknown, seen: string | undefined): void {
  if (seen === undefined || seen === seenOf(now)) return;
  throw new ApplianceError('conflict', 'changed-meanwhile', 'somebody else has changed it since you looked', {
    hint: 'What it is now is shown; nothing was overwritten. Make your change again if you still want it.',
  });
}

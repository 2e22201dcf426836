// What a technician may ask a customer for (D-01 D-03 D-04), and what waits for the short codes (B-04). Both ends decide by
// these functions and differ only in where they look: the applet in the policy its credential names, narrowed since, before
// it draws a question and before it takes a grant; the appliance in the tree of groups, before it signs one.
import { type AskableAction, askableActions } from '../protocol/consent.ts';

export const SINGLE_PROMPT = 'single-prompt';
const CONTROL = 'launch-remote-control';

export interface Asking {
  /** As the other side names it. */
  readonly action: string;
  /** No question of its own: it follows from the customer's one yes to everything. */
  readonly isUnderSinglePrompt: boolean;
}

export type MayAsk =
  | { readonly allowed: true; readonly action: AskableAction }
  /** `missing`: the permission he would need; null where nobody can ask for such a thing. */
  | { readonly allowed: false; readonly missing: AskableAction | null };

/** @param permits whether the technician's group has that permission, as this end knows it */
export function mayAsk(asking: Asking, permits: (permission: AskableAction) => boolean): MayAsk {
  const action = askableActions.find(name => name === asking.action);
  if (action === undefined) return { allowed: false, missing: null };
  if (!permits(action)) return { allowed: false, missing: action };
  if (!asking.isUnderSinglePrompt) return { allowed: true, action };
  if (action === SINGLE_PROMPT) return { allowed: false, missing: null }; // it can't stand on itself
  return permits(SINGLE_PROMPT) ? { allowed: true, action } : { allowed: false, missing: SINGLE_PROMPT };
}

/** Whether an action waits until both people have called the short codes the same. */
export function mustCompareCodes(
  action: string,
  { codesMatch, isClaimedTwice }: { readonly codesMatch: boolean; readonly isClaimedTwice: boolean },
): boolean {
  return isClaimedTwice || (codesMatch && action === CONTROL);
}

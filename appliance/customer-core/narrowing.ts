// What the appliance sends about rights can only take away (D-06). The applet begins with what its credential's policy
// allows; each further notice is intersected with what is left, so a later, wider one has no effect. Where it would, the applet
// asks for a credential anew (credentials.ts): what may be asked for grows by the appliance's signature alone, and what the customer
// has allowed does not grow at all.
import type { Bytes } from '../protocol/bytes.ts';
import type { AskableAction } from '../protocol/consent.ts';
import { Fields } from '../protocol/fields.ts';
import { MAX_GRANT_MS } from '../protocol/signed.ts';
import { SINGLE_PROMPT } from './may-ask.ts';

export interface Narrowing {
  /** Actions that may be asked for at all. */
  readonly actions: ReadonlySet<string>;
  /** A yes lasts at most so long, ms. */
  readonly maxConsentMs: number;
  /** One yes may cover what is in `actions` (D-03). */
  readonly singlePrompt: boolean;
  readonly codesMatch: boolean;
  readonly forcedRecording: boolean;
  /** A recording that is not forced may be paused. */
  readonly pauseRecording: boolean;
  readonly customerAway: 'continue' | 'view-only' | 'end';
}

const MAX_ACTIONS = 64;
const strictness = ['continue', 'view-only', 'end'] as const;

/**
 * Reads the policy as the appliance sends it: canonical JSON, whose SHA-256 stands in the credential.
 * @throws ApplianceError `protocol.malformed`
 */
export function parsePolicy(bytes: Bytes): Narrowing {
  const fields = Fields.fromCanonical(bytes);
  const policy: Narrowing = {
    actions: new Set(fields.names('actions', MAX_ACTIONS)),
    maxConsentMs: fields.integer('maxConsentMs', 1, MAX_GRANT_MS),
    singlePrompt: fields.boolean('singlePrompt'),
    codesMatch: fields.boolean('codesMatch'),
    forcedRecording: fields.boolean('forcedRecording'),
    pauseRecording: fields.boolean('pauseRecording'),
    customerAway: fields.oneOf('customerAway', strictness),
  };
  fields.end();
  return policy;
}

/** For `mayAsk`: the permissions of the technician's group, as far as the appliance has told of them. */
export function permissionsOf({ actions, singlePrompt }: Narrowing): (permission: AskableAction) => boolean {
  return permission => (permission === SINGLE_PROMPT ? singlePrompt : actions.has(permission));
}

/** Whether it allows anything that is not held. */
export function isWider(sent: Narrowing, held: Narrowing): boolean {
  return (
    [...sent.actions].some(action => !held.actions.has(action)) ||
    sent.maxConsentMs > held.maxConsentMs ||
    (sent.singlePrompt && !held.singlePrompt) ||
    (!sent.codesMatch && held.codesMatch) ||
    (!sent.forcedRecording && held.forcedRecording) ||
    (sent.pauseRecording && !held.pauseRecording) ||
    strictness.indexOf(sent.customerAway) < strictness.indexOf(held.customerAway)
  );
}

/** @returns what is allowed by both */
export function narrow(held: Narrowing, sent: Narrowing): Narrowing {
  const away = Math.max(strictness.indexOf(held.customerAway), strictness.indexOf(sent.customerAway));
  return {
    actions: new Set([...held.actions].filter(action => sent.actions.has(action))),
    maxConsentMs: Math.min(held.maxConsentMs, sent.maxConsentMs),
    singlePrompt: held.singlePrompt && sent.singlePrompt,
    codesMatch: held.codesMatch || sent.codesMatch,
    forcedRecording: held.forcedRecording || sent.forcedRecording,
    pauseRecording: held.pauseRecording && sent.pauseRecording,
    customerAway: strictness[away] ?? 'end',
  };
}

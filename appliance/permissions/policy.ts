// What a technician group demands beside its permissions. Each group sets some of it and inherits the rest; the nearest
// group that sets a thing decides. Everything here narrows what a technician gets: nothing takes the place of consent.
import { z } from 'zod';
import { decidePermission, type GroupOnPath } from './decision.ts';

export const MAX_CONSENT_MINUTES = 480;

/** What becomes of running actions when nobody is at the customer's screen (it is locked or logged out). */
export const customerAwayRules = ['continue', 'view-only', 'end'] as const;

/** What a finished recording is kept as. Of `avi` alone the RCREC goes once the AVI is whole and signed for. */
export const recordingFormats = ['rcrec', 'avi', 'both'] as const;
export type RecordingFormat = (typeof recordingFormats)[number];

export const PolicySettings = z.strictObject({
  /** A yes is good for so many minutes; 0: until the session ends. */
  consentMinutes: z.int().min(0).max(MAX_CONSENT_MINUTES).optional(),
  /** No picture and no input without receipts of the recorder (H-03). */
  forcedRecording: z.boolean().optional(),
  /** Technicians may pause a recording they have asked for; pauses are marked. Of no effect where it is forced. */
  pauseRecording: z.boolean().optional(),
  /** No control before both sides said that the short codes match (B-04). */
  codesMatch: z.boolean().optional(),
  /** False: chat text is not kept at all (G-06). */
  storeChat: z.boolean().optional(),
  customerAway: z.enum(customerAwayRules).optional(),
  recordingFormat: z.enum(recordingFormats).optional(),
});
/** What one group sets; what is left out is inherited. */
export type PolicySettings = z.infer<typeof PolicySettings>;

export interface Policy {
  readonly consentMinutes: number;
  readonly forcedRecording: boolean;
  /** Never together with `forcedRecording`. */
  readonly pauseRecording: boolean;
  readonly codesMatch: boolean;
  readonly storeChat: boolean;
  readonly customerAway: (typeof customerAwayRules)[number];
  readonly recordingFormat: RecordingFormat;
  /** One yes covers the session (D-03): the permission `single-prompt`. */
  readonly singlePrompt: boolean;
}

/** Where no group sets anything. A new question with nobody there stays unanswered, which is a no. */
const defaults = {
  consentMinutes: 0,
  forcedRecording: false,
  pauseRecording: false,
  codesMatch: false,
  storeChat: true,
  customerAway: 'view-only',
  recordingFormat: 'both',
} as const;

export type PolicyKey = keyof typeof defaults;
export const policyKeys = Object.keys(defaults) as readonly PolicyKey[];

export interface GroupWithPolicy extends GroupOnPath {
  readonly policy: PolicySettings;
}

export interface EffectivePolicy {
  readonly policy: Policy;
  /** Id of the group that set each, null for the appliance's own default. */
  readonly sources: Readonly<Record<PolicyKey, string | null>>;
}

/** @param path root first */
export function resolvePolicy(path: readonly GroupWithPolicy[]): EffectivePolicy {
  const policy: Record<string, unknown> = { ...defaults };
  const sources: Record<PolicyKey, string | null> = {
    consentMinutes: null,
    forcedRecording: null,
    pauseRecording: null,
    codesMatch: null,
    storeChat: null,
    customerAway: null,
    recordingFormat: null,
  };
  for (const group of path) {
    for (const key of policyKeys) {
      if (group.policy[key] === undefined) continue;
      policy[key] = group.policy[key];
      sources[key] = group.id;
    }
  }
  const settings = PolicySettings.required().parse(policy);
  const pauseRecording = settings.pauseRecording && !settings.forcedRecording;
  const singlePrompt = decidePermission(path, 'single-prompt').allowed;
  return { policy: { ...settings, pauseRecording, singlePrompt }, sources };
}

/** What of `settings` would loosen what `ceiling` demands; an admin over a part of the tree may only tighten. */
export function loosened(settings: PolicySettings, ceiling: Policy): PolicyKey[] {
  const minutes = (value: number) => (value === 0 ? Number.POSITIVE_INFINITY : value);
  const strictness = (rule: Policy['customerAway']) => customerAwayRules.indexOf(rule);
  const { consentMinutes, customerAway, recordingFormat } = settings;
  const loose: Record<PolicyKey, boolean> = {
    consentMinutes: consentMinutes !== undefined && minutes(consentMinutes) > minutes(ceiling.consentMinutes),
    forcedRecording: settings.forcedRecording === false && ceiling.forcedRecording,
    pauseRecording: settings.pauseRecording === true && !ceiling.pauseRecording,
    codesMatch: settings.codesMatch === false && ceiling.codesMatch,
    storeChat: settings.storeChat === true && !ceiling.storeChat,
    customerAway: customerAway !== undefined && strictness(customerAway) < strictness(ceiling.customerAway),
    recordingFormat: recordingFormat !== undefined && !['both', ceiling.recordingFormat].includes(recordingFormat),
  };
  return policyKeys.filter(key => loose[key]);
}

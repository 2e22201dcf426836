// A group's settings as its forms carry them. Each form carries what it was drawn from, so that nobody overwrites unseen what
// somebody else has set meanwhile.
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import { type Permission, pathName, permissions } from '../../permissions/decision.ts';
import type { Group } from '../../permissions/group-store.ts';
import type { Effective, PermissionSettings } from '../../permissions/groups.ts';
import { MAX_CONSENT_MINUTES, type PolicyKey, PolicySettings, policyKeys } from '../../permissions/policy.ts';
import { permissionWords, policyText, policyWords } from './group-words.ts';

const Setting = z.enum(['inherit', 'grant', 'deny']);
const MAX_SEEN = 2048;
const seen = z.string().max(MAX_SEEN);
const SeenPermissions = z.partialRecord(z.enum(permissions), z.enum(['grant', 'deny']));

export const PermissionForm = z.strictObject({
  ...(Object.fromEntries(permissions.map(one => [one, Setting])) as Record<Permission, typeof Setting>),
  seen,
});
export type PermissionForm = z.infer<typeof PermissionForm>;

const field = z.string().max(16).default('inherit');
export const PolicyForm = z.strictObject({
  ...(Object.fromEntries(policyKeys.map(one => [one, field])) as Record<PolicyKey, typeof field>),
  seen,
});
export type PolicyForm = z.infer<typeof PolicyForm>;

export function readPermissions(form: PermissionForm): { settings: PermissionSettings; seen: PermissionSettings } {
  const set = permissions.filter(one => form[one] !== 'inherit').map(one => [one, form[one]]);
  return { settings: Object.fromEntries(set), seen: readSeen(SeenPermissions, form.seen) };
}

/** @throws ApplianceError `group.consent-minutes`, `request.malformed` */
export function readPolicy(form: PolicyForm): { settings: PolicySettings; seen: PolicySettings } {
  const minutes = form.consentMinutes.trim();
  const isTyped = minutes !== '' && minutes !== 'inherit';
  const typed: Record<string, unknown> = isTyped ? { consentMinutes: readConsentMinutes(minutes) } : {};
  for (const key of policyKeys) {
    const value = form[key];
    if (key === 'consentMinutes' || value === 'inherit') continue;
    typed[key] = value === 'true' || value === 'false' ? value === 'true' : value;
  }
  return { settings: checked(PolicySettings, typed), seen: readSeen(PolicySettings, form.seen) };
}

/** @throws ApplianceError `group.consent-minutes` */
export function readConsentMinutes(text: string): number {
  const minutes = text.trim();
  if (/^\d{1,3}$/.test(minutes) && Number(minutes) <= MAX_CONSENT_MINUTES) return Number(minutes);
  throw new ApplianceError(
    'malformed',
    'group.consent-minutes',
    `minutes are a number from 0 to ${MAX_CONSENT_MINUTES}, or nothing at all`,
  );
}

/** A group's own settings, for the form that is drawn from them. */
function permissionValues(settings: PermissionSettings): PermissionForm {
  const values = permissions.map(one => [one, settings[one] ?? 'inherit']);
  return {
    ...(Object.fromEntries(values) as Record<Permission, z.infer<typeof Setting>>),
    seen: JSON.stringify(settings),
  };
}

function policyValues(settings: PolicySettings): PolicyForm {
  const values = policyKeys.map(key => [key, String(settings[key] ?? (key === 'consentMinutes' ? '' : 'inherit'))]);
  return { ...(Object.fromEntries(values) as Record<PolicyKey, string>), seen: JSON.stringify(settings) };
}

/** What a form shows, and which of it another admin has set since the form was drawn. */
export interface Shown<T> {
  readonly values: T;
  readonly meanwhile: ReadonlySet<string>;
}

/** @param typed what was sent and refused @param isLate whether because another was faster */
export function permissionsShown(
  own: PermissionSettings,
  typed?: PermissionForm,
  isLate = false,
): Shown<PermissionForm> {
  const seen = isLate && typed && permissionValues(readSeen(SeenPermissions, typed.seen));
  return shown(permissionValues(own), typed, seen || undefined);
}

export function policyShown(own: PolicySettings, typed?: PolicyForm, isLate = false): Shown<PolicyForm> {
  const seen = isLate && typed && policyValues(readSeen(PolicySettings, typed.seen));
  return shown(policyValues(own), typed, seen || undefined);
}

// Of a form that came too late, what was touched stays as typed, and all else is as it is now. What was refused for another
// reason stays as it was sent, with what it was drawn from: nobody has been shown anything newer.
function shown<T extends Readonly<Record<string, string>>>(
  now: T,
  typed: T | undefined,
  seen: T | undefined,
): Shown<T> {
  if (typed === undefined || seen === undefined) return { values: typed ?? now, meanwhile: new Set() };
  const keys = Object.keys(now).filter(key => key !== 'seen');
  const merged = keys.map(key => [key, typed[key] === seen[key] ? now[key] : typed[key]]);
  const meanwhile = new Set(keys.filter(key => now[key] !== seen[key]));
  return { values: { ...now, ...Object.fromEntries(merged) }, meanwhile };
}

/** Rows of the permissions' table. */
export function permissionRows(effective: Effective, { values, meanwhile }: Shown<PermissionForm>) {
  const own = effective.path.at(-1)?.permissions ?? {};
  return permissions.map(one => {
    const { allowed, why } = effective.permissions[one];
    const stored = own[one] ?? 'inherit';
    return {
      key: one,
      ...permissionWords[one],
      value: values[one],
      choices: Setting.options.map(value => ({ value, label: value, isTicked: value === values[one] })),
      allowed,
      why: why.text,
      changed: meanwhile.has(one) ? lateText(stored, values[one]) : '',
    };
  });
}

export function policyRows(effective: Effective, { values, meanwhile }: Shown<PolicyForm>) {
  const own: PolicySettings = effective.path.at(-1)?.policy ?? {};
  const stored = policyValues(own);
  return policyKeys.map(key => {
    const { choices, ...words } = policyWords[key];
    return {
      key,
      ...words,
      value: values[key],
      choices: (choices ?? []).map(one => ({ ...one, isTicked: one.value === values[key] })),
      isTyped: choices === null,
      holds: policyText(key, effective.policy[key]),
      source: sourceName(effective, key),
      changed: meanwhile.has(key) ? lateText(wordFor(key, stored[key]), wordFor(key, values[key])) : '',
    };
  });
}

/** What stands in a form's field, as the page says it. */
function wordFor(key: PolicyKey, text: string): string {
  if (text === '' || text === 'inherit') return 'inherited';
  return policyText(key, key === 'consentMinutes' ? Number(text) : text);
}

function lateText(now: string, yours: string): string {
  return now === yours ? `Somebody else set it to: ${now}.` : `Somebody else set it to: ${now}. Yours is: ${yours}.`;
}

function sourceName({ path, sources }: Effective, key: PolicyKey): string {
  const at = path.findIndex((group: Group) => group.id === sources[key]);
  return at < 0 ? 'by default' : `set by ${pathName(path.slice(0, at + 1))}`;
}

function readSeen<T>(schema: z.ZodType<T>, text: string): T {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    given = null;
  }
  return checked(schema, given);
}

function checked<T>(schema: z.ZodType<T>, given: unknown): T {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new ApplianceError('malformed', 'request.malformed', 'the form is not as the page made it', {
    hint: 'Go back to the page, reload it, and try again.',
  });
}

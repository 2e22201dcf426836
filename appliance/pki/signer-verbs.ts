// What the signer does, and for whom: fixed verbs, each with a schema, a limit and the callers it is for (TRUST).
import { z } from 'zod';
import { SESSION_TYPES, type SignedObject } from './session-objects.ts';

const MAX_DEPTH = 8;

const signedObject = z.custom<SignedObject>(
  value => typeof value === 'object' && value !== null && !Array.isArray(value) && isCanonical(value, 0),
  'an object of strings, booleans and safe integers',
);
// Wildcards are for bought certificates; the appliance's own names each host.
const hostName = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/);
const address = z.union([z.ipv4(), z.ipv6()]);

export const requests = {
  'sign-log-head': z.strictObject({
    log: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
    seq: z.int().min(1),
    hash: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  }),
  'sign-session-object': z.strictObject({
    type: z.enum(SESSION_TYPES),
    payload: signedObject,
    /** A session's second applet key needs the ticket of a granted restart. */
    restart: z.boolean().optional(),
  }),
  'sign-receipt': z.strictObject({ payload: signedObject }),
  'sign-gateway-list': z.strictObject({ payload: signedObject }),
  'sign-manifest': z.strictObject({ payload: signedObject }),
  /** base64url of the tag's bytes before its signature: 30 bytes, nothing else is ever signed with that key. */
  'sign-tag': z.strictObject({ payload: z.string().regex(/^[A-Za-z0-9_-]{40}$/) }),
  'issue-server-certificate': z.strictObject({
    names: z.array(hostName).min(1).max(20),
    addresses: z.array(address).max(20).default([]),
  }),
  'write-certificate-request': z.strictObject({
    names: z.array(hostName).min(1).max(20),
    organisation: z.string().max(120).default(''),
  }),
  'public-keys': z.strictObject({}),
  /** No bytes: what is built and signed stands in the owner's order, and nobody who asks can change it. */
  'build-applet': z.strictObject({}),
} as const;

export type Verb = keyof typeof requests;
export type Request<V extends Verb> = z.infer<(typeof requests)[V]>;
/** What a caller sends: defaults may be left out. */
export type RequestInput<V extends Verb> = z.input<(typeof requests)[V]>;

/** Calls a minute. Credentials and leases of ten thousand technicians fit; a thief's harvest does not. */
export const CALLS_PER_MINUTE: Record<Verb, number> = {
  'sign-log-head': 600,
  'sign-session-object': 60_000,
  'sign-receipt': 60_000,
  'sign-gateway-list': 60,
  'sign-manifest': 6000,
  'sign-tag': 6000,
  'issue-server-certificate': 6,
  'write-certificate-request': 6,
  'public-keys': 6000,
  'build-applet': 60,
};

/** Which process each verb is for. Where each runs as its own user, the kernel tells them apart. */
export const CALLERS: Record<Verb, readonly ('portal' | 'recorder')[]> = {
  'sign-log-head': ['portal'],
  'sign-session-object': ['portal'],
  'sign-receipt': ['recorder'],
  'sign-gateway-list': ['portal'],
  'sign-manifest': ['portal'],
  'sign-tag': ['portal'],
  'issue-server-certificate': ['portal'],
  'write-certificate-request': ['portal'],
  'public-keys': ['portal', 'recorder'],
  'build-applet': ['portal'],
};

export function isVerb(name: string): name is Verb {
  return Object.hasOwn(requests, name);
}

function isCanonical(value: unknown, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value === 'boolean') return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every(item => isCanonical(item, depth + 1));
}

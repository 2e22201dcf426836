// Where what a browser sent becomes typed: from here on it is trusted to have this shape, and nothing more.
import { type ZodType, z } from 'zod';
import { ApplianceError } from '../../errors.ts';

/** @throws ApplianceError `request.malformed`, naming the fields */
export function parse<T>(schema: ZodType<T>, given: unknown): T {
  const result = schema.safeParse(given ?? {});
  if (result.success) return result.data;
  const fields = [...new Set(result.error.issues.map(issue => issue.path.join('.') || 'body'))];
  throw new ApplianceError('malformed', 'request.malformed', `not understood: ${fields.slice(0, 8).join(', ')}`, {
    hint: 'Go back to the page, reload it, and try again.',
  });
}

/** A field of a form: the domain that takes it says what is wrong with it. */
export const text = z.string().max(1024).default('');
/** What an authenticator says, as JSON of our own script; `identity/` reads it. */
export const passkeyAnswer = z.string().max(16_384).default('');
/** A tick of a check box. */
export const tick = z
  .literal('on')
  .optional()
  .transform(value => value === 'on');
/** One value or several under one name, as `application/x-www-form-urlencoded` gives them. */
export const several = z
  .union([
    z
      .string()
      .max(64)
      .transform(one => [one]),
    z.array(z.string().max(64)).max(16),
  ])
  .default([]);
/** Of a member, a group or a session. */
export const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
/** A ticked member, and the group he was in when the page was made. */
export const seenPlace = z
  .string()
  .regex(/^[A-Za-z0-9_-]{22} [A-Za-z0-9_-]{22}$/)
  .transform(both => both.split(' ') as [string, string]);
export const ById = z.strictObject({ id });

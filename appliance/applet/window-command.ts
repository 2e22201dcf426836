// What the page may ask for (protocol/customer-window.ts), read as strictly as if it came from outside.
import { z } from 'zod';
import { MAX_CHAT_CHARACTERS, type WindowCommand } from '../protocol/customer-window.ts';

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

export const windowCommand: z.ZodType<WindowCommand> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('pause'), paused: z.boolean() }),
  z.strictObject({ type: z.literal('start') }),
  z.strictObject({ type: z.literal('pin'), pin: z.string().regex(/^\d{6,16}$/) }),
  z.strictObject({ type: z.literal('answer'), consentId: id, answer: z.enum(['yes', 'no']) }),
  z.strictObject({ type: z.literal('chat'), text: z.string().trim().min(1).max(MAX_CHAT_CHARACTERS) }),
  z.strictObject({ type: z.literal('typing'), typing: z.boolean() }),
  z.strictObject({ type: z.literal('codes'), match: z.boolean() }),
  z.strictObject({ type: z.literal('stop'), id }),
  z.strictObject({ type: z.literal('end') }),
]);

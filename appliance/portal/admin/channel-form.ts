// The form of a channel: what stands in it, what becomes of it, and what another admin has changed meanwhile.
import { z } from 'zod';
import type { Channel, ChannelSettings } from '../../sessions/channel.ts';
import { type Form, formWith } from '../web/forms.ts';
import { text, tick } from '../web/parse.ts';

const several = z
  .union([z.string().max(64), z.array(z.string().max(64)).max(2000)])
  .default([])
  .transform(one => [one].flat());
const lines = z.string().max(8192).default('');

export const ChannelForm = z.strictObject({
  ...{ name: text, greeting: lines, awayText: lines, maxWaiting: text, isEnabled: tick, groups: several },
  seen: z.coerce.number().int().min(0).default(0),
});
export type ChannelForm = z.infer<typeof ChannelForm>;

export const FIELD_OF = {
  ...{ 'channel.name': 'name', 'channel.name-taken': 'name', 'channel.greeting': 'greeting' },
  ...{ 'channel.away-text': 'awayText', 'channel.max-waiting': 'maxWaiting' },
};

export const newForm: ChannelForm = {
  ...{ name: '', greeting: '', awayText: '', maxWaiting: '20', isEnabled: true, groups: [], seen: 0 },
};
export const freshForm: Form = formWith({ maxWaiting: newForm.maxWaiting });

export function valuesOf({ name, greeting, awayText, maxWaiting }: ChannelForm): Form['values'] {
  return { name, greeting, awayText, maxWaiting };
}

/**
 * @param before the rest of it, for who may set groups alone
 * @param others groups that serve it and are not this admin's to take away
 */
export function readChannel(
  { name, greeting, awayText, maxWaiting, isEnabled, groups }: ChannelForm,
  before?: ChannelSettings,
  others: readonly string[] = [],
): ChannelSettings {
  const groupIds = [...new Set([...groups, ...others])];
  if (before !== undefined) return { ...before, groupIds };
  const most = /^\d{1,4}$/.test(maxWaiting.trim()) ? Number(maxWaiting) : Number.NaN;
  return { name, greeting, awayText, isEnabled, maxWaiting: most, groupIds };
}

/** What somebody else has made of each thing that would be another now; by field. */
export function changedSince(
  now: Channel,
  wanted: ChannelSettings,
  names: readonly { readonly id: string; readonly name: string }[],
): Form['errors'] {
  const words = ({ name, greeting, awayText, isEnabled, maxWaiting, groupIds }: ChannelSettings) => ({
    ...{ name, greeting, awayText, maxWaiting: String(maxWaiting), isEnabled: isEnabled ? 'on' : 'off' },
    groups: groupIds
      .map(id => names.find(one => one.id === id)?.name ?? 'another group')
      .toSorted()
      .join('; '),
  });
  const [theirs, yours] = [words(now), words(wanted)];
  const fields = Object.entries(theirs).filter(([field, is]) => yours[field as keyof typeof yours] !== is);
  return Object.fromEntries(fields.map(([field, is]) => [field, `It is now: ${is === '' ? 'nothing' : is}`]));
}

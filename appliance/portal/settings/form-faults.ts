// What was said of a form as a whole, put beside the fields it is about.
import { findConfigFaults } from '../../config.ts';
import type { Form } from '../web/forms.ts';
import type { SettingsField } from './fields.ts';

/** Their hint begins with the key. */
const ABOUT_A_KEY = [
  'settings.shut-out',
  'settings.no-such-place',
  'settings.key-as-password',
  'settings.password-elsewhere',
];

/** @param textOf the file's text with what was typed @returns nothing where something of it belongs to no field */
export function faultsByField(form: Form, fields: readonly SettingsField[], textOf: () => string): Partial<Form> {
  const { fault } = form;
  if (fault === null) return {};
  if (ABOUT_A_KEY.includes(fault.code)) {
    const [key = ''] = fault.hint.split(':');
    const field = fields.find(one => one.key === key);
    const said = `${fault.message} ${fault.hint.slice(key.length + 2)}`;
    return field === undefined ? {} : { errors: { [field.name]: said }, fault: null };
  }
  if (fault.code !== 'config.malformed') return {};
  const errors: Record<string, string> = {};
  for (const { key } of findConfigFaults(textOf())) {
    const field = fields.find(one => one.kind !== 'secret' && (key === one.key || key.startsWith(`${one.key}.`)));
    if (field === undefined) return {};
    errors[field.name] = `That is not right. ${field.hint}`;
  }
  return { errors, fault: null };
}

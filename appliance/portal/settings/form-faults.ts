// What was said of a form as a whole, put beside the fields it is about.
import { findConfigFaults } from '../../config.ts';
import type { Form } from '../web/forms.ts';
import type { SettingsField } from './fields.ts';

/** Their hint begins with the key. */
const ABOUT_A_FILE = ['config.key-as-password', 'config.password-place'];
const ABOUT_A_KEY = [
  ...ABOUT_A_FILE,
  'settings.shut-out',
  'settings.no-such-place',
  'settings.password-elsewhere',
  'settings.password-forgotten',
];

/** @param textOf the file's text with what was typed @returns nothing where something of it belongs to no field */
export function faultsByField(form: Form, fields: readonly SettingsField[], textOf: () => string): Partial<Form> {
  const { fault } = form;
  if (fault === null) return {};
  if (ABOUT_A_KEY.includes(fault.code)) {
    const [key = ''] = fault.hint.split(':');
    const ofKey = fields.filter(one => one.key === key);
    // A password's field and that of its file are of one key.
    const field = ABOUT_A_FILE.includes(fault.code) ? ofKey.findLast(one => one.kind !== 'secret') : ofKey[0];
    const [first = '', ...rest] = fault.hint.slice(key.length + 2);
    const said = `${fault.message} ${first.toUpperCase()}${rest.join('')}`;
    return field === undefined ? {} : { errors: { [field.name]: said }, fault: null };
  }
  if (fault.code !== 'config.malformed') return {};
  const errors: Record<string, string> = {};
  for (const { key } of findConfigFaults(textOf())) {
    const field = fields.find(one => one.kind !== 'secret' && (key === one.key || key.startsWith(`${one.key}.`)));
    if (field === undefined) return {};
    const [name, said] = field.kind === 'mapping' ? rowFault(field, key) : [field.name, faultOf(field, form, fields)];
    errors[name] = said;
  }
  return { errors, fault: null };
}

/** What stands above an empty field need not be said once more below it. */
function faultOf({ key, name, hint }: SettingsField, { values }: Form, fields: readonly SettingsField[]): string {
  if (values[name] !== '') return `That is not right. ${hint}`;
  const isOfPassword = fields.some(one => one.kind === 'secret' && one.key === key);
  return isOfPassword ? 'Type the password above, or name the file that holds it.' : 'It can’t be empty.';
}

const cells: Readonly<Record<string, readonly [letter: string, said: string]>> = {
  group: ['g', 'A distinguished name, at most 1024 characters.'],
  roles: ['r', 'At least one role.'],
  technicianGroup: ['t', 'At most 2000 characters.'],
};

/** @param key `directory.mapping.3.group` */
function rowFault({ name, key: whole, hint }: SettingsField, key: string): readonly [name: string, said: string] {
  const [row = '', column = ''] = key.slice(whole.length + 1).split('.');
  const cell = cells[column];
  return cell === undefined ? [name, `That is not right. ${hint}`] : [`${cell[0]}${row}`, cell[1]];
}

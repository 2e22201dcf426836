// What templates can say besides values: icons, times, form fields. All that is put into markup here is escaped here.
import Handlebars from 'handlebars';
import { sizeText } from '../status/words.ts';
import { browserName } from './browsers.ts';
import { emptyForm, type Form } from './forms.ts';

const { escapeExpression, SafeString } = Handlebars;

interface FieldOptions {
  readonly name: string;
  readonly label: string;
  readonly type?: string;
  readonly hint?: string;
  readonly autocomplete?: string;
  readonly required?: boolean;
  readonly value?: string;
  readonly inputmode?: string;
  readonly maxlength?: number;
  readonly min?: number;
  readonly max?: number;
  readonly autofocus?: boolean;
  readonly rows?: number;
  /** Id of the datalist that suggests what may be typed. */
  readonly list?: string;
  /** Of a list to choose from. */
  readonly choices?: readonly string[];
  /** Address that gives the server's verdict on a password. */
  readonly meter?: string;
}

export function pageHelpers({ timeZone }: { timeZone: string }): Record<string, Handlebars.HelperDelegate> {
  const dateTime = new Intl.DateTimeFormat('en-GB', {
    ...{ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' },
    ...{ timeZone, timeZoneName: 'short' }, // whoever reads it may be in another one
  });
  return {
    icon: (name: string) =>
      new SafeString(`<svg class="icon" aria-hidden="true"><use href="#i-${escapeExpression(name)}"></use></svg>`),
    time: (at: unknown) => {
      if (typeof at !== 'number') return 'never';
      return new SafeString(
        `<time datetime="${new Date(at).toISOString()}">${escapeExpression(unbroken(dateTime.format(at)))}</time>`,
      );
    },
    bytes: sizeText,
    browser: browserName,
    /** A login id, which breaks at its dots and its @ where a place is narrow. */
    pieces: (of: unknown) => new SafeString(escapeExpression(String(of)).replaceAll(/[@.]/g, '$&<wbr>')),
    has: (list: unknown, value: unknown) => Array.isArray(list) && list.includes(value),
    eq: (a: unknown, b: unknown) => a === b,
    field: (form: Form, { hash }: Handlebars.HelperOptions) =>
      new SafeString(field(form, hash as unknown as FieldOptions)),
    fault: (form: Form) => new SafeString(fault(form)),
  };
}

/** In a narrow place it breaks between day and hour only. */
function unbroken(time: string): string {
  return time.replaceAll(/(?<!,) /g, '\u00A0');
}

function fault({ fault: what }: Form = emptyForm): string {
  if (what === null) return '';
  const hint = what.hint === '' ? '' : ` <span>${escapeExpression(what.hint)}</span>`;
  return `<div class="notice bad" role="alert" tabindex="-1" data-focus><strong>${escapeExpression(what.message)}</strong>${hint} <code>${escapeExpression(what.code)}</code></div>`;
}

function field(form: Form, options: FieldOptions): string {
  const { name, label, type = 'text', hint = '', meter } = options;
  const error = form.errors[name] ?? '';
  const id = `f-${name}`;
  const described = [hint && `${id}-hint`, error && `${id}-error`, meter && `${id}-meter`].filter(Boolean).join(' ');
  const typed = type === 'password' ? '' : String(form.values[name] ?? options.value ?? '');
  const isText = type !== 'checkbox' && options.choices === undefined;
  const attributes = {
    id,
    name,
    ...(isText && attributesOf(options)),
    ...(described && { 'aria-describedby': described }),
  };
  const all = { ...attributes, ...(error && { 'aria-invalid': 'true', 'data-focus': '' }) };
  const written = Object.entries(all)
    .map(([key, value]) => `${key}="${escapeExpression(String(value))}"`)
    .join(' ');
  if (type === 'checkbox') return tick(form, options, written, error);
  const control = controlOf(options, type, typed, written);
  const meterHtml =
    meter === undefined
      ? ''
      : `<div class="meter" id="${id}-meter" data-score="" aria-live="polite"><i></i><span></span></div>`;
  return [
    `<div class="field${error && ' wrong'}"><label for="${id}">${escapeExpression(label)}</label>`,
    hint && `<p class="hint" id="${id}-hint">${escapeExpression(hint)}</p>`,
    control,
    meterHtml,
    error && `<p class="error" id="${id}-error">${escapeExpression(error)}</p>`,
    '</div>',
  ].join('');
}

function controlOf({ rows, choices }: FieldOptions, type: string, typed: string, written: string): string {
  if (choices !== undefined) {
    const option = (one: string) => `<option${one === typed ? ' selected' : ''}>${escapeExpression(one)}</option>`;
    return `<select ${written}>${choices.map(option).join('')}</select>`;
  }
  return rows === undefined
    ? `<input type="${escapeExpression(type)}" value="${escapeExpression(typed)}" ${written}>`
    : `<textarea rows="${rows}" spellcheck="false" ${written}>${escapeExpression(typed)}</textarea>`;
}

function tick(form: Form, { name, label, hint = '' }: FieldOptions, written: string, error: string): string {
  const is = form.values[name];
  return [
    `<div class="field${error && ' wrong'}"><label class="tick"><input type="checkbox"${is === true || is === 'on' ? ' checked' : ''} ${written}><span>${escapeExpression(label)}</span></label>`,
    hint && `<p class="hint" id="f-${name}-hint">${escapeExpression(hint)}</p>`,
    error && `<p class="error" id="f-${name}-error">${escapeExpression(error)}</p>`,
    '</div>',
  ].join('');
}

function attributesOf(options: FieldOptions): Record<string, string | number> {
  const { autocomplete = 'off', required, inputmode, maxlength = 1024, min, max, autofocus, meter, list } = options;
  return {
    autocomplete,
    maxlength,
    ...(required && { required: '' }),
    ...(autofocus && { autofocus: '' }),
    ...(inputmode !== undefined && { inputmode }),
    ...(list !== undefined && { list }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(meter !== undefined && { 'data-meter': meter }),
  };
}

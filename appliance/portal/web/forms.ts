// A form and what became of it. What was typed stays, secrets excepted; the fault stands beside its field.
import { ApplianceError } from '../../errors.ts';

export interface Form {
  readonly values: Readonly<Record<string, string | readonly string[] | boolean>>;
  /** By field. */
  readonly errors: Readonly<Record<string, string>>;
  /** What belongs to no field. */
  readonly fault: { readonly message: string; readonly hint: string; readonly code: string } | null;
}

export const emptyForm: Form = { values: {}, errors: {}, fault: null };

export function formWith(values: Form['values']): Form {
  return { values, errors: {}, fault: null };
}

/**
 * Runs what a form asks for.
 * @param fieldOf which field an error's code is about
 * @returns the form to show again, with its status, or undefined when all went well
 */
export async function tryForm(
  values: Form['values'],
  fieldOf: Readonly<Record<string, string>>,
  act: () => Promise<void>,
): Promise<{ form: Form; status: number } | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
    const field = fieldOf[error.code];
    const message = sentence(error.message);
    const errors = field === undefined ? {} : { [field]: [message, error.hint].filter(Boolean).join(' ') };
    const fault = field === undefined ? { message, hint: error.hint, code: error.code } : null;
    return { form: { values, errors, fault }, status: error.status };
  }
}

/** Where somebody else was faster, what it is now is shown instead of what was typed; else what was typed stays. */
export function afterFault(form: Form, now: Form): Form {
  return form.fault?.code === 'changed-meanwhile' ? { ...now, fault: form.fault } : form;
}

/** As people read it. */
export function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? '' : '.'}`;
}

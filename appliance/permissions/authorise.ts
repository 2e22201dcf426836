// Says no as an error: what a route calls before it acts.
import { ApplianceError } from '../errors.ts';
import { type Decision, decide, type Question } from './decision.ts';

/** @throws ApplianceError `permission.denied`, whose text is the reason: "denied by Helpdesk › Night shift" */
export function authorise(question: Question): void {
  const { allowed, why } = decide(question);
  if (!allowed) throw denial(question.action, why);
}

export function denial(action: string, why: Decision['why']): ApplianceError {
  return new ApplianceError('refused', 'permission.denied', `${action}: ${why.text}`, {
    hint: 'Permissions stand in the tree of technician groups; the admin pages show which group sets each.',
  });
}

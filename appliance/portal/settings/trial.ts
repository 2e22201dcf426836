// A test of what is typed, step by step: what fails is told and the steps after it are skipped. The other machine may hang or answer
// garbage; each step has a deadline, and what it says is cut short.
import { describeError } from '../../errors.ts';
import type { DirectoryStep } from '../../identity/directory.ts';

export type TrialStep = DirectoryStep;
export type TrialSteps = Readonly<Record<string, (signal: AbortSignal) => Promise<string>>>;

const STEP_MS = 31_000; // a mail may take half a minute when it is an alert, too
const MAX_TEXT = 400;

/** @param server as it is shown */
export async function runSteps(server: string, steps: TrialSteps, stepMs = STEP_MS): Promise<TrialStep[]> {
  const told: TrialStep[] = [];
  for (const [name, run] of Object.entries(steps)) {
    if (told.at(-1) !== undefined && told.at(-1)?.state !== 'done') {
      told.push({ server, name, state: 'skipped', text: '' });
      continue;
    }
    const step = await within(stepMs, run).then(
      text => ({ state: 'done' as const, text: plain(text) }),
      error => ({ state: 'failed' as const, text: plain(describeAll(error)) }),
    );
    told.push({ server, name, ...step });
  }
  return told;
}

async function within(stepMs: number, run: (signal: AbortSignal) => Promise<string>): Promise<string> {
  const ending = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    ending.abort();
    reject(new Error(`it did not answer within ${stepMs / 1000} s`));
  }, stepMs);
  try {
    return await Promise.race([run(ending.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Of a name with several addresses each may fail by itself. */
function describeAll(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(describeError).join('; ') : describeError(error);
}

function plain(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, ' ').trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)} …` : line;
}

// The strength meter: shows the server's verdict, which is the one that counts.
const PAUSE_MS = 250;
const WORDS = ['very weak', 'weak', 'fair', 'good', 'strong'];

interface Verdict {
  readonly score: number;
  readonly acceptable: boolean;
  readonly advice: readonly string[];
}

/** @param input whose `data-meter` is the address that gives the verdict */
export function watchMeter(input: HTMLInputElement): void {
  const meter = document.getElementById(`${input.id}-meter`);
  const text = meter?.querySelector('span');
  const address = input.dataset.meter;
  if (!meter || !text || address === undefined) return;
  let timer = 0;
  let asked = 0;
  const look = async () => {
    asked += 1;
    const number = asked;
    const verdict = await ask(address, input);
    if (verdict === undefined || number !== asked) return; // a later question is under way
    meter.dataset.score = String(verdict.score);
    meter.dataset.acceptable = String(verdict.acceptable);
    const advice = verdict.acceptable ? 'This one will do.' : verdict.advice.join(' ');
    text.textContent = `Strength: ${WORDS[verdict.score] ?? ''}. ${advice}`;
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    asked += 1;
    if (input.value !== '') {
      timer = window.setTimeout(() => void look(), PAUSE_MS);
      return;
    }
    meter.dataset.score = '';
    text.textContent = '';
  });
}

async function ask(address: string, input: HTMLInputElement): Promise<Verdict | undefined> {
  const answer = await fetch(address, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
    body: JSON.stringify({ password: input.value, words: wordsOf(input.form) }),
  });
  return answer.ok ? answer.json() : undefined;
}

/** What the person typed of himself: it makes a password weak. */
function wordsOf(form: HTMLFormElement | null): string[] {
  const fields = form?.querySelectorAll<HTMLInputElement>('[name=loginId], [name=name], [name=organisation]') ?? [];
  return [...fields].map(field => field.value).filter(value => value !== '');
}

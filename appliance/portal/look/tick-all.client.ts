// One tick for all rows of a table, hidden where no script runs and ticking nobody who can't be ticked; and who is ticked, in words.

const NAMED = 3;

export function watchTickAll(all: HTMLInputElement): void {
  const table = all.closest('table');
  if (table === null) return;
  const boxes = [...table.querySelectorAll<HTMLInputElement>('tbody input[type="checkbox"]:not(:disabled)')];
  const show = () => {
    const ticked = boxes.filter(one => one.checked).length;
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.hidden = boxes.length === 0;
  all.addEventListener('change', () => {
    for (const one of boxes) one.checked = all.checked;
  });
  for (const one of boxes) one.addEventListener('change', show);
  show();
}

/**
 * Says in a question who is ticked (`{ticked}`) and what is chosen in a list (`{to}`).
 * @returns undefined where it is about those who are ticked, and nobody is: there is nothing to ask
 */
export function askOfTicked(form: HTMLFormElement, question: string): string | undefined {
  const boxes = [...form.querySelectorAll<HTMLInputElement>('input[data-ticked]:checked')];
  if (boxes.length === 0 && question.includes('{ticked}')) return undefined;
  // At once, so that nothing in a name is taken for a place to fill.
  return question.replaceAll(/\{(\w+)\}/g, (whole, place: string) => {
    if (place === 'ticked') return tickedText(boxes.map(box => box.dataset.ticked ?? ''));
    const list = form.elements.namedItem(place);
    return list instanceof HTMLSelectElement ? (list.selectedOptions[0]?.text ?? '') : whole;
  });
}

/** `Ann`, `2 members: Ann and Bob`, `15 members: Ann, Bob, Cid and 12 more`. */
function tickedText(names: readonly string[]): string {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return only;
  const more = names.length - NAMED;
  const told = [...names.slice(0, NAMED), ...(more > 0 ? [`${more} more`] : [])];
  return `${names.length} members: ${told.slice(0, -1).join(', ')} and ${told.at(-1)}`;
}

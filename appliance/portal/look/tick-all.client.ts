// One tick for all rows of a table. It is hidden where no script runs, and ticks nobody who can't be ticked.

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

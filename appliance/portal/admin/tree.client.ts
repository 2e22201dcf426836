// Groups of the tree are moved by dragging, too; each page of a group has a form for it that needs no mouse.

/** @param ask resolves true for yes */
export function watchTree(tree: HTMLElement, ask: (question: string) => Promise<boolean>): void {
  let dragged: HTMLElement | null = null;
  const rowOf = (event: Event) =>
    event.target instanceof Element ? event.target.closest<HTMLElement>('[data-group]') : null;
  const takes = (row: HTMLElement | null): row is HTMLElement =>
    row !== null &&
    dragged !== null &&
    row.dataset.takes !== undefined &&
    row !== parentOf(dragged) &&
    !dragged.closest('li')?.contains(row);
  const unmark = () => {
    for (const row of tree.querySelectorAll('.over')) row.classList.remove('over');
  };
  tree.addEventListener('dragstart', event => {
    dragged = rowOf(event);
    event.dataTransfer?.setData('text/plain', dragged?.dataset.name ?? '');
  });
  tree.addEventListener('dragover', event => {
    const row = rowOf(event);
    unmark();
    if (!takes(row)) return;
    event.preventDefault();
    row.classList.add('over');
  });
  tree.addEventListener('dragend', () => {
    dragged = null;
    unmark();
  });
  tree.addEventListener('drop', event => {
    const row = rowOf(event);
    unmark();
    if (!takes(row) || dragged === null) return;
    event.preventDefault();
    void move(dragged, row, ask);
  });
}

async function move(group: HTMLElement, to: HTMLElement, ask: (question: string) => Promise<boolean>): Promise<void> {
  const { group: id, name } = group.dataset;
  const seen = parentOf(group)?.dataset.group;
  const question = `Move ${name} into ${to.dataset.name}? What it doesn’t set itself it will inherit from there.`;
  const form = document.querySelector<HTMLFormElement>('#dropped');
  if (form === null || seen === undefined || !(await ask(question))) return;
  form.action = `/admin/groups/${id}/place`;
  form.querySelector<HTMLInputElement>('[name=parentId]')?.setAttribute('value', to.dataset.group ?? '');
  form.querySelector<HTMLInputElement>('[name=seen]')?.setAttribute('value', seen);
  form.submit();
}

function parentOf(group: HTMLElement): HTMLElement | null {
  return group.closest('ul')?.closest('li')?.querySelector<HTMLElement>('[data-group]') ?? null;
}

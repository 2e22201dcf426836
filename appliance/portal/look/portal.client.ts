// What pages do by themselves. Everything but copying and the meter works without it.
import { offerPasskey } from '../account/passkey.client.ts';
import { keepLive } from '../admin/live.client.ts';
import { watchTree } from '../admin/tree.client.ts';
import { groupPin, showBusy } from '../customer/pin.client.ts';
import { watchMeter } from './meter.client.ts';
import { askOfTicked, watchTickAll } from './tick-all.client.ts';

function switchTheme(): void {
  const isDarkNow =
    document.documentElement.dataset.theme === 'dark' ||
    (document.documentElement.dataset.theme === undefined && matchMedia('(prefers-color-scheme: dark)').matches);
  const next = isDarkNow ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  localStorage.setItem('theme', next);
}

function textOf(id: string): string {
  const element = document.getElementById(id);
  const items = element === null ? [] : [...element.querySelectorAll('li')];
  return items.length > 0 ? items.map(item => item.textContent).join('\n') : (element?.textContent ?? '');
}

async function copy(button: HTMLElement, id: string): Promise<void> {
  await navigator.clipboard.writeText(textOf(id));
  const label = button.lastChild;
  const before = label?.textContent ?? '';
  if (label === null) return;
  label.textContent = 'Copied';
  setTimeout(() => {
    label.textContent = before;
  }, 2000);
}

function download(id: string, file: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${textOf(id)}\n`], { type: 'text/plain' }));
  link.download = file;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Asks before what can't be taken back; resolves true for yes. */
function ask(question: string): Promise<boolean> {
  const dialog = document.createElement('dialog');
  const form = document.createElement('form');
  const text = document.createElement('p');
  const row = document.createElement('div');
  const [no, yes] = ['Cancel', 'Yes'].map(label => {
    const button = document.createElement('button');
    button.textContent = label;
    button.value = label;
    return button;
  });
  form.method = 'dialog';
  text.textContent = question;
  text.id = 'question';
  dialog.setAttribute('aria-labelledby', text.id);
  row.className = 'row';
  if (yes !== undefined) yes.className = 'danger';
  for (const button of [no, yes]) if (button !== undefined) row.append(button);
  form.append(text, row);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise(resolve => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'Yes');
    });
  });
}

document.addEventListener('click', event => {
  const button = event.target instanceof Element ? event.target.closest<HTMLElement>('button') : null;
  const menu = document.querySelector<HTMLDetailsElement>('details.menu[open]');
  if (menu !== null && event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  if (button === null) return;
  const { themeSwitch, copy: copied, print: printed, download: downloaded, file } = button.dataset;
  if (themeSwitch !== undefined) switchTheme();
  if (copied !== undefined) void copy(button, copied);
  if (printed !== undefined) window.print();
  if (downloaded !== undefined) download(downloaded, file ?? 'codes.txt');
});

document.addEventListener('keydown', event => {
  const menu = document.querySelector<HTMLDetailsElement>('details.menu[open]');
  if (event.key !== 'Escape' || menu === null) return;
  menu.open = false;
  menu.querySelector('summary')?.focus();
});

document.addEventListener('submit', async event => {
  const { target: form, submitter } = event;
  if (!(form instanceof HTMLFormElement)) return;
  const given = submitter?.dataset.confirm ?? form.dataset.confirm;
  const question = given && askOfTicked(form, given);
  if (question === undefined) return;
  event.preventDefault();
  if (!(await ask(question))) return;
  // `submit` by a script leaves out which button it was.
  if (submitter instanceof HTMLButtonElement && submitter.hasAttribute('formaction'))
    form.action = submitter.formAction;
  if (submitter instanceof HTMLButtonElement && submitter.name !== '') {
    const pressed = document.createElement('input');
    Object.assign(pressed, { type: 'hidden', name: submitter.name, value: submitter.value });
    form.append(pressed);
  }
  form.submit();
});

// On a narrow screen the pages stand in one line that is scrolled.
document.querySelector('nav.side [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
document.querySelector<HTMLElement>('[data-focus]')?.focus();
document.querySelector<HTMLFormElement>('form[data-send]')?.submit();
document.addEventListener('change', async event => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || input.dataset.into === undefined) return;
  const field = document.getElementById(input.dataset.into);
  const file = input.files?.[0];
  if (!(field instanceof HTMLTextAreaElement) || file === undefined) return;
  field.value = await file.text();
  field.dataset.from = file.name;
});
for (const input of document.querySelectorAll<HTMLInputElement>('input[data-meter]')) watchMeter(input);
for (const input of document.querySelectorAll<HTMLInputElement>('input[name="pin"]')) groupPin(input);
for (const all of document.querySelectorAll<HTMLInputElement>('input[data-tick-all]')) watchTickAll(all);
for (const tree of document.querySelectorAll<HTMLElement>('[data-tree]')) watchTree(tree, ask);
for (const part of document.querySelectorAll<HTMLElement>('[data-live]')) keepLive(part, part.dataset.live ?? '');
for (const form of document.querySelectorAll<HTMLFormElement>('form[data-passkey]')) offerPasskey(form);
for (const form of document.querySelectorAll<HTMLFormElement>('form[data-busy]'))
  showBusy(form, form.dataset.busy ?? '');

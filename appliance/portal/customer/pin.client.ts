// The PIN in groups of three while it is typed; the caret stays where it is. In any digits: the server reads them all.
const SEPARATORS = /[\s\p{Pd}.]/gu;

export function groupPin(input: HTMLInputElement): void {
  input.addEventListener('input', event => {
    if (event instanceof InputEvent && event.isComposing) return;
    const end = input.selectionStart ?? input.value.length;
    const before = input.value.slice(0, end).replace(SEPARATORS, '').length;
    const digits = [...input.value.replace(SEPARATORS, '')];
    const grouped = digits.map((digit, n) => (n > 0 && n % 3 === 0 ? ` ${digit}` : digit)).join('');
    if (grouped === input.value) return;
    input.value = grouped;
    const caret = before + Math.max(0, Math.ceil(before / 3) - 1);
    input.setSelectionRange(caret, caret);
  });
}

/** While the appliance looks the PIN up, which it does slowly when many guess. */
export function showBusy(form: HTMLFormElement, text: string): void {
  form.addEventListener('submit', () => {
    const button = form.querySelector('button');
    if (button === null) return;
    button.textContent = text;
    button.setAttribute('aria-busy', 'true');
  });
  // Back from the next page by the browser's own button: this one may be as it was left.
  window.addEventListener('pageshow', event => {
    if (event.persisted) location.reload();
  });
}

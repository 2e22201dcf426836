// Where keys for the picture are typed: a field nobody sees, for only into a field a browser lets an input method, a dead key
// or another program put text. What is a key goes its way as a key; what comes as text is typed letter by letter.

const RETURN = 0xff0d;
const TAB = 0xff09;
/** `KeyboardEvent.keyCode` of what an input method keeps for itself (UI Events §7.3.1). */
const COMPOSING = 229;

/** X11 keysyms of a text (keysymdef.h): Latin-1 are their own, others begin at 0x01000000. */
export function keysymsOf(text: string): readonly number[] {
  return [...text.replaceAll(/\r\n?/g, '\n')].flatMap(letter => {
    const code = letter.codePointAt(0) ?? 0;
    if (letter === '\n') return [RETURN];
    if (letter === '\t') return [TAB];
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return [];
    return [code < 0x100 ? code : 0x0100_0000 + code];
  });
}

export class KeyCatcher {
  readonly field = document.createElement('textarea');

  /** @param typed a text that came without keys */
  constructor(typed: (text: string) => void) {
    const { field } = this;
    field.className = 'key-catcher';
    field.setAttribute('aria-label', 'The screen: keys go there');
    field.setAttribute('autocomplete', 'off');
    field.setAttribute('autocapitalize', 'off');
    field.spellcheck = false;
    this.enable(false);
    for (const type of ['keydown', 'keyup']) field.addEventListener(type, keepFromViewer, { capture: true });
    const take = () => {
      const text = field.value;
      field.value = '';
      if (text !== '') typed(text);
    };
    field.addEventListener('input', event => {
      if (!(event instanceof InputEvent && event.isComposing)) take();
    });
    field.addEventListener('compositionend', take);
  }

  enable(isOn: boolean): void {
    this.field.disabled = !isOn;
  }
}

/** What begins or goes on with a letter of several keys becomes text; the viewer would make keys of it. */
function keepFromViewer(event: Event): void {
  if (!(event instanceof KeyboardEvent)) return;
  if (event.isComposing || event.key === 'Dead' || event.keyCode === COMPOSING) event.stopImmediatePropagation();
}

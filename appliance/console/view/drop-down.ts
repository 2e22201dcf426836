// A button with a panel below it: the browser's popover, which closes on Esc and on a press beside it, and stands above
// everything in full screen too.
import { html, type TemplateResult } from 'lit';
import { icon } from './icon.ts';

const GAP = 4;
const MARGIN = 8;

export interface DropDown {
  readonly id: string;
  readonly icon: string;
  readonly words: string;
  readonly isDisabled?: boolean;
}

export function dropDown({ id, icon: name, words, isDisabled }: DropDown, content: TemplateResult): TemplateResult {
  return html`<button
      type="button"
      class="small ghost"
      popovertarget=${id}
      aria-haspopup="dialog"
      title=${words}
      ?disabled=${isDisabled === true}
    >
      ${icon(name)}<span class="bar-words">${words}</span>
    </button>
    <div popover id=${id} class="drop" role="dialog" aria-label=${words} @toggle=${placeBelow}>${content}</div>`;
}

export function closeDropDown(inside: EventTarget | null): void {
  if (inside instanceof Element) inside.closest<HTMLElement>('[popover]')?.hidePopover();
}

/** Below its button, and wholly in the window. */
function placeBelow({ target, newState }: ToggleEvent): void {
  if (newState !== 'open' || !(target instanceof HTMLElement)) return;
  const button = document.querySelector(`[popovertarget="${target.id}"]`);
  if (button === null) return;
  const { left, bottom } = button.getBoundingClientRect();
  const most = window.innerWidth - target.offsetWidth - MARGIN;
  target.style.left = `${Math.max(MARGIN, Math.min(left, most))}px`;
  target.style.top = `${bottom + GAP}px`;
  target.querySelector<HTMLElement>('button, input, textarea, select')?.focus();
}

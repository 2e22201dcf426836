// Which predefined replies fit what was typed after the slash, and how they are shown.
import { html, type TemplateResult } from 'lit';
import type { ReplyView } from '../../protocol/console-api.ts';

const MAX_SHOWN = 8;

/** @returns null when the draft asks for no reply */
export function fittingReplies(draft: string, replies: readonly ReplyView[]): readonly ReplyView[] | null {
  if (!draft.startsWith('/') || draft.includes('\n')) return null;
  const words = draft.slice(1).toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ title, text }: ReplyView) => {
    const all = `${title} ${text}`.toLocaleLowerCase();
    return words.every(word => all.includes(word));
  };
  const rank = ({ title }: ReplyView) => (title.toLocaleLowerCase().startsWith(words[0] ?? '') ? 0 : 1);
  return replies
    .filter(fits)
    .sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title))
    .slice(0, MAX_SHOWN);
}

export function replyList(
  replies: readonly ReplyView[],
  chosen: number,
  choose: (reply: ReplyView) => void,
): TemplateResult {
  if (replies.length === 0)
    return html`<p class="replies empty" role="status">No reply fits. Go on typing, or press Esc.</p>`;
  return html`<ul class="replies" id="replies" role="listbox" aria-label="Predefined replies">
    ${replies.map(
      (reply, at) =>
        html`<li
          id="reply-${at}"
          role="option"
          aria-selected=${at === chosen}
          @pointerdown=${(event: Event) => {
            event.preventDefault(); // the focus stays in the message
            choose(reply);
          }}
        >
          <b>${reply.title}</b> <span>${reply.text}</span>
        </li>`,
    )}
  </ul>`;
}

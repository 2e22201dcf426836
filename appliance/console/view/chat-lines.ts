// The lines of a chat. Text is text: whatever a customer writes, it is never markup here.
import { html, nothing, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { repeat } from 'lit/directives/repeat.js';
import type { ChatLine, Delivery } from '../chat-store.ts';
import { findLinks } from '../link-text.ts';
import { deliveryWords } from '../words.ts';
import { icon } from './icon.ts';

const LONG_WORD = /\S{200}/u;
const PIECES = /[\s\S]{1,100}/gu;

const deliveryIcons: Readonly<Record<Delivery, string>> = {
  storing: 'clock',
  stored: 'clock',
  sent: 'check',
  delivered: 'check-check',
  refused: 'circle-alert',
};

export function chatLines(lines: readonly ChatLine[], customer: string): TemplateResult {
  return html`<ol class="lines">
    ${repeat(
      lines,
      line => line.id,
      // A line never changes, another one takes its place: what is drawn is not looked through again.
      line => guard([line, customer], () => chatLine(line, customer)),
    )}
  </ol>`;
}

function chatLine(line: ChatLine, customer: string): TemplateResult {
  const { author, at, text } = line;
  const who = author === 'technician' ? 'You' : author === 'customer' ? customer : 'Appliance';
  return html`<li class="line ${author}">
    <p class="line-head">
      <b>${who}</b> <time datetime=${new Date(at).toISOString()}>${timeOf(at)}</time> ${state(line)}
    </p>
    <p class="line-text">${text === null ? html`<em>The text is not kept.</em>` : withLinks(text)}</p>
  </li>`;
}

function withLinks(text: string): readonly unknown[] {
  return findLinks(text).map(part =>
    part.kind === 'link'
      ? html`<a href=${part.href} target="_blank" rel="noopener noreferrer">${part.text}</a>`
      : breakable(part.text),
  );
}

/** A word of thousands of letters takes a browser a quarter of a second to break; told where it may, it takes none. */
function breakable(text: string): string | readonly (TemplateResult | string)[] {
  if (!LONG_WORD.test(text)) return text;
  const pieces = text.match(PIECES) ?? [];
  return pieces.flatMap((piece, at) => (at === 0 ? [piece] : [html`<wbr />`, piece]));
}

function state({ author, delivery, fault }: ChatLine): TemplateResult | typeof nothing {
  if (author === 'customer' && delivery === 'delivered') return nothing;
  if (author === 'appliance') return nothing;
  const words = delivery === 'refused' ? `Not in the log: ${fault ?? 'refused'}` : deliveryWords[delivery];
  return html`<span class="delivery ${delivery}" title=${words}
    >${icon(deliveryIcons[delivery])}<span class=${delivery === 'refused' ? '' : 'sr'}>${words}</span></span
  >`;
}

function timeOf(at: number): string {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  const time = new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return isToday ? time : `${new Date(at).toLocaleDateString()} ${time}`;
}

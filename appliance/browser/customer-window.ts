// The customer's window, the same in the applet and in the entry without download: who is there, what goes on, chat, and the
// buttons that stop it. It draws what it is told and says what the customer does; how that travels is handed in.
import type { ToWindow, WindowCommand } from '../protocol/customer-window.ts';
import { AnswerDelay } from './customer-window/answer-delay.ts';
import { Drawing } from './customer-window/draw.ts';
import { type Layout, layOut } from './customer-window/layout.ts';
import { say } from './elements.ts';

const TICK_MS = 250;
/** Somebody who has not touched a key for so long is not writing. */
const TYPING_MS = 3000;

export interface CustomerWindow {
  receive(message: ToWindow): void;
  /** The program does not answer any more, as these words say. */
  lost(texts: { readonly headline: string; readonly explanation: string }): void;
}

/** @param root emptied; the page's style is `customer-window/customer-window.css` */
export function openCustomerWindow(root: HTMLElement, send: (command: WindowCommand) => void): CustomerWindow {
  const layout = layOut(root);
  const drawing = new Drawing(layout, id => send({ type: 'stop', id }));
  const delay = new AnswerDelay([layout.yes, layout.no]);
  let isLost = false;
  listen(layout, send);
  listenToAnswers(layout, answer => {
    const question = drawing.state?.question;
    if (!question || !delay.isOver) return;
    send({ type: 'answer', consentId: question.consentId, answer });
  });
  // A browser may close a dialog that Escape is pressed in twice, whatever the page says: the question is still there.
  layout.dialog.addEventListener('close', () => {
    const { state } = drawing;
    if (!isLost && state?.question && drawing.draw(state)) delay.begin();
  });
  layout.pause.addEventListener('click', () => send({ type: 'pause', paused: drawing.state?.isPaused === false }));
  layout.saveReport.addEventListener('click', () => save(drawing.state?.report?.file ?? null));
  setInterval(() => drawing.tick(), TICK_MS);
  return {
    receive: message => {
      if (message.type === 'chat') return drawing.chat(message.line);
      if (drawing.draw(message.state)) delay.begin();
    },
    lost: ({ headline, explanation }) => {
      isLost = true;
      layout.dialog.close();
      layout.state.dataset.kind = 'lost';
      say(layout.state, 'Not connected');
      say(layout.headline, headline);
      say(layout.explanation, explanation);
    },
  };
}

function listen(at: Layout, send: (command: WindowCommand) => void): void {
  const click = (button: HTMLElement, act: () => void) => button.addEventListener('click', act);
  click(at.end, () => send({ type: 'end' }));
  click(at.endFromQuestion, () => send({ type: 'end' }));
  click(at.start, () => send({ type: 'start' }));
  click(at.codesMatch, () => send({ type: 'codes', match: true }));
  click(at.codesDiffer, () => send({ type: 'codes', match: false }));
  at.pinForm.addEventListener('submit', event => {
    event.preventDefault();
    send({ type: 'pin', pin: at.pin.value.replaceAll(' ', '') });
  });
  const typing = typingState(isTyping => send({ type: 'typing', typing: isTyping }));
  at.chatText.addEventListener('input', () => typing(at.chatText.value !== ''));
  at.chatForm.addEventListener('submit', event => {
    event.preventDefault();
    if (at.chatText.value.trim() === '') return;
    send({ type: 'chat', text: at.chatText.value });
    at.chatText.value = '';
    typing(false);
  });
}

function listenToAnswers(at: Layout, answer: (answer: 'yes' | 'no') => void): void {
  at.yes.addEventListener('click', () => answer('yes'));
  at.no.addEventListener('click', () => answer('no'));
  at.dialog.addEventListener('cancel', event => {
    event.preventDefault(); // Escape: a no, said to the program
    answer('no');
  });
}

/** Says that the customer is writing, once, and that he has stopped. */
function typingState(tell: (isTyping: boolean) => void): (isTyping: boolean) => void {
  let isTold = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const set = (isTyping: boolean) => {
    clearTimeout(timer);
    if (isTyping) timer = setTimeout(() => set(false), TYPING_MS);
    if (isTyping !== isTold) tell(isTyping);
    isTold = isTyping;
  };
  return set;
}

/** Hands the report to the browser as a download. */
function save(file: { readonly name: string; readonly text: string } | null): void {
  if (file === null) return;
  const address = URL.createObjectURL(new Blob([file.text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

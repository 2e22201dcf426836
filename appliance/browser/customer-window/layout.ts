// The parts of the window, made once; what is in them, and which of them are there, is drawn from the state.
import { MAX_CHAT_CHARACTERS } from '../../protocol/customer-window.ts';
import { el } from '../elements.ts';

export type Layout = ReturnType<typeof layOut>;

export function layOut(root: HTMLElement) {
  const head = header();
  const main = status();
  const asked = codes();
  const doing = running();
  const over = report();
  const talk = chat();
  const dialog = question();
  const notices = el('div', { id: 'notices', class: 'notices', role: 'alert' });
  const warning = scam();
  const left = el('div', { class: 'column' }, notices, main.card, asked.codes, doing.running, over.report);
  root.replaceChildren(head.header, el('main', {}, left, talk.chat, warning), dialog.dialog);
  return { ...head, ...main, ...asked, ...doing, ...over, ...talk, ...dialog, notices, warning };
}

function button(id: string, text: string, looks = ''): HTMLButtonElement {
  return el('button', { id, type: 'button', class: looks }, text);
}

function header() {
  const organisation = el('h1', { id: 'organisation' }, '…');
  const end = button('end', 'End everything', 'end');
  end.hidden = true;
  const names = el('div', {}, el('p', { class: 'quiet' }, 'Remote support from'), organisation);
  return { header: el('header', {}, names, end), organisation, end };
}

function status() {
  const state = el('p', { id: 'state', class: 'state' });
  const headline = el('h2', { id: 'headline' }, 'One moment…');
  const explanation = el('p', { id: 'explanation' });
  const technician = el('strong', { id: 'technician' });
  const timer = el('time', { id: 'timer' }, '00:00');
  const since = el('span', { id: 'since', class: 'quiet' });
  const times = el('p', {}, 'for ', timer, ' · ', since);
  const who = el('div', { id: 'who', class: 'who' }, el('p', { class: 'quiet' }, 'Connected with'), technician, times);
  const start = button('start', 'Start', 'primary');
  const pin = el('input', {
    ...{ id: 'pin', inputmode: 'numeric', autocomplete: 'off', pattern: '[0-9 ]{6,23}', maxlength: '23' },
    required: true,
  });
  const label = el('label', { for: 'pin' }, 'Code from the technician');
  const go = el('button', { class: 'primary', type: 'submit' }, 'Continue');
  const pinForm = el('form', { id: 'pinForm', class: 'stack' }, label, pin, go);
  const text = el('div', { class: 'stack', 'aria-live': 'polite' }, state, headline, explanation);
  const card = el('section', { class: 'card status', 'aria-labelledby': 'headline' }, text, who, start, pinForm);
  for (const part of [who, start, pinForm]) part.hidden = true;
  return { card, state, headline, explanation, technician, timer, since, who, start, pin, pinForm };
}

function codes() {
  const shortString = el('p', { id: 'shortString', class: 'code' });
  const codesMatch = button('codesMatch', 'It is the same');
  const codesDiffer = button('codesDiffer', 'It is not the same');
  const codesSaid = el('p', { id: 'codesSaid', class: 'quiet', role: 'status' });
  const codesAsk = el('div', { class: 'stack' });
  codesAsk.append(
    el('p', {}, 'Ask the technician to read out the code by voice, not in the chat. It must be the same.'),
    el('p', { class: 'row' }, codesMatch, codesDiffer),
  );
  const title = el('h2', { id: 'codesTitle' }, 'Security code');
  const card = el('section', { id: 'codes', class: 'card', 'aria-labelledby': 'codesTitle', hidden: true });
  card.append(title, shortString, codesAsk, codesSaid);
  return { codes: card, codesAsk, shortString, codesMatch, codesDiffer, codesSaid };
}

function running() {
  const runningList = el('ul', { id: 'runningList', class: 'list' });
  const card = el('section', { id: 'running', class: 'card', 'aria-labelledby': 'runningTitle', hidden: true });
  const pause = button('pause', 'Pause');
  const pauseSaid = el('p', { id: 'pauseSaid', class: 'quiet', role: 'status' });
  const pausing = el('div', { class: 'row' }, pause, pauseSaid);
  const recordingSaid = el('p', { id: 'recordingSaid', class: 'quiet', role: 'status' });
  card.append(el('h2', { id: 'runningTitle' }, 'Going on now'), runningList, recordingSaid, pausing);
  return { running: card, runningList, pausing, pause, pauseSaid, recordingSaid };
}

function report() {
  const reportLines = el('ul', { id: 'reportLines', class: 'list' });
  const logPath = el('span', { id: 'logPath', class: 'path' });
  const logPlace = el('p', { class: 'quiet' }, 'A record lies on this computer: ', logPath);
  const saveReport = button('saveReport', 'Save this report');
  const card = el('section', { id: 'report', class: 'card', 'aria-labelledby': 'reportTitle', hidden: true });
  card.append(el('h2', { id: 'reportTitle' }, 'What was done'), reportLines, saveReport, logPlace);
  return { report: card, reportLines, logPath, logPlace, saveReport };
}

function chat() {
  const chatLines = el('ol', { id: 'chatLines', 'aria-live': 'polite', 'aria-labelledby': 'chatTitle', tabindex: '0' });
  const typing = el('p', { id: 'typing', class: 'quiet typing', role: 'status' });
  const chatText = el('input', {
    ...{ id: 'chatText', maxlength: String(MAX_CHAT_CHARACTERS), autocomplete: 'off', placeholder: 'Write a message' },
  });
  const label = el('label', { for: 'chatText', class: 'hidden-label' }, 'Your message');
  const chatSend = el('button', { type: 'submit' }, 'Send');
  const chatForm = el('form', { id: 'chatForm', class: 'chat-form' }, label, chatText, chatSend);
  const card = el('section', { id: 'chat', class: 'card chat', 'aria-labelledby': 'chatTitle', hidden: true });
  card.append(el('h2', { id: 'chatTitle' }, 'Chat'), chatLines, typing, chatForm);
  return { chat: card, chatLines, typing, chatText, chatSend, chatForm };
}

function scam(): HTMLElement {
  const text = el('p', {}, el('strong', {}, 'Somebody called you out of the blue?'));
  text.append(
    ' Banks, the police and well-known companies never call to get onto your computer. Don’t open your bank account, ',
    'don’t give away passwords or card numbers. If in doubt, press ',
    el('em', {}, 'End everything'),
    ' and call your helpdesk yourself.',
  );
  return el('aside', { id: 'scam', class: 'card warn', 'aria-label': 'Warning' }, text);
}

/** The button that ends everything can't be reached behind the question, so there is one in it too (D-02). */
function question() {
  const questionWho = el('span', { id: 'questionWho', class: 'quiet' });
  const endFromQuestion = button('endFromQuestion', 'End everything', 'end');
  const questionTitle = el('h2', { id: 'questionTitle' }, 'Question');
  const questionText = el('p', { id: 'questionText' });
  const questionScope = el('p', { id: 'questionScope', class: 'scope' });
  const yes = button('yes', 'Yes, allow', 'primary');
  const no = button('no', 'No');
  const countdown = el('span', { id: 'countdown' });
  const dialog = el('dialog', {
    ...{ id: 'question', 'aria-labelledby': 'questionTitle', 'aria-describedby': 'questionText' },
  });
  const silence = el(
    'p',
    { class: 'quiet' },
    'Without an answer it is a ',
    el('strong', {}, 'no'),
    ' in ',
    countdown,
    '.',
  );
  const top = el('p', { class: 'row asks' }, questionWho, endFromQuestion);
  dialog.append(top, questionTitle, questionText, questionScope, el('p', { class: 'row' }, yes, no), silence);
  return { dialog, questionWho, endFromQuestion, questionTitle, questionText, questionScope, yes, no, countdown };
}

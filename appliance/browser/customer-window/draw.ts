// Draws the state. It is drawn whole each time; lists are made anew only when something in them has changed, so that the
// focus stays where it is.
import type { RunningAction, WindowChatLine, WindowQuestion, WindowState } from '../../protocol/customer-window.ts';
import { el, say, show } from '../elements.ts';
import type { Layout } from './layout.ts';
import { reportLines, timeOf } from './report-lines.ts';
import { actionTexts, noticeText, phases } from './texts.ts';

const codesSaid = {
  open: '',
  match: 'You said: the same.',
  differ: 'You said: not the same. Nothing but chat is possible.',
};

const recordingTexts = {
  none: '',
  on: 'What is shown of your screen is being recorded.',
  held: 'Your screen is not shown at the moment: it must be recorded, and that can’t be done just now.',
} as const;
const recordingPaused = (since: number) =>
  `Recording paused since ${timeOf(since)}: what is shown of your screen now is not recorded.`;
const pausedText = 'Paused: the technician sees nothing new and can do nothing.';
const stopKeyText = (key: string | null) => (key === null ? '' : `${key} stops everything at once.`);

export class Drawing {
  readonly #at: Layout;
  readonly #stop: (id: string) => void;
  readonly #lines = new Map<string, HTMLElement>();
  #state: WindowState | null = null;
  #runningKey = '';
  #noticeKey = '';

  constructor(at: Layout, stop: (id: string) => void) {
    this.#at = at;
    this.#stop = stop;
  }

  get state(): WindowState | null {
    return this.#state;
  }

  /** @returns whether a question has just appeared */
  draw(next: WindowState): boolean {
    this.#state = next;
    const at = this.#at;
    const { phase, technician } = next;
    const organisation = organisationOf(next);
    say(at.organisation, organisation);
    document.title = `Remote support – ${organisation}`;
    this.#drawStatus(next);
    say(at.headline, phases[phase].headline);
    say(at.explanation, phases[phase].explanation);
    show(at.end, phase !== 'ended');
    show(at.start, phase === 'start');
    show(at.pinForm, phase === 'pin');
    show(at.warning, phase !== 'ended');
    show(at.who, technician !== null && phase === 'active');
    say(at.technician, technician?.name ?? '');
    if (technician !== null) say(at.since, `since ${timeOf(technician.since)}`);
    this.#drawCodes(next);
    this.#drawRunning(next);
    this.#drawChat(next);
    this.#drawReport(next);
    const isNew = this.#drawQuestion(next.question, organisation);
    this.tick();
    return isNew;
  }

  chat(line: WindowChatLine): void {
    const name = line.from === 'customer' ? 'You' : line.name;
    const text = el('p', {}, line.text);
    const when = el('span', { class: 'quiet' }, line.isPending ? 'sending…' : timeOf(line.at));
    const item = el('li', { class: line.from }, el('p', { class: 'quiet' }, el('strong', {}, name), ' ', when), text);
    const known = this.#lines.get(line.id);
    this.#lines.set(line.id, item);
    const { chatLines } = this.#at;
    if (known === undefined) chatLines.append(item);
    else known.replaceWith(item);
    chatLines.scrollTop = chatLines.scrollHeight;
  }

  /** What changes by time alone: the timer, the countdown, when the next attempt comes. */
  tick(): void {
    if (this.#state === null) return;
    const { technician, question } = this.#state;
    if (technician !== null) say(this.#at.timer, clockText(Date.now() - technician.since));
    if (question !== null) say(this.#at.countdown, `${secondsTo(question.silenceAt)} s`);
    this.#drawNotices(this.#state);
  }

  #drawStatus({ phase, notices }: WindowState): void {
    const isLost = notices.some(({ kind }) => kind === 'technician-lost' || kind === 'connection-lost');
    const shown = isLost && phase !== 'ended' ? 'lost' : phase;
    say(this.#at.state, shown === 'lost' ? 'Reconnecting' : phases[shown].status);
    this.#at.state.dataset.kind = shown;
  }

  #drawNotices({ notices, phase }: WindowState): void {
    const texts = notices.map(({ kind, retryAt, count }) => {
      const again = retryAt === null ? '' : ` Trying again in ${secondsTo(retryAt)} s.`;
      return `${noticeText(kind, count)}${again}`;
    });
    const key = `${phase} ${texts.join('\n')}`;
    if (key === this.#noticeKey) return;
    this.#noticeKey = key;
    const isShown = phase !== 'ended';
    this.#at.notices.replaceChildren(...(isShown ? texts.map(text => el('p', { class: 'card warn' }, text)) : []));
  }

  #drawCodes({ shortString, phase }: WindowState): void {
    const at = this.#at;
    show(at.codes, shortString !== null && phase === 'active');
    if (shortString === null) return;
    say(at.shortString, `${shortString.text.slice(0, 3)} ${shortString.text.slice(3)}`.trim());
    say(at.codesSaid, codesSaid[shortString.state]);
    at.codes.dataset.said = shortString.state;
    show(at.codesAsk, shortString.state !== 'match');
  }

  #drawRunning({ running, phase, isPaused, stopKey, recording, recordingPausedAt }: WindowState): void {
    const { pausing, pause, pauseSaid, recordingSaid } = this.#at;
    say(recordingSaid, recordingPausedAt === null ? recordingTexts[recording] : recordingPaused(recordingPausedAt));
    show(recordingSaid, recording !== 'none' || recordingPausedAt !== null);
    show(
      pausing,
      running.some(({ action }) => action === 'launch-desktop-viewing'),
    );
    say(pause, isPaused ? 'Go on' : 'Pause');
    say(pauseSaid, isPaused ? pausedText : stopKeyText(stopKey));
    show(this.#at.running, running.length > 0 && phase === 'active');
    const key = `${recordingPausedAt} ${running.map(({ id }) => id).join(' ')}`;
    if (key === this.#runningKey) return;
    this.#runningKey = key;
    this.#at.runningList.replaceChildren(...running.map(action => this.#runningItem(action, recordingPausedAt)));
  }

  #runningItem(action: RunningAction, recordingPausedAt: number | null): HTMLElement {
    const stop = el('button', { type: 'button', class: 'stop' }, 'Stop this');
    const isPaused = action.action === 'record-sessions' && recordingPausedAt !== null;
    const running = isPaused ? 'Recording is paused' : actionTexts(action.action).running;
    stop.setAttribute('aria-label', `Stop this: ${running}`);
    stop.addEventListener('click', () => this.#stop(action.id));
    const scope = action.scope === '' ? '' : ` · ${action.scope}`;
    const about = el('p', { class: 'quiet' }, `${action.technician}, since ${timeOf(action.since)}${scope}`);
    return el('li', {}, el('div', {}, el('p', {}, el('strong', {}, running)), about), stop);
  }

  #drawChat({ phase, isTyping, mayWrite, technician }: WindowState): void {
    const at = this.#at;
    show(at.chat, phase === 'active' || this.#lines.size > 0);
    show(at.chatForm, phase !== 'ended');
    say(at.typing, isTyping ? `${technician?.name ?? 'The technician'} is writing…` : '');
    at.chatText.disabled = !mayWrite;
    at.chatSend.disabled = !mayWrite;
  }

  #drawReport({ report, phase }: WindowState): void {
    const at = this.#at;
    show(at.report, report !== null && phase === 'ended');
    if (report === null) return;
    at.reportLines.replaceChildren(...reportLines(report).map(line => el('li', {}, line)));
    say(at.logPath, report.logPath ?? '');
    show(at.logPlace, report.logPath !== null);
    show(at.saveReport, report.file !== null);
  }

  #drawQuestion(question: WindowQuestion | null, organisation: string): boolean {
    const at = this.#at;
    if (question === null) {
      at.dialog.close();
      return false;
    }
    if (at.dialog.dataset.consent === question.consentId && at.dialog.open) return false;
    const texts = actionTexts(question.action);
    at.dialog.dataset.consent = question.consentId;
    say(at.questionWho, `${question.technician} of ${organisation} asks`);
    say(at.questionTitle, texts.question);
    say(at.questionText, `${texts.meaning} Your yes lasts at most ${minutesText(question.ttlMs)}.`);
    say(at.questionScope, question.scope);
    show(at.questionScope, question.scope !== '');
    if (!at.dialog.open) at.dialog.showModal();
    at.no.focus(); // Return pressed by habit is a no
    return true;
  }
}

export function organisationOf({ organisation }: WindowState): string {
  return organisation === '' ? 'your helpdesk' : organisation;
}

function secondsTo(at: number): number {
  return Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

function minutesText(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} hours`;
}

function clockText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return (parts[0] === 0 ? parts.slice(1) : parts).map(part => String(part).padStart(2, '0')).join(':');
}

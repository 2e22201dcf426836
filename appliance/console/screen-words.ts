// What a technician is told about the picture: in its place while there is none, and above it while it waits.
import type { InputState, Monitor, Quality } from '../protocol/screen.ts';
import { recordingHold } from './recording-words.ts';
import type { ActionRequest } from './request-store.ts';
import type { ScreenEndWhy } from './session-screen.ts';
import type { TechnicianSession } from './technician-session.ts';
import { endWords } from './words.ts';

export const VIEWING = 'launch-desktop-viewing';
export const CONTROL = 'launch-remote-control';
export const CLIPBOARD = 'clipboard-synchronisation';
export const RECORDING = 'record-sessions';

/** What can be done about it. */
export type ScreenRemedy = 'ask' | 'withdraw' | 'reopen' | 'put-away';

export interface ScreenNotice {
  readonly title: string;
  readonly text: string;
  /** Whether the picture below is not the present one, or not to be worked with. */
  readonly isOld: boolean;
  readonly remedies: readonly ScreenRemedy[];
}

export const qualityWords: Readonly<Record<Quality, string>> = {
  auto: 'Auto quality',
  sharp: 'Always sharp',
  light: 'Slow line',
};

const ends: Readonly<Record<Exclude<ScreenEndWhy, 'closed'>, readonly [string, string]>> = {
  stopped: ['The customer has stopped it', 'Nothing of his screen is sent any more.'],
  'display-lost': ['The customer’s display is gone', 'He may have signed out, or the computer is shutting down.'],
  'display-stuck': ['The customer’s display does not answer', 'His computer may be very busy. Try again in a moment.'],
  protocol: ['The picture was ended', 'The customer’s program did not understand this console.'],
  unavailable: ['There is no picture to be had', 'On this computer the screen can’t be seen.'],
  replaced: ['The picture goes elsewhere', 'It was opened a second time.'],
  unrecorded: ['It can’t be recorded', 'Your group’s sessions must be recorded, and too much of this one was lost.'],
  paused: ['The recording is paused', 'The picture goes on in a moment.'],
  malformed: [
    'The picture was ended',
    'The customer’s program sent something that is no picture. Nothing of it was shown.',
  ],
  viewer: ['The viewer could not be loaded', 'Check your network, then try again.'],
};

const inputs: Readonly<Record<Exclude<InputState, 'on' | 'off'>, string>> = {
  paused: 'The customer has paused your control.',
  'customer-input': 'The customer is using mouse or keyboard himself. Yours wait a moment.',
  question: 'A question is on the customer’s screen. Your keys and mouse wait until he has answered.',
  frozen: 'Your rights are being renewed. Keys and mouse wait.',
  unrecorded: 'It must be recorded, and the recorder has not confirmed it yet. Keys and mouse wait.',
};

/** @returns null when the picture speaks for itself */
export function screenNotice(session: TechnicianSession): ScreenNotice | null {
  const { screen, requests } = session;
  const last = requests.lastOf(VIEWING);
  if (screen.phase === 'off' || (screen.phase === 'ended' && isWaiting(last))) return waiting(last);
  if (screen.phase === 'ended') return ended(session, last);
  if (session.link.phase !== 'open')
    return notice('Interrupted', 'This is the last picture. It goes on by itself when the connection is back.', true);
  if (screen.phase === 'opening') return notice('Allowed', 'Waiting for the first picture …', true);
  const hold = recordingHold(session.recording);
  if (hold !== null) return notice('Must be recorded', hold, true);
  if (screen.state === 'paused')
    return notice('Paused', 'The customer has paused the picture. He can let it go on.', true);
  if (screen.state === 'frozen') return notice('One moment', 'Your rights are being renewed; the picture waits.', true);
  return null;
}

/** Why keys and mouse wait; null when they don't, or there is no control. */
export function inputNotice(session: TechnicianSession): string | null {
  const { input } = session.screen;
  return input === 'on' || input === 'off' ? null : inputs[input];
}

export function monitorWords({ id, name, width, height, primary }: Monitor): string {
  const called = name === '' ? `Monitor ${id}` : `${id}: ${name}`;
  return `${called}, ${width} × ${height}${primary ? ', main' : ''}`;
}

/** 850 B/s, 12 kB/s, 3.4 MB/s */
export function rateWords(bytesPerSecond: number): string {
  if (bytesPerSecond < 1000) return `${Math.round(bytesPerSecond)} B/s`;
  if (bytesPerSecond < 1_000_000) return `${Math.round(bytesPerSecond / 1000)} kB/s`;
  return `${(bytesPerSecond / 1_000_000).toFixed(1)} MB/s`;
}

function isWaiting(request: ActionRequest | undefined): boolean {
  return request !== undefined && ['sent', 'asked', 'allowed'].includes(request.state);
}

function waiting(request: ActionRequest | undefined): ScreenNotice | null {
  switch (request?.state) {
    case 'sent':
    case 'asked':
      return {
        ...{ title: 'Asked', text: 'The question is on the customer’s screen. No answer is a no.', isOld: true },
        remedies: ['withdraw'],
      };
    case 'allowed':
      return notice('Allowed', 'It starts as soon as it stands in the log …', true);
    default:
      return null;
  }
}

function ended({ screen, link }: TechnicianSession, request: ActionRequest | undefined): ScreenNotice {
  const why = screen.why ?? 'closed';
  const isRunning = screen.grants.viewing !== null;
  const remedies: ScreenRemedy[] = [isRunning ? 'reopen' : 'ask', 'put-away'];
  // Whoever ended the grant is named by what became of the request.
  if (why !== 'closed' && (why !== 'stopped' || isRunning)) {
    const [title, text] = ends[why];
    return { title, text, isOld: true, remedies };
  }
  const said = request?.state === 'ended' ? endWords(request.endedBy, request.reason) : 'The picture has ended';
  const text =
    link.phase === 'open' ? 'This is the last picture.' : 'This is the last picture. Ask again when you are connected.';
  return { title: said, text, isOld: true, remedies };
}

function notice(title: string, text: string, isOld: boolean): ScreenNotice {
  return { title, text, isOld, remedies: [] };
}

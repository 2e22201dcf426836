// The words of the console for what has a name in the code: actions, states, events, endings.
import type { AskableAction } from '../protocol/consent.ts';
import type { QueueName, SessionEventView, StatusName } from '../protocol/console-api.ts';
import type { Delivery } from './chat-store.ts';
import type { RequestState } from './request-store.ts';

export interface ActionWords {
  readonly name: string;
  readonly icon: string;
}

/** What can be asked of a customer, in the order a technician looks for it. */
export const actions: Readonly<Record<string, ActionWords>> = {
  'launch-desktop-viewing': { name: 'See the screen', icon: 'eye' },
  'launch-remote-control': { name: 'Control the computer', icon: 'mouse-pointer-2' },
  'clipboard-synchronisation': { name: 'Share the clipboard', icon: 'clipboard' },
  'send-files': { name: 'Send files', icon: 'upload' },
  'receive-files': { name: 'Fetch files', icon: 'download' },
  'launch-file-manager': { name: 'Look at files', icon: 'folder' },
  'view-system-information': { name: 'See system information', icon: 'info' },
  'send-urls': { name: 'Open a web page', icon: 'globe' },
  'deploy-scripts': { name: 'Run a script', icon: 'terminal' },
  reboot: { name: 'Restart the computer', icon: 'power' },
  'request-windows-credentials': { name: 'Use a Windows account', icon: 'key-round' },
  'share-technician-screen': { name: 'Show my screen', icon: 'monitor-up' },
  'record-sessions': { name: 'Record the session', icon: 'video' },
  'single-prompt': { name: 'One yes for everything', icon: 'list-checks' },
} satisfies Record<AskableAction, ActionWords>;

export const queueWords: Readonly<Record<QueueName, string>> = {
  incoming: 'Incoming',
  active: 'Active',
  'on-hold': 'On hold',
  closed: 'Closed',
};

export const statusWords: Readonly<Record<StatusName, string>> = {
  available: 'Available',
  busy: 'Busy',
  away: 'Away',
};

const states: Readonly<Record<string, string>> = {
  connecting: 'Not there yet',
  waiting: 'Waiting',
  active: 'Active',
  'on-hold': 'On hold',
  transferring: 'Being handed over',
  rebooting: 'Restarting',
  reconnecting: 'Connection lost',
  'timed-out': 'Timed out',
  closed: 'Closed',
};

/** Tone of a state's badge: a class of the look. */
const tones: Readonly<Record<string, string>> = {
  waiting: 'warn',
  active: 'good',
  transferring: 'warn',
  rebooting: 'warn',
  reconnecting: 'bad',
};

export const requestWords: Readonly<Record<RequestState, string>> = {
  sent: 'Asking …',
  asked: 'On the customer’s screen',
  allowed: 'Allowed, starting …',
  refused: 'The customer said no',
  silence: 'The customer did not answer',
  running: 'Running',
  ended: 'Ended',
};

const enders: Readonly<Record<string, string>> = {
  customer: 'Stopped by the customer',
  technician: 'Stopped by you',
  appliance: 'Stopped by the appliance',
  time: 'The time was up',
  link: 'Ended with the connection',
};

export const deliveryWords: Readonly<Record<Delivery, string>> = {
  storing: 'Being logged',
  stored: 'Waits for the connection',
  sent: 'Sent',
  delivered: 'Delivered',
  refused: 'Not taken',
};

/** What the log names; the chat, and what this console itself has said, stand elsewhere on the page. */
const events: Readonly<Record<string, string | null>> = {
  'session.created': 'Session made',
  'session.pin-made': 'PIN made',
  'session.pin-used': 'PIN typed',
  'session.link-made': 'Link made',
  'session.download': 'Program downloaded',
  'session.claimed': 'Customer came',
  'session.claimed-twice': 'Claimed a second time',
  'session.customer-lost': 'Customer’s connection lost',
  'session.customer-back': 'Customer is back',
  'session.returned-by-ticket': 'Customer is back after the restart',
  'session.picked-up': 'Picked up',
  'session.link-started': 'Connected end to end',
  'session.codes-compared': 'Codes compared',
  'session.codes-differ': 'Codes differ',
  'session.held': 'Put on hold',
  'session.resumed': 'Resumed',
  'session.offered': 'Offered to another technician',
  'session.queued': 'Handed to a channel',
  'session.taken-back': 'Taken back',
  'session.rebooting': 'Restart of the computer',
  'session.timed-out': 'Timed out',
  'session.ended': 'Ended',
  'action.consent': 'Answered',
  'action.asked': 'Asked',
  'action.granted': 'Allowed',
  'action.refused': 'Refused',
  'action.started': 'Started',
  'action.ended': 'Stopped',
  'action.monitor': 'Monitors shown',
  'action.mismatch': 'Console and program told the log different things',
  'action.chat-mismatch': 'A line stands differently in the two reports',
  'action.report-fork': 'The program’s reports contradict each other',
  'rights.granted': 'Right given',
  'rights.refused': 'Right refused',
  'rights.revoked': 'Rights taken back',
  'rights.customer-stopped': 'Stopped by the customer',
  'action.console-said': null,
  'action.chat': null,
  'chat.line': null,
};

export function actionName(action: string): string {
  return actions[action]?.name ?? plain(action);
}

export function stateName(state: string): string {
  return states[state] ?? plain(state);
}

export function stateTone(state: string): string {
  return tones[state] ?? '';
}

/** Why the customer's program did not even ask, or could not go on. */
const endReasons: Readonly<Record<string, string>> = {
  'not-possible-here': 'Not possible on this computer',
  'viewing-first': 'See the screen first',
  'too-many': 'Too much was asked for at a time',
  'no-window': 'The customer has no window in which he would see it',
  'rights-frozen': 'Rights are frozen until the appliance renews them',
  'appliance-away': 'The customer’s program can’t reach the appliance',
  'technician-unknown': 'The customer’s program does not know yet who you are',
  'customer-away': 'Nobody is at the customer’s screen',
  'codes-differ': 'The customer said that the codes differ',
  'codes-needed': 'The codes have to be compared first',
};

export function enderName(by: string): string {
  return enders[by] ?? plain(by);
}

export function endWords(by: string | null, reason: string | null): string {
  if (reason === null) return 'Ended';
  return endReasons[reason] ?? enderName(by ?? '');
}

/** The two sources of the log differ: somebody has an altered program, or an altered console. */
export const anomalies: readonly string[] = ['action.mismatch', 'action.chat-mismatch', 'action.report-fork'];

/** @returns null for what is not shown */
export function eventName(event: string): string | null {
  const known = events[event];
  return known === undefined ? plain(event.replace(/^\w+\./, '')) : known;
}

/** Of an event's details those a technician can use. */
const SHOWN_DETAILS: readonly string[] = ['action', 'answer', 'reason', 'note', 'platform', 'to', 'name', 'channel'];

/** What an event says beside its name, in one line. */
export function eventDetail({ event, detail }: SessionEventView): string {
  const said = Object.entries(detail).filter(([name, value]) => SHOWN_DETAILS.includes(name) && value !== null);
  const isMove = 'from' in detail && event !== 'session.offered'; // its name says where to
  const words = said
    .filter(([name, value]) => value !== '' && !(isMove && name === 'to'))
    .map(([name, value]) => (name === 'action' ? actionName(String(value)) : plain(String(value))));
  return words.join(', ');
}

export function platformName(platform: string | null): string {
  if (platform === 'linux-x64') return 'Linux program';
  if (platform === 'win-x64') return 'Windows program';
  return platform === 'browser' ? 'Browser, no download' : 'Not known yet';
}

/** `view-system-information` → `view system information`. */
function plain(name: string): string {
  return name.replaceAll('-', ' ').replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

/** 3:05, 1:02:03 */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

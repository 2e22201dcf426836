// The words of the customer's window: plain, short, and the same ones the receipt of an answer names (`consent.<action>.1`).
import type { AskableAction } from '../../protocol/consent.ts';
import type { NoticeKind, WindowPhase } from '../../protocol/customer-window.ts';

interface Action {
  /** In the report at the end. */
  readonly name: string;
  /** Asked as a question. */
  readonly question: string;
  /** What a yes means, and what not. */
  readonly meaning: string;
  /** While it goes on. */
  readonly running: string;
}

const actions: Readonly<Record<string, Action>> = {
  'launch-remote-control': {
    name: 'Control of this computer',
    question: 'Allow control of this computer?',
    meaning: 'The technician will see your screen and use mouse and keyboard. He can do all that you can do here.',
    running: 'Your computer is being controlled',
  },
  'launch-desktop-viewing': {
    name: 'Viewing the screen',
    question: 'Show your screen?',
    meaning: 'The technician will see everything on your screen. Close what is private first.',
    running: 'Your screen is being watched',
  },
  reboot: {
    name: 'Restart',
    question: 'Restart this computer?',
    meaning: 'Save your work first. Programs that are open will be closed.',
    running: 'This computer restarts',
  },
  'record-sessions': {
    name: 'Recording',
    question: 'Record this session?',
    meaning: 'What is seen on your screen will be kept as a film by the organisation.',
    running: 'This session is being recorded',
  },
  'send-files': {
    name: 'Files to this computer',
    question: 'Accept a file?',
    meaning: 'The technician wants to put a file onto this computer.',
    running: 'A file is being put onto your computer',
  },
  'receive-files': {
    name: 'Files from this computer',
    question: 'Give away a file?',
    meaning: 'The technician wants to fetch a file from this computer.',
    running: 'A file is being fetched from your computer',
  },
  'launch-file-manager': {
    name: 'Looking at files',
    question: 'Show your files?',
    meaning: 'The technician will see the names of your files and folders, and may ask for some of them.',
    running: 'Your files are being looked at',
  },
  'request-windows-credentials': {
    name: 'Use of a Windows account',
    question: 'Use a Windows account?',
    meaning: 'Windows will ask for a name and a password. The technician does not see what you type.',
    running: 'A Windows account is being used',
  },
  'send-urls': {
    name: 'Opening a web page',
    question: 'Open a web page?',
    meaning: 'A page the technician chose will open in your browser. Don’t type a password into it.',
    running: 'A web page was opened',
  },
  'clipboard-synchronisation': {
    name: 'Shared clipboard',
    question: 'Share your clipboard?',
    meaning: 'What you copy can be pasted by the technician, and the other way round.',
    running: 'Your clipboard is shared',
  },
  'view-system-information': {
    name: 'Facts about this computer',
    question: 'Show facts about this computer?',
    meaning: 'Its system, programs, memory and disks; not your files.',
    running: 'Facts about this computer are being read',
  },
  'deploy-scripts': {
    name: 'Running a script',
    question: 'Run a prepared script?',
    meaning: 'A script of the organisation will run on this computer with your rights.',
    running: 'A script is running',
  },
  'single-prompt': {
    name: 'Everything at once',
    question: 'Allow everything for this session?',
    meaning:
      'You won’t be asked again: the technician may see and control this computer and exchange files. You can still end everything at any moment.',
    running: 'Everything is allowed for this session',
  },
  'share-technician-screen': {
    name: 'Seeing the technician’s screen',
    question: 'See the technician’s screen?',
    meaning: 'You will see the technician’s screen. Nothing of yours is shown.',
    running: 'You see the technician’s screen',
  },
} satisfies Record<AskableAction, Action>;

/** An action this window has no words for is named as it is, never made to sound harmless. */
export function actionTexts(action: string): Action {
  const known = Object.hasOwn(actions, action) ? actions[action] : undefined;
  const meaning = 'If you don’t know what this means, say no.';
  return known ?? { name: `“${action}”`, question: `Allow “${action}”?`, meaning, running: `“${action}” is going on` };
}

export const phases: Readonly<Record<WindowPhase, { status: string; headline: string; explanation: string }>> = {
  start: {
    status: 'Not connected',
    headline: 'Ready when you are',
    explanation: 'Nothing is connected yet. Press Start only if you asked for help yourself.',
  },
  pin: {
    status: 'Not connected',
    headline: 'Type the code',
    explanation: 'The technician gives you a code of numbers. It only says who helps you; it is no password.',
  },
  connecting: {
    status: 'Connecting',
    headline: 'Connecting…',
    explanation: 'Looking for the support servers.',
  },
  waiting: {
    status: 'Nobody is here',
    headline: 'Waiting for a technician',
    explanation: 'Nobody sees your screen. You will be asked before anything happens.',
  },
  active: {
    status: 'Connected',
    headline: 'A technician is here',
    explanation: 'You will be asked before anything is seen or done. You can end it at any moment.',
  },
  ended: {
    status: 'Ended',
    headline: 'It has ended',
    explanation: 'Nobody is connected any more. You can close this window.',
  },
};

/** @param count where the notice counts something */
export function noticeText(kind: NoticeKind, count: number): string {
  if (kind !== 'failed-attempts') return notices[kind];
  return count === 1 ? `One attempt failed. ${notices[kind]}` : `${count} attempts failed. ${notices[kind]}`;
}

const notices: Readonly<Record<NoticeKind, string>> = {
  'no-gateway': 'The support servers can’t be reached just now.',
  'proxy-refused': 'The proxy of your network does not let this program out. Your IT can help.',
  'connection-lost': 'The connection to the support servers was lost. Nothing new can be allowed meanwhile.',
  'technician-lost': 'The connection to the technician was lost. Nothing can be done to your computer meanwhile.',
  'pin-refused': 'That code does not work. Ask the technician for a new one.',
  'code-expired': 'This download is too old, or is not for a session. Type the code from the technician.',
  'claimed-twice':
    'Somebody else used the same code. Compare the security codes by voice; until then only chat is possible.',
  'rights-frozen': 'The technician’s rights could not be confirmed. Everything is paused.',
  'failed-attempts': 'Somebody tried to connect to you and could not prove who he is. If it goes on, end everything.',
  'on-hold': 'The technician has paused. Nothing is done to your computer meanwhile.',
  'no-record': 'No record can be written on this computer, so nothing was begun. Is the disk full?',
  'codes-needed': 'Before your computer can be controlled, compare the security codes by voice.',
};

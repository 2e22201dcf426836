// How pages name permissions and policies, for whoever grants them: what a technician can do by it, with the customer's yes.
import type { Permission } from '../../permissions/decision.ts';
import type { PolicyKey } from '../../permissions/policy.ts';

interface Words {
  readonly name: string;
  readonly hint: string;
}

export const permissionWords: Readonly<Record<Permission, Words>> = {
  'launch-remote-control': { name: 'Control the computer', hint: 'Mouse and keyboard of the customer’s desktop.' },
  'launch-desktop-viewing': { name: 'See the screen', hint: 'Without touching anything.' },
  'clipboard-synchronisation': { name: 'Share the clipboard', hint: 'What one copies the other can paste.' },
  'launch-file-manager': { name: 'File manager', hint: 'Names of files and folders, and asking for some of them.' },
  'send-files': { name: 'Send files', hint: 'Put a file onto the customer’s computer.' },
  'receive-files': { name: 'Fetch files', hint: 'Take a file from the customer’s computer.' },
  'view-system-information': { name: 'System information', hint: 'System, programs, memory and disks.' },
  'send-urls': { name: 'Open a web page', hint: 'In the customer’s browser.' },
  'deploy-scripts': { name: 'Run scripts', hint: 'Prepared ones, with the customer’s rights.' },
  'request-windows-credentials': { name: 'Use a Windows account', hint: 'Ask for one to act with more rights.' },
  reboot: { name: 'Restart the computer', hint: 'And come back afterwards.' },
  'record-sessions': { name: 'Start a recording', hint: 'One that policy forces needs no permission.' },
  'share-technician-screen': { name: 'Show the own screen', hint: 'The customer sees the technician’s.' },
  'start-private-sessions': { name: 'Make sessions', hint: 'New ones with a PIN or a link.' },
  'transfer-sessions': { name: 'Hand sessions over', hint: 'To another technician or a queue.' },
  'single-prompt': { name: 'One yes for everything', hint: 'The customer is asked once, not for each step.' },
};

/** A choice of a policy, as forms spell it; `inherit` is beside these. */
interface Choice {
  readonly value: string;
  readonly label: string;
}

interface PolicyWords extends Words {
  /** None: a number is typed. */
  readonly choices: readonly Choice[] | null;
}

const yesNo = (yes: string, no: string): readonly Choice[] => [
  { value: 'true', label: yes },
  { value: 'false', label: no },
];

export const policyWords: Readonly<Record<PolicyKey, PolicyWords>> = {
  consentMinutes: {
    name: 'A yes is good for',
    hint: 'Minutes from 1 to 480; 0 for until the session ends. Empty: inherited.',
    choices: null,
  },
  forcedRecording: {
    name: 'Recording',
    hint: 'Forced: no picture and no input unless the recorder vouches for each second.',
    choices: yesNo('forced', 'not forced'),
  },
  pauseRecording: {
    name: 'Pausing a recording',
    hint: 'Technicians may stop it for a while and go on; the film and the log say when. Never where recording is forced.',
    choices: yesNo('technicians may', 'technicians may not'),
  },
  recordingFormat: {
    name: 'Recordings are kept as',
    hint: 'RCREC is exact and small and plays in the portal; AVI plays anywhere.',
    choices: [
      { value: 'both', label: 'RCREC and AVI' },
      { value: 'rcrec', label: 'RCREC' },
      { value: 'avi', label: 'AVI' },
    ],
  },
  codesMatch: {
    name: 'Comparing codes',
    hint: 'Required: no control before both have said that their codes are the same.',
    choices: yesNo('required', 'not required'),
  },
  storeChat: {
    name: 'Chat text',
    hint: 'Not kept: the log says that there was chat, never what.',
    choices: yesNo('kept', 'not kept'),
  },
  customerAway: {
    name: 'With nobody at the screen',
    hint: 'When the customer’s screen is locked, blank or another user’s. His program tells it; a browser can’t.',
    choices: [
      { value: 'continue', label: 'what runs goes on' },
      { value: 'view-only', label: 'only viewing goes on' },
      { value: 'end', label: 'everything stops' },
    ],
  },
};

/** A value as a page shows it. */
export function policyText(key: PolicyKey, value: string | number | boolean): string {
  if (key === 'consentMinutes')
    return value === 0 ? 'the whole session' : value === 1 ? 'one minute' : `${value} minutes`;
  return policyWords[key].choices?.find(choice => choice.value === String(value))?.label ?? String(value);
}

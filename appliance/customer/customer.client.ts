// The page of the entry without download: the customer's window over a Worker that runs the session. The secret it was given
// is taken out of the page at once and lives in memory alone: to load the page anew is to leave, and it says so before.
import { openCustomerWindow } from '../browser/customer-window.ts';
import type { Entry, Failure, FromWorker, ToWorker } from './entry-messages.ts';
import { ScreenShare } from './screen-share.client.ts';

const WORDS: Record<Failure | 'worker', { headline: string; explanation: string }> = {
  refused: {
    headline: 'This way in is not valid any more',
    explanation: 'Ask the technician for a new PIN, and type it on the first page. You can close this page.',
  },
  unsupported: {
    headline: 'This browser is too old for this',
    explanation: 'It takes Chrome or Edge 133, Firefox 130 or Safari 17, or newer. Go back and download the program.',
  },
  worker: {
    headline: 'This page has stopped working',
    explanation: 'Everything has ended. Ask the technician for a new PIN if you still need help.',
  },
};

/** The part of Trusted Types that is used; Firefox and Safari have none of it yet. */
interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

function open({ entry, worker: address }: { readonly entry: Entry; readonly worker: string }): void {
  let isOver = false;
  const worker = new Worker(trusted(address), { name: 'support' });
  const say = (message: ToWorker, transfer: Transferable[] = []) => worker.postMessage(message, transfer);
  const page = openCustomerWindow(document.body, command => say({ type: 'command', command }));
  const share = new ScreenShare(document.querySelector('main') ?? document.body, (message, transfer) =>
    say({ type: 'screen', message }, transfer),
  );
  const lost = (why: Failure | 'worker') => {
    isOver = true;
    page.lost(WORDS[why]);
  };
  worker.onerror = () => lost('worker');
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data.type === 'failed') return lost(data.why);
    if (data.type === 'screen') return share.handle(data.message);
    if (data.message.type === 'state') isOver = data.message.state.phase === 'ended';
    page.receive(data.message);
  };
  addEventListener('beforeunload', event => {
    if (!isOver) event.preventDefault(); // the browser asks: what runs here is lost with the page
  });
  addEventListener('pagehide', () => say({ type: 'command', command: { type: 'end' } }));
  say({ type: 'open', entry, host: location.hostname, language: navigator.language });
}

/** The one script this page may start is the one its own answer named. */
function trusted(address: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
  const refuse = () => {
    throw new TypeError('no other script is started here');
  };
  const policy = trustedTypes?.createPolicy('customer-worker', {
    createScriptURL: url => (url === address ? url : refuse()),
  });
  return policy?.createScriptURL(address) ?? address;
}

/** What the answer held: read once, and gone from the page. */
function take(): { entry: Entry; worker: string } {
  const { entry = '', worker = '' } = document.body.dataset;
  delete document.body.dataset.entry;
  return { entry: JSON.parse(entry), worker };
}

open(take());

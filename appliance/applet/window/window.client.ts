// The applet's page: opens the window (browser/customer-window.ts) over a WebSocket to the program that served it. It keeps
// nothing but the secret of this page, which is nowhere else: not in the address, not in storage, not in a cookie.
import { type CustomerWindow, openCustomerWindow } from '../../browser/customer-window.ts';
import type { ToWindow } from '../../protocol/customer-window.ts';

const RECONNECT_MS = 500;

const gone = {
  headline: 'This window has lost its program',
  explanation: 'Everything ends by itself within seconds if it does not come back. You can close this window.',
};
const usedUp = {
  headline: 'This window can’t be opened again',
  explanation: 'Its address works once only. If you need help, start the downloaded program again.',
};

let socket: WebSocket | null = null;
let hasEnded = false;

function connect(secret: string, page: CustomerWindow): void {
  const opening = new WebSocket(`ws://${location.host}/window`);
  socket = opening;
  opening.addEventListener('open', () => opening.send(secret));
  opening.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as ToWindow; // from our own applet: what we sent the secret to
    if (message.type === 'state') hasEnded = message.state.phase === 'ended';
    page.receive(message);
  });
  opening.addEventListener('close', () => {
    if (hasEnded) return;
    page.lost(gone);
    setTimeout(() => connect(secret, page), RECONNECT_MS);
  });
}

async function open(): Promise<void> {
  const code = location.hash.slice(1);
  history.replaceState(null, '', '/'); // the code was good once, and stays in no history
  const page = openCustomerWindow(document.body, command => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command));
  });
  const response = code === '' ? null : await fetch('/open', { method: 'POST', body: code });
  if (response?.ok) return connect(await response.text(), page);
  page.lost(usedUp);
}

await open();

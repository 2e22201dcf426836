// Shows the demo's virtual desktop and takes keys and pointer to it: the visitor plays the customer.
import RFB from '@novnc/novnc';

const place = document.querySelector<HTMLElement>('[data-stream]');
const state = document.querySelector<HTMLElement>('[data-state]');

function say(text: string): void {
  if (state === null) return;
  state.textContent = text;
  state.hidden = text === '';
}

function open(target: HTMLElement): void {
  // Stays in the address, so that the page can be loaded anew; browsers don't send what is after the `#`.
  const secret = location.hash.slice(1);
  if (!/^[A-Za-z0-9_-]{43}$/.test(secret)) {
    say('This address is not whole. Open customer.window of the READY line.');
    return;
  }
  say('Opening the customer’s desktop …');
  const address = `wss://${location.host}${target.dataset.stream ?? ''}`;
  const desktop = new RFB(target, address, { shared: true, wsProtocols: ['binary', `secret.${secret}`] });
  desktop.scaleViewport = true;
  desktop.background = 'transparent';
  desktop.addEventListener('connect', () => {
    say('');
    desktop.focus();
  });
  desktop.addEventListener('disconnect', () => {
    say(
      'The desktop is gone, or this is the address of an earlier start. Open customer.window of the last READY line.',
    );
  });
}

if (place !== null) open(place);

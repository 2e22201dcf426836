// A part of a page that renews itself. What has not changed is not touched, so that focus, selection, scrolling and what is
// unfolded stay as they are. Nothing is asked for while nobody looks.

const EVERY_MS = 10_000;

export function keepLive(part: HTMLElement, address: string): void {
  const state = document.querySelector('[data-live-state]');
  const say = (text: string) => {
    if (state !== null && state.textContent !== text) state.textContent = text;
  };
  const renew = () => {
    if (document.hidden) return;
    const asked = new XMLHttpRequest(); // makes a document without making markup of text, which our policy forbids
    asked.open('GET', address);
    asked.responseType = 'document';
    asked.timeout = EVERY_MS;
    asked.onload = () => {
      const body = asked.status === 200 && asked.responseURL.endsWith(address) ? asked.responseXML?.body : null;
      if (body === undefined || body === null) return say('What stands here is old: sign in again.');
      alignChildren(part, body);
      say('');
    };
    const missed = () => say('The appliance does not answer: what stands here is old. It is asked again.');
    asked.onerror = missed;
    asked.ontimeout = missed;
    asked.send();
  };
  setInterval(renew, EVERY_MS);
  document.addEventListener('visibilitychange', renew);
}

function alignChildren(now: Element, next: Element): void {
  const [old, wanted] = [[...now.childNodes], [...next.childNodes]];
  for (const [n, node] of wanted.entries()) {
    const known = old[n];
    if (known === undefined) now.append(document.importNode(node, true));
    else align(known, node);
  }
  for (const extra of old.slice(wanted.length)) extra.remove();
}

function align(now: ChildNode, next: ChildNode): void {
  if (now.isEqualNode(next)) return;
  if (!(now instanceof Element) || !(next instanceof Element) || now.nodeName !== next.nodeName) {
    now.replaceWith(document.importNode(next, true));
    return;
  }
  for (const { name } of [...now.attributes])
    if (!next.hasAttribute(name) && name !== 'open') now.removeAttribute(name);
  for (const { name, value } of [...next.attributes])
    if (now.getAttribute(name) !== value && name !== 'open') now.setAttribute(name, value);
  alignChildren(now, next);
}

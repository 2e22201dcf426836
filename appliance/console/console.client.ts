// The console's page: puts the parts together and hands them what a browser gives.
import { sealForLog } from '../browser/log-seal.ts';
import { systemClock } from '../clock.ts';
import { ConsoleApi } from './api.ts';
import { Attention } from './attention.ts';
import type { DecoderWorker } from './decoder-messages.ts';
import type { EventSocket } from './events.ts';
import type { LinkWorker } from './link-client.ts';
import type { RfbChannel } from './rfb-channel.ts';
import type { ScreenViewer, ViewerListener } from './screen-viewer.ts';
import { Settings } from './settings.ts';
import { SupportConsole } from './view/support-console.ts';
import { Workplace } from './workplace.ts';

const LOCK = 'support-console';
/** The page that was here before a reload lets go of it a moment after this one asks. */
const LOCK_WAIT_MS = 1000;

/** Trusted Types (W3C); browsers without them have no such policy to keep. */
interface PolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): object };
}

/** screen-viewer.client.ts */
interface ViewerModule {
  makeViewer(channel: RfbChannel, listener: ViewerListener, worker: DecoderWorker): ScreenViewer;
}

const place = document.querySelector<HTMLElement>('[data-console]');
if (place !== null) begin(place, place.dataset);

function begin(place: HTMLElement, { worker = '', viewer = '', decoder = '' }: DOMStringMap): void {
  const newWorker = workersOf([worker, decoder]);
  const settings = new Settings(localStorage);
  const api = new ConsoleApi({
    fetch: (...asked) => fetch(...asked),
    clock: systemClock,
    signedOut: () => workplace.signedOut(''),
  });
  const workplace: Workplace = new Workplace({
    ...{ api, clock: systemClock, seal: sealForLog, memory: sessionStorage },
    random: length => crypto.getRandomValues(new Uint8Array(length)),
    // The types of the DOM don't know what a Worker's message holds.
    makeWorker: () => newWorker(worker) as unknown as LinkWorker,
    makeViewer: async (channel, listener) => {
      const { makeViewer } = await loadViewer(viewer);
      return makeViewer(channel, listener, newWorker(decoder) as unknown as DecoderWorker);
    },
    openEvents: () => new WebSocket(`wss://${location.host}/technician/events`) as EventSocket,
    news: (news, session) => attention.tell(news, session),
  });
  const attention = new Attention(settings, id => workplace.show(id));
  const shell = new SupportConsole();
  shell.model = workplace;
  shell.settings = settings;
  shell.attention = attention;
  shell.takeOver = () => void holdAlone(workplace, true);
  place.replaceChildren(shell);
  watchSettings(settings);
  watchPage(workplace);
  void holdAlone(workplace, false);
}

/** Two consoles of one technician would take the links from each other: one tab of a browser has it. */
async function holdAlone(workplace: Workplace, steal: boolean): Promise<void> {
  const options = steal ? { steal: true } : { signal: AbortSignal.timeout(LOCK_WAIT_MS) };
  try {
    await navigator.locks.request(LOCK, options, () => {
      workplace.begin();
      return new Promise(() => undefined); // held until the page goes, or another tab takes it
    });
  } catch {
    workplace.moveElsewhere();
  }
}

/** Workers are made of the scripts the page was given, and of no other. */
function workersOf(urls: readonly string[]): (url: string) => Worker {
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
  const policy = trustedTypes?.createPolicy('workers', {
    createScriptURL: url => {
      if (!urls.includes(url)) throw new TypeError('that is no script of a Worker');
      return url;
    },
  });
  // The types of the DOM know of no trusted address yet.
  return url => new Worker((policy?.createScriptURL(url) ?? url) as string);
}

/** A script of its own, for it comes late and awaits at its top level. */
async function loadViewer(url: string): Promise<ViewerModule> {
  return await import(url);
}

function watchSettings(settings: Settings): void {
  const show = () => {
    const { theme, density } = settings.values;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.density = density;
  };
  settings.changes.on(show);
  show();
}

function watchPage(workplace: Workplace): void {
  const look = () => {
    const isLookedAt = document.visibilityState === 'visible';
    workplace.lookedAt(isLookedAt);
    if (isLookedAt) workplace.hurry();
  };
  document.addEventListener('visibilitychange', look);
  // Before the picture, which keeps the keys it gets: whoever works in it is at work.
  for (const press of ['keydown', 'pointerdown'])
    addEventListener(press, () => workplace.touched(), { passive: true, capture: true });
  addEventListener('online', () => workplace.hurry());
  addEventListener('pagehide', () => workplace.close());
  addEventListener('pageshow', event => {
    if (event.persisted) location.reload(); // from the back-forward cache, with its connections gone
  });
  const title = document.title;
  workplace.changes.on(() => {
    const { unread } = workplace;
    document.title = unread > 0 ? `(${unread}) ${title}` : title;
  });
}

// The Worker of the entry without download: the very session the applet runs, with what a browser gives it. In a Worker
// because the timers of a page that is not in front are held back, and the link says every 200 ms that it is alive.
import { webCrypto } from '../browser/web-crypto.ts';
import { systemClock } from '../clock.ts';
import { CustomerSession } from '../customer-core/customer-session.ts';
import { MemoryHostLog } from '../customer-core/host-log.ts';
import { WindowModel } from '../customer-core/window-model.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, sessionGuidFrom } from '../guid.ts';
import { UNACKNOWLEDGED_BYTES } from '../link/limits.ts';
import type { WindowCommand } from '../protocol/customer-window.ts';
import { browserCodecs } from './browser-codecs.ts';
import type { FromWorker, PublishedKey, ToWorker } from './entry-messages.ts';
import { GatewaySockets } from './gateway-sockets.ts';
import { makeSessionKey } from './session-key.ts';
import { SharedScreens } from './shared-screen.ts';
import { newStreamHash } from './stream-hash.ts';

const tell = (message: FromWorker) => {
  postMessage(message);
};
const screens = new SharedScreens(message => tell({ type: 'screen', message }));
let session: CustomerSession | null = null;
let isOpened = false;

addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'command') return command(data.command);
  if (data.type === 'screen') return screens.handle(data.message);
  if (isOpened) return;
  isOpened = true;
  void open(data);
});

async function open({ entry, host, language }: Extract<ToWorker, { type: 'open' }>): Promise<void> {
  try {
    session = new CustomerSession(await optionsFor(entry, host, language));
  } catch {
    return tell({ type: 'failed', why: 'unsupported' }); // what it takes is a browser of the last years
  }
  try {
    await session.start();
  } catch (error) {
    if (!(error instanceof ApplianceError)) throw error;
    if (error.code === 'leg.refused') tell({ type: 'failed', why: 'refused' }); // else the customer has ended it himself
  }
}

async function optionsFor(entry: Extract<ToWorker, { type: 'open' }>['entry'], host: string, language: string) {
  const { organisation, gateways } = entry;
  const key = await makeSessionKey();
  (await webCrypto.generateKeyPair()).erase(); // X25519: better to know now
  const view = new WindowModel(organisation);
  view.update({ phase: 'connecting' });
  view.follow(message => tell({ type: 'window', message }));
  const sockets = new GatewaySockets(host, gateways);
  return {
    ...{ clock: systemClock, crypto: webCrypto, key, view, language, organisation },
    entry: { kind: 'guid', guid: sessionGuidFrom(fromBase64Url(entry.guid)) },
    platform: 'browser',
    keys: entry.keys.map(pinned),
    recording: { keys: entry.receiptKeys.map(pinned), newHash: newStreamHash },
    gateways: gateways.map(({ id }) => id),
    openLeg: (gateway: string) => sockets.openLeg(gateway),
    openRelay: (leg: Parameters<GatewaySockets['openRelay']>[0]) => sockets.openRelay(leg),
    openHostLog: () => new MemoryHostLog(),
    actions: new Map(),
    desktop: {
      codecs: browserCodecs,
      openScreen: () => screens.open(),
      openInput: null,
      openClipboard: null,
      watchPresence: null,
    },
    unacknowledgedBytes: UNACKNOWLEDGED_BYTES.browser,
    over: () => undefined, // the window shows it, with the report
  } as const;
}

const pinned = ({ kid, spki }: PublishedKey) => ({ kid, publicKey: fromBase64Url(spki) });

function command(asked: WindowCommand): void {
  if (session === null) return;
  switch (asked.type) {
    case 'answer':
      session.answer(asked.consentId, asked.answer);
      break;
    case 'chat':
      session.chat(asked.text);
      break;
    case 'typing':
      session.typing(asked.typing);
      break;
    case 'codes':
      session.codes(asked.match);
      break;
    case 'stop':
      session.stop(asked.id);
      break;
    case 'pause':
      session.pause(asked.paused);
      break;
    case 'end':
      void session.end('customer');
      break;
    case 'start':
    case 'pin': // the press that led here was the start
  }
}

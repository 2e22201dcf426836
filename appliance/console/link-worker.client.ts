// The Worker of one session's link: the runner with what a browser gives it.
import { openRelaySocket, openWebSocket } from '../browser/relay-socket.ts';
import { webCrypto } from '../browser/web-crypto.ts';
import { systemClock } from '../clock.ts';
import { RECORDER_PATH, RECORDER_PROTOCOL } from '../protocol/recorder-socket.ts';
import { ConsoleApi } from './api.ts';
import type { FromLinkWorker, ToLinkWorker } from './link-messages.ts';
import { LinkRunner } from './link-runner.ts';

const tell = (message: FromLinkWorker, handedOver: readonly ArrayBuffer[] = []) => {
  postMessage(message, { transfer: [...handedOver] });
};
let runner: LinkRunner | null = null;

addEventListener('message', ({ data }: MessageEvent<ToLinkWorker>) => {
  if (data.type === 'start') start(data.sessionId);
  else runner?.handle(data);
});

function start(sessionId: string): void {
  if (runner !== null) return;
  const signedOut = () => tell({ type: 'signed-out' });
  const api = new ConsoleApi({ fetch: (...asked) => fetch(...asked), clock: systemClock, signedOut });
  runner = new LinkRunner({
    ...{ sessionId, crypto: webCrypto, clock: systemClock, openSocket: openRelaySocket, tell },
    openRecorder: async () => {
      const { token } = await api.recordingToken(sessionId);
      return openWebSocket(`wss://${location.host}${RECORDER_PATH}`, [RECORDER_PROTOCOL, `token.${token}`]);
    },
    api: {
      link: () => api.link(sessionId),
      certify: asked => api.certify(sessionId, asked),
      relay: wish => api.relay(sessionId, wish),
    },
  });
  void runner.run();
}

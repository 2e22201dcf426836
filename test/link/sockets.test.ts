// The link over real WebSockets, sent as the applet sends them: masked with zeroes, so that `ws` keeps our very bytes until
// the kernel has taken them. What a record's memory is used for again must not show.
import { createHash, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../appliance/clock.ts';
import { Link } from '../../appliance/link/link.ts';
import { WebSocketPath } from '../../appliance/link/web-socket-path.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { bytesOf, Collector, hex, nextStream, testSession } from './support.ts';

const MESSAGES = 40;
const MESSAGE_BYTES = 250_000;

/** Two ends of a WebSocket in this process. */
async function socketPair() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const accepted = new Promise<WebSocket>(resolve => server.once('connection', resolve));
  const options = { perMessageDeflate: false, generateMask: (mask: Buffer) => void mask.fill(0) };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, options);
  const opened = new Promise<WebSocketPath>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => resolve(new WebSocketPath('relay', socket, systemClock)));
  });
  const console = new WebSocketPath('relay', await accepted, systemClock);
  return { console, applet: await opened, cut: () => socket.terminate(), close: () => server.close() };
}

const digest = (bytes: Bytes) => hex(createHash('sha256').update(bytes).digest());

test('B-03 J-02 megabytes both ways over real sockets arrive as they were sent, and one socket may be killed in the middle', async t => {
  const session = testSession();
  const [first, second] = [await socketPair(), await socketPair()];
  const [applet, console] = await Promise.all([
    Link.acceptApplet(session.options('applet'), first.applet),
    Link.connectConsole(session.options('console'), first.console),
  ]);
  await Promise.all([console.attachPath(second.console), applet.attachPath(second.applet)]);
  const out = console.openStream('screen', 3);
  const back = await nextStream(applet);
  const [there, here] = [new Collector(back), new Collector(out)];
  const sent: string[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    const message = bytesOf(randomBytes(MESSAGE_BYTES));
    sent.push(digest(message));
    out.send(message);
    back.send(message);
    await Promise.all([there.until(Math.max(0, i - 4)), here.until(Math.max(0, i - 4))]); // a few are always under way
    if (i === MESSAGES / 2) first.cut();
  }
  await Promise.all([there.until(MESSAGES), here.until(MESSAGES)]);
  t.deepEqual(there.messages.map(digest), sent);
  t.deepEqual(here.messages.map(digest), sent);
  t.is(console.paths.length, 1);
  console.close();
  applet.close();
  for (const pair of [first, second]) pair.close();
});

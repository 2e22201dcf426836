import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, request as openRequest } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readGatewayList } from '../../appliance/applet/gateways.ts';
import { GatewayList } from '../../appliance/gateway/gateway-list.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { makeListKey, signedList } from '../applet/test-gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { readBody } from '../support/test-edge.ts';

const DAY_MS = 86_400_000;
const key = makeListKey();
const gateways = [
  { id: 'gateway-1', host: 'applet.support.example.test', port: 443 },
  { id: 'gateway-2', host: 'applet.support.example.test', port: 8444 },
];

/** A list in front of a portal that answers as `portal` does, which a test can change. */
class ListAtWork {
  readonly clock = new ManualClock();
  readonly metrics = new Metrics();
  readonly list: GatewayList;
  readonly asked: string[] = [];
  readonly #folder = new TempFolder();
  readonly #servers = [createServer((request, response) => this.#answerAsPortal(request, response))];
  portal: RequestListener = (_request, response) => response.end(signedList(key, gateways, this.clock.now()));

  private constructor(t: ExecutionContext) {
    const socketPath = join(this.#folder.path, 'internal.sock');
    this.#servers[0]?.listen(socketPath);
    this.list = new GatewayList({ socketPath, clock: this.clock, log: silentLog, metrics: this.metrics });
    const front = createServer((request, response) => void this.list.answer(request, response));
    front.listen(join(this.#folder.path, 'front.sock'));
    this.#servers.push(front);
    t.teardown(() => {
      this.list.close();
      for (const server of this.#servers) {
        server.closeAllConnections();
        server.close();
      }
      this.#folder[Symbol.dispose]();
    });
  }

  static start(t: ExecutionContext): ListAtWork {
    return new ListAtWork(t);
  }

  ask(method = 'GET'): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
    return new Promise((resolve, reject) => {
      const asking = openRequest({ socketPath: join(this.#folder.path, 'front.sock'), method, agent: false }, reply => {
        readBody(reply).then(body => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body }), reject);
      });
      asking.once('error', reject).end();
    });
  }

  #answerAsPortal(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(`${request.method} ${request.url}`);
    this.portal(request, response);
  }
}

test('F-02 the gateway gives the portal’s list as an applet reads it, and nothing keeps it on the way', async t => {
  const at = ListAtWork.start(t);
  const { status, headers, body } = await at.ask();
  t.is(status, 200);
  t.is(headers['cache-control'], 'no-store');
  t.is(headers['content-type'], 'application/json');
  t.deepEqual(readGatewayList(body, [key.info], at.clock.now()), gateways);
  t.deepEqual(at.asked, ['GET /internal/gateway-list']);
});

test('F-02 a list that is kept is given while the portal is away, until it is over', async t => {
  const at = ListAtWork.start(t);
  const first = await at.ask();
  at.portal = (_request, response) => response.destroy();
  at.clock.advance(DAY_MS - 1000);
  await at.list.refresh();
  const later = await at.ask();
  t.is(later.status, 200);
  t.is(later.body, first.body);
  at.clock.advance(1000);
  t.is((await at.ask()).status, 503);
  t.regex(at.metrics.text(), /gateway_list_answers_total\{outcome="none"\} 1/);
});

test('F-02 it is asked for again every minute and when it is told to, so that a change shows', async t => {
  const at = ListAtWork.start(t);
  await at.ask();
  const [one = { id: '', host: '', port: 1 }] = gateways;
  at.portal = (_request, response) => response.end(signedList(key, [one], at.clock.now()));
  at.clock.advance(60_000);
  await at.list.refresh(); // the one under way
  t.is(at.asked.length, 2);
  t.deepEqual(readGatewayList((await at.ask()).body, [key.info], at.clock.now()), [one]);
});

test('F-02 with nothing kept and no portal it is 503, and the portal is found again when it is back', async t => {
  const at = ListAtWork.start(t);
  at.portal = (_request, response) => response.destroy();
  await at.list.refresh();
  at.clock.advance(1000);
  const refused = await at.ask();
  t.is(refused.status, 503);
  t.is(refused.headers['cache-control'], 'no-store');
  at.portal = (_request, response) => response.end(signedList(key, gateways, at.clock.now()));
  at.clock.advance(1000);
  t.is((await at.ask()).status, 200);
});

test('F-02 attack: a flood of requests asks an absent portal once a second', async t => {
  const at = ListAtWork.start(t);
  at.portal = (_request, response) => response.writeHead(503).end();
  await at.list.refresh();
  at.clock.advance(1000);
  const answers = await Promise.all(Array.from({ length: 200 }, () => at.ask()));
  t.true(answers.every(({ status }) => status === 503));
  t.is(at.asked.length, 2);
});

test('F-02 attack: what is no signed list is not kept, however long or odd it is', async t => {
  const good = JSON.parse(signedList(key, gateways, Date.UTC(2026, 5, 1)));
  const odd: readonly string[] = [
    'not JSON',
    '[]',
    JSON.stringify({ ...good, more: 1 }),
    JSON.stringify({ ...good, payload: 'not base64url!' }),
    JSON.stringify({ ...good, payload: Buffer.from('{"v":1}').toString('base64url') }),
    JSON.stringify({ ...good, payload: 'A'.repeat(200_000) }),
  ];
  const at = ListAtWork.start(t);
  at.portal = (_request, response) => response.writeHead(404).end();
  await at.list.refresh();
  for (const text of odd) {
    at.portal = (_request, response) => response.end(text);
    at.clock.advance(1000);
    t.is((await at.ask()).status, 503, text.slice(0, 60));
  }
});

test('F-02 only GET is answered', async t => {
  const at = ListAtWork.start(t);
  t.is((await at.ask('POST')).status, 405);
});

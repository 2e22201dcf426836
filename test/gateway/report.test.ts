// What a gateway says of itself: over a real relay, to a portal's socket.
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { startReports } from '../../appliance/gateway/report.ts';
import { createLog } from '../../appliance/log.ts';
import { GatewayReport } from '../../appliance/portal/status/gateway-book.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { readBody } from '../support/test-edge.ts';
import { startRelay } from '../support/test-relay.ts';

const EVERY_MS = 10_000;

/** Answers in turn; the last answer stays. */
async function listen(t: ExecutionContext, ...answers: ((response: ServerResponse) => void)[]) {
  const folder = new TempFolder();
  const socketPath = join(folder.path, 'portal-internal.sock');
  const reports: GatewayReport[] = [];
  let told = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    t.is(`${request.method} ${request.url}`, 'POST /internal/gateway-report');
    reports.push(GatewayReport.parse(JSON.parse(await readBody(request)))); // as the portal reads it
    const answer = answers[Math.min(reports.length, answers.length) - 1];
    response.once('close', () => {
      told.resolve();
      told = Promise.withResolvers();
    });
    answer?.(response);
  });
  await new Promise<void>(resolve => server.listen(socketPath, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    folder[Symbol.dispose]();
  });
  return { socketPath, reports, next: () => told.promise };
}

test('A-06 a gateway says at once and every ten seconds what it relays, also of sessions that have ended', async t => {
  await using relay = await startRelay();
  const portal = await listen(t, response => response.end('{}'));
  const clock = new ManualClock();
  const [log, id] = [createLog('test', { write: () => undefined }), 'gateway-1'];
  const first = portal.next();
  const end = startReports({ socketPath: portal.socketPath, id, relay: relay.relay, clock, log });
  await first;
  const technician = await relay.attach('console', 'p');
  const applet = await relay.attach('applet', 'p');
  applet.send('seven b');
  await technician.next();
  const second = portal.next();
  clock.advance(EVERY_MS);
  await second;
  technician.socket.destroy();
  await applet.closeCode();
  const third = portal.next();
  clock.advance(EVERY_MS);
  await third;
  const [none, live, over] = portal.reports;
  t.deepEqual(none, { id, relayedBytes: 0, relays: 0 });
  t.like(live, { relays: 1 });
  t.true((live?.relayedBytes ?? 0) >= 'seven b'.length);
  t.is(over?.relays, 0);
  t.true((over?.relayedBytes ?? 0) >= (live?.relayedBytes ?? 0), 'it does not count backwards');
  end();
  clock.advance(EVERY_MS);
  t.is(clock.timers, 0);
});

test('H-03 control-without-stream: a relay the portal names is closed on both legs, and no other', async t => {
  await using relay = await startRelay();
  const portal = await listen(t, response => response.end(JSON.stringify({ close: ['p', 'gone'] })));
  const [technician, applet, other] = [
    await relay.attach('console', 'p'),
    await relay.attach('applet', 'p'),
    await relay.attach('console', 'q'),
  ];
  const log = createLog('test', { write: () => undefined });
  const clock = new ManualClock();
  t.teardown(startReports({ socketPath: portal.socketPath, id: 'gateway-1', relay: relay.relay, clock, log }));
  t.deepEqual(
    [await technician.closeCode(), await applet.closeCode()],
    [1008, 4001],
    'the second as when the first has left',
  );
  t.is(relay.relay.pairs, 1);
  other.socket.destroy();
});

test('A-06 a portal that is away is told of once, asked again, and told of when it is back', async t => {
  await using relay = await startRelay();
  const refuse = (response: ServerResponse) => response.writeHead(503).end();
  const portal = await listen(t, refuse, refuse, response => response.end('{}'), refuse);
  const clock = new ManualClock();
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const write = (line: string) => {
    lines.push(JSON.parse(line).event);
    for (const go of waiting.splice(0)) go();
  };
  const untilLines = async (count: number) => {
    while (lines.length < count) await new Promise<void>(resolve => waiting.push(resolve));
  };
  const log = createLog('test', { write });
  const end = startReports({ socketPath: portal.socketPath, id: 'gateway-1', relay: relay.relay, clock, log });
  t.teardown(end);
  await untilLines(1);
  const told = portal.next();
  clock.advance(EVERY_MS);
  await told;
  clock.advance(EVERY_MS);
  await untilLines(2);
  clock.advance(EVERY_MS);
  await untilLines(3);
  t.deepEqual(lines, ['gateway.report-unheard', 'gateway.report-heard', 'gateway.report-unheard']);
  t.is(portal.reports.length, 4);
});

// The gateway process: `node appliance/bin/gateway.ts --data DIR --id gateway-1`.
// SIGHUP reads names and certificates again, as does a change of their files; SIGTERM and SIGINT end it within 3 s.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { CONFIG_FILE, readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { answer } from '../gateway/answers.ts';
import { Edge } from '../gateway/edge.ts';
import { FileWatch } from '../gateway/file-watch.ts';
import { GATEWAY_LIST_PATH, GatewayList } from '../gateway/gateway-list.ts';
import { HandOff } from '../gateway/hand-off.ts';
import { OwnOrigins } from '../gateway/own-origins.ts';
import { portalAuthoriser } from '../gateway/portal-authoriser.ts';
import { Relay } from '../gateway/relay.ts';
import { startReports } from '../gateway/report.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { APPLET_LEG_PATH } from '../protocol/applet-leg.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: join(import.meta.dirname, '..', '..', '.data') },
    id: { type: 'string', default: 'gateway-1' },
  },
});
const dataFolder = resolve(values.data);
const log = createLog(values.id);

try {
  await serve();
} catch (error) {
  const hint = error instanceof ApplianceError ? error.hint : '';
  log.error('gateway.start-failed', { error: describeError(error), hint });
  process.exit(1);
}

async function serve(): Promise<void> {
  const metrics = new Metrics();
  const socketPath = join(dataFolder, 'run', 'portal-internal.sock');
  const shared = { clock: systemClock, log, metrics };
  const config = readConfig(dataFolder);
  const origins = new OwnOrigins(config);
  const list = new GatewayList({ socketPath, ...shared });
  const relay = new Relay({ authorise: portalAuthoriser(socketPath), origins, ...shared });
  const handOff = new HandOff({ socketPath, id: values.id, origins, ...shared });
  const edge = new Edge({
    config,
    id: values.id,
    dataFolder,
    ...shared,
    own: {
      request: (request, response) => {
        if (request.url === GATEWAY_LIST_PATH) void list.answer(request, response);
        else answer(request, response, 404);
      },
      upgrade: (request, socket, head) => {
        const to = request.url === APPLET_LEG_PATH ? handOff : relay;
        to.upgrade(request, socket, head);
      },
    },
  });
  await edge.listen();
  const endReports = startReports({ socketPath, id: values.id, relay, clock: systemClock, log });
  process.on('SIGHUP', () => reload(edge, list, origins));
  const watch = new FileWatch(
    systemClock,
    () => [join(dataFolder, CONFIG_FILE)],
    () => reload(edge, list, origins),
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      endReports();
      watch.close();
      list.close();
      for (const legs of [relay, handOff]) legs.close(); // first: they are told before their connections end
      void end(edge);
    });
  }
  process.send?.('ready');
}

/** A configuration that can't be read leaves the one that works. */
function reload(edge: Edge, list: GatewayList, origins: OwnOrigins): void {
  try {
    const config = readConfig(dataFolder);
    origins.replace(config);
    void edge.reload(config);
    void list.refresh(); // names and gateways stand in it
  } catch (error) {
    log.error('gateway.reload-failed', { error: describeError(error) });
  }
}

async function end(edge: Edge): Promise<void> {
  try {
    await edge.close();
    process.exit(0);
  } catch (error) {
    log.error('gateway.close-failed', { error: describeError(error) });
    process.exit(1);
  }
}

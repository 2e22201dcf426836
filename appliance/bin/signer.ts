// Process `signer`: holds the private keys (pki/README.md). `node appliance/bin/signer.ts --data DIR`
// Where processes have their own users: `--portal-uid N --recorder-uid N`; else all are this process's own.
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AppletBuilds } from '../applet/builds.ts';
import { type BuildWish, configurationFor, ORDER_FILE, parseOrder } from '../applet/order.ts';
import { systemClock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { codeSigningPaths, readAppletTrust } from '../pki/applet-trust.ts';
import { Signer } from '../pki/signer.ts';
import { SignerServer } from '../pki/signer-server.ts';

const log = createLog('signer');

function parseUid(text: string | undefined): number {
  if (text === undefined) return process.getuid?.() ?? 0;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ApplianceError('malformed', 'signer.flags', `a user id is a number, not ${text}`);
}

/** What the owner of the machine ordered, with the trust our own keys stand for. */
async function readWish(dataFolder: string): Promise<BuildWish | undefined> {
  const path = join(dataFolder, ORDER_FILE);
  if (!existsSync(path)) return undefined;
  const { uid, mode } = statSync(path);
  if (![0, process.getuid?.()].includes(uid) || (mode & 0o022) !== 0) {
    throw new ApplianceError('refused', 'applet.order-exposed', `others can write to ${path}`, {
      hint: 'Nothing is built from it. Find out who has changed it, then give it back to its owner, mode 0600.',
    });
  }
  const order = parseOrder(readFileSync(path, 'utf8'));
  const configuration = configurationFor(order, readAppletTrust(dataFolder));
  return { template: order.template, configuration, keys: codeSigningPaths(dataFolder) };
}

/** In a process of its own, which ends when we do; `signal` ends it and the tools it has started. */
function buildElsewhere(folder: string, wish: BuildWish, signal: AbortSignal): Promise<void> {
  const child = fork(join(import.meta.dirname, 'build-applet.ts'), [], { stdio: 'inherit' });
  const stop = () => child.connected && child.disconnect();
  signal.addEventListener('abort', stop, { once: true });
  return new Promise((resolve, reject) => {
    let said = { code: 'applet.build-ended', message: 'the build ended without a word', hint: '' };
    child.on('message', message => {
      said = message as typeof said; // from our own child
    });
    child.once('error', reject);
    child.once('exit', code => {
      signal.removeEventListener('abort', stop);
      if (code === 0) resolve();
      else reject(new ApplianceError('unavailable', said.code, said.message, { hint: said.hint }));
    });
    child.send({ ...wish, folder });
  });
}

try {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: join(import.meta.dirname, '..', '..', '.data') },
      'portal-uid': { type: 'string' },
      'recorder-uid': { type: 'string' },
    },
  });
  const dataFolder = resolve(values.data);
  const folder = join(dataFolder, 'applet');
  const applets = new AppletBuilds({
    ...{ folder, clock: systemClock, log },
    readWish: () => readWish(dataFolder),
    build: (wish, signal) => buildElsewhere(folder, wish, signal),
  });
  const buildApplet = () => applets.keep();
  const signer = new Signer({ dataFolder, clock: systemClock, log, metrics: new Metrics(), buildApplet });
  const run = join(dataFolder, 'run');
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const users = { portal: parseUid(values['portal-uid']), recorder: parseUid(values['recorder-uid']) };
  const server = new SignerServer({ signer, socketPath: join(run, 'signer.sock'), users, log });
  await server.listen();
  log.info('signer.ready', { portalUid: users.portal, recorderUid: users.recorder });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      Promise.all([server.close(), applets.close()]).then(
        () => {
          signer.close();
          process.exit(0);
        },
        error => {
          log.error('signer.close-failed', { error: describeError(error) });
          process.exit(1);
        },
      );
    });
  }
  process.send?.('ready');
} catch (error) {
  const hint = error instanceof ApplianceError ? error.hint : '';
  log.error('signer.start-failed', { error: describeError(error), hint });
  process.exit(1);
}

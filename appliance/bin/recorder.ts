// Process `recorder`: `node appliance/bin/recorder.ts --data DIR`. It draws what customers' computers send, so it holds no
// key and opens no store: receipts are the signer's, sessions the portal's.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { SignerClient } from '../pki/signer-client.ts';
import { AviMaker } from '../recording/avi-maker.ts';
import { convertIn } from '../recording/avi-process.ts';
import { RecordingPortal } from '../recording/portal-client.ts';
import { RecorderServer } from '../recording/receive.ts';
import { RecordingShare } from '../recording/recording-share.ts';
import { Recordings } from '../recording/recordings.ts';

const CLOSE_TIMEOUT_MS = 2800;
const { values } = parseArgs({
  options: { data: { type: 'string', default: join(import.meta.dirname, '..', '..', '.data') } },
});
const log = createLog('recorder');
process.umask(0o027);

try {
  await record(resolve(values.data));
} catch (error) {
  const hint = error instanceof ApplianceError ? error.hint : '';
  log.error('recorder.start-failed', { error: describeError(error), hint });
  process.exit(1);
}

async function record(dataFolder: string): Promise<void> {
  const run = (name: string) => join(dataFolder, 'run', name);
  const metrics = new Metrics();
  const shared = { clock: systemClock, log, metrics };
  const { recording } = readConfig(dataFolder);
  const portal = new RecordingPortal(run('portal-internal.sock'));
  const share = new RecordingShare(recording.folder ?? join(dataFolder, 'recordings'));
  const recordings = new Recordings({
    ...{ ...shared, portal, share, journalFolder: join(dataFolder, 'recorder') },
    signer: new SignerClient({ socketPath: run('signer.sock') }),
  });
  const avis = new AviMaker({ ...shared, share, portal, convert: convertIn(join(import.meta.dirname, 'make-avi.ts')) });
  const server = new RecorderServer({
    ...{ ...shared, recordings, avis, socketPath: run('recorder.sock') },
    authorise: (digest, address) => portal.authorise(digest, address),
  });
  await recordings.start();
  avis.start();
  await server.listen();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS).unref(); // what was proved is on the disk already
      void end(server, recordings, avis);
    });
  }
  log.info('recorder.ready');
  process.send?.('ready');
}

async function end(server: RecorderServer, recordings: Recordings, avis: AviMaker): Promise<void> {
  await avis.close();
  await server.close();
  await recordings.close();
  process.exit(0);
}

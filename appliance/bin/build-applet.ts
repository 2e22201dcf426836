// Builds the applets, as a child of the signer: it is told what by the signer alone, over the channel they share, and ends
// with it. Started by hand it does nothing.
import { setPriority } from 'node:os';
import { buildApplet } from '../applet/build.ts';
import type { BuildWish } from '../applet/order.ts';
import { systemClock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { createLog } from '../log.ts';

const POLITE = 10; // live sessions come first

const log = createLog('signer');
const stopping = new AbortController();

async function build({ folder, ...wish }: BuildWish & { readonly folder: string }): Promise<void> {
  const built = (platform: string, durationMs: number) => log.info('applet.built', { platform, durationMs });
  try {
    await buildApplet({ ...wish, folder, clock: systemClock, built, signal: stopping.signal });
    process.exit(0);
  } catch (error) {
    const { code, hint } = error instanceof ApplianceError ? error : { code: 'appliance.defect', hint: '' };
    process.send?.({ code, message: describeError(error), hint }, () => process.exit(1));
  }
}

/** What is half done the next build sweeps. */
function stop(): void {
  stopping.abort(); // the tools at work are killed by this
  process.exit(1);
}

if (process.send === undefined) {
  process.stderr.write('build-applet: the signer starts this\n');
  process.exit(2);
}
setPriority(POLITE);
process.umask(0o077);
for (const event of ['disconnect', 'SIGTERM', 'SIGINT']) process.once(event, stop);
process.once('message', order => void build(order as BuildWish & { folder: string })); // from the signer, which has checked it

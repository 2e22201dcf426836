// Process `helper`: the one that runs as root (DESIGN 12.10), without a store, keys or network.
// `node appliance/bin/helper.ts --socket PATH --portal-uid N --smb-conf PATH --share-state PATH [--group NAME]`
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { createLog } from '../log.ts';
import { ShareHelper } from '../recording/share-helper.ts';
import { ShareLog } from '../recording/share-log.ts';
import { SmbAccounts } from '../recording/smb-accounts.ts';

const log = createLog('helper');
process.umask(0o077);

try {
  const text = { type: 'string' } as const;
  const paths = { socket: text, 'smb-conf': text, 'share-state': text };
  const options = { ...paths, 'portal-uid': text, group: { ...text, default: 'auditors' } };
  const { socket = '', 'portal-uid': uid = '', group, ...given } = parseArgs({ options }).values;
  const { 'smb-conf': configuration = '', 'share-state': state = '' } = given;
  if (![socket, configuration, state].every(path => path.startsWith('/')) || !/^\d{1,9}$/.test(uid))
    throw new ApplianceError(
      'malformed',
      'helper.flags',
      '--socket PATH --portal-uid N --smb-conf PATH --share-state PATH',
    );
  const accounts = new SmbAccounts({ configuration, group });
  const monotonic = () => systemClock.monotonic();
  const helper = new ShareHelper({
    accounts,
    opens: new ShareLog(state),
    socketPath: socket,
    portal: Number(uid),
    log,
    monotonic,
  });
  rmSync(socket, { force: true }); // its folder is root's own
  await helper.listen();
  chownSync(socket, Number(uid), 0);
  chmodSync(socket, 0o600);
  log.info('helper.ready');
  process.send?.('ready');
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void helper.close().then(() => process.exit(0)));
} catch (error) {
  log.error('helper.start-failed', { error: describeError(error) });
  process.exit(1);
}

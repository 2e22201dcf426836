// The customer's program. Everything it trusts comes out of its own signed part; its arguments are not read.
import { getAsset, isSea } from 'node:sea';
import { systemClock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { CONFIGURATION_ASSET, parseConfiguration } from './configuration.ts';
import { isOwnConnection } from './connection-owner.ts';
import { hostLogFolder } from './host-log-file.ts';
import { startNodeSession } from './node-session.ts';
import { readOwnTag } from './own-tag.ts';
import { AppletProgram } from './program.ts';
import { SystemDesktop } from './system-desktop.ts';
import type { WindowFile } from './window-answers.ts';

async function main(): Promise<void> {
  if (!isSea()) throw new ApplianceError('defect', 'applet.not-built', 'the applet runs from its signed file only');
  const configuration = parseConfiguration(getAsset(CONFIGURATION_ASSET, 'utf8'));
  const keys = configuration.keys.tag.map(({ spki }) => spki);
  const platform = process.platform === 'win32' ? 'win-x64' : 'linux-x64';
  const program = new AppletProgram({
    configuration,
    tag: readOwnTag(process.execPath, { platform, keys, now: systemClock.now() }),
    windowFiles: readWindowFiles(),
    clock: systemClock,
    environment: process.env,
    desktop: new SystemDesktop({
      ...{ clock: systemClock, environment: process.env },
      readAddon: name => new Uint8Array(getAsset(name)),
      warn: why => process.stderr.write(`${why}\n`),
    }),
    logFolder: hostLogFolder(configuration.organisation),
    isOwn: isOwnConnection,
    startSession: startNodeSession,
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => void program.close('shut-down'));
  }
  await program.start();
  await program.closed;
  process.exit(0); // a timer that still waits has nothing left to do
}

function readWindowFiles(): Map<string, WindowFile> {
  const asset = (name: string, type: WindowFile['type']) => ({ type, body: getAsset(name, 'utf8') });
  return new Map([
    ['/', asset('window.html', 'text/html; charset=utf-8')],
    ['/window.css', asset('window.css', 'text/css; charset=utf-8')],
    ['/window.js', asset('window.js', 'text/javascript; charset=utf-8')],
  ]);
}

main().catch(error => {
  const text = error instanceof ApplianceError ? `${error.message}. ${error.hint}` : 'the program is damaged';
  process.stderr.write(`Remote support could not start: ${text}\n`);
  process.exit(1);
});

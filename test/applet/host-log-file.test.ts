import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { findBrowser, openBrowser } from '../../appliance/applet/browser.ts';
import { HostLogFile, hostLogFolder } from '../../appliance/applet/host-log-file.ts';
import { customerReport } from '../../appliance/customer-core/host-log.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { fileIn } from './desktop.ts';

const sid = sessionIdFrom(new Uint8Array(16).fill(3));
const startedAt = Date.UTC(2026, 4, 1, 9, 30);

test('G-07 each line is in the file at once, for the customer’s eyes only, and the report is beside it', t => {
  using temp = new TempFolder();
  const folder = join(temp.path, 'state/example-support');
  const log = new HostLogFile({ folder, sid, startedAt });
  log.write({ at: startedAt, event: 'session-started' });
  log.write({ at: startedAt + 1, event: 'technician-connected', technician: 'Ann\n{"event":"forged"}' });
  const lines = readFileSync(log.path, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  t.deepEqual(
    lines.map(({ event }) => event),
    ['session-started', 'technician-connected'],
  );
  t.is(statSync(log.path).mode & 0o777, 0o600);
  t.is(statSync(folder).mode & 0o777, 0o700);
  const facts = { sid, organisation: 'Example', appletKey: 'k', startedAt, endedAt: startedAt + 60_000, logHead: 'h' };
  const path = log.report(customerReport({ ...facts, lines: log.lines }));
  t.is(JSON.parse(readFileSync(path, 'utf8')).session, sid);
  t.is(statSync(path).mode & 0o777, 0o600);
  log.close();
  log.close();
  t.is(readdirSync(folder).length, 2);
});

test('G-07 attack: a link laid where the log will be is not followed', t => {
  using temp = new TempFolder();
  const first = new HostLogFile({ folder: join(temp.path, 'a'), sid, startedAt });
  first.close();
  const folder = join(temp.path, 'b');
  mkdirSync(folder);
  const victim = join(temp.path, 'victim');
  symlinkSync(victim, join(folder, first.path.split('/').at(-1) ?? ''));
  t.throws(() => new HostLogFile({ folder, sid, startedAt }), { code: 'EEXIST' });
  t.false(existsSync(victim));
});

test('G-07 logs of long ago make room, and nothing else in the folder is touched', t => {
  using temp = new TempFolder();
  for (let n = 0; n < 120; n++) writeFileSync(join(temp.path, `session-2025-${String(n).padStart(3, '0')}.log`), '');
  writeFileSync(join(temp.path, 'mine.txt'), '');
  const log = new HostLogFile({ folder: temp.path, sid, startedAt });
  log.close();
  const left = readdirSync(temp.path);
  t.is(left.length, 101);
  t.true(left.includes('mine.txt') && left.includes(log.path.split('/').at(-1) ?? ''));
  t.false(left.includes('session-2025-000.log'));
});

test('G-07 the folder is named after the organisation, and a name can’t lead elsewhere', t => {
  t.is(hostLogFolder('Städtische Werke', {}, '/home/ann'), '/home/ann/.local/state/stadtische-werke-support');
  t.is(hostLogFolder('../../etc', { XDG_STATE_HOME: '/state' }, '/home/ann'), '/state/etc-support');
  t.is(hostLogFolder('', { XDG_STATE_HOME: 'relative' }, '/home/ann'), '/home/ann/.local/state/support');
});

test('F-01 attack: a browser lying beside the download is not started, and none at all is said', async t => {
  using temp = new TempFolder();
  writeFileSync(join(temp.path, 'chromium'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(temp.path, 'google-chrome'), 'no program', { mode: 0o644 });
  t.is(findBrowser({ PATH: '.:relative::' }), undefined);
  t.is(findBrowser({ PATH: `/nowhere:${temp.path}` }), join(temp.path, 'chromium'));
  await t.throwsAsync(openBrowser('http://127.0.0.1:1/', { PATH: '' }), { code: 'window.no-browser' });
});

test('F-07 without an app window the system’s own way to open pages is taken', async t => {
  using temp = new TempFolder();
  const seen = join(temp.path, 'seen');
  writeFileSync(
    join(temp.path, 'xdg-open'),
    `#!/bin/sh\nprintf '%s' "$1" > ${seen}.part && mv ${seen}.part ${seen}\n`,
    { mode: 0o755 },
  );
  const { kind } = await openBrowser('http://127.0.0.1:1/#code', { PATH: temp.path });
  t.is(kind, 'default-browser');
  t.is(await fileIn(temp.path, 'seen'), 'http://127.0.0.1:1/#code');
});

// What a running appliance shows of itself to its machine: every listener it has opened, every file it has written.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'ava';
import { PortalClient } from '../../appliance/jobs/portal-client.ts';
import { signInAs } from '../portal/ask-as.ts';
import { type Appliance, freePort, startAppliance } from '../support/appliance.ts';
import { LOOPBACK, openListeners } from '../support/listeners.ts';
import { scanTls } from '../support/sslscan.ts';
import { TempFolder } from '../support/temp-folder.ts';

/** A user with no name and no files; not `nobody`, who is the customer in other tests and is watched there. */
const STRANGER = ['--reuid=65533', '--regid=65533', '--clear-groups'];
const ASK_TIMEOUT_MS = 10_000;
/** What is certainly in the store: whom we made, what was done, and the tables themselves. */
const OURS = [
  'master-admin@demo.example',
  'Demo technician',
  'login.succeeded',
  'CREATE TABLE',
  'audit_entry',
  '$scrypt$',
];

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));
}

/** Which of our texts strings(1) finds in a file, in any of the encodings SQLite writes. */
function textsIn(path: string): string[] {
  const found = ['s', 'l', 'b'].map(encoding =>
    spawnSync('strings', ['--all', `--encoding=${encoding}`, path], { encoding: 'utf8', maxBuffer: 2 ** 28 }),
  );
  const text = found.map(({ stdout }) => stdout).join('\n');
  return OURS.filter(ours => text.includes(ours));
}

let appliance: Appliance;
const ports = Promise.all([freePort(), freePort()]).then(([redirectPort, metricsPort]) => ({
  redirectPort,
  metricsPort,
}));
test.before(async () => {
  appliance = await startUsed();
});
test.after.always(() => appliance?.close());

/** An appliance in which something has happened, and of which the jobs process has made its first backup. */
async function startUsed(): Promise<Appliance> {
  const appliance = await startAppliance({ accounts: true, listen: await ports });
  try {
    await signInAs(appliance, appliance.accounts?.['master-admin']);
    const internal = new PortalClient(join(appliance.dataFolder, 'run', 'portal-internal.sock'));
    const made = async () => JSON.stringify(await internal.ask('GET', '/internal/backups', ASK_TIMEOUT_MS));
    while (!(await made()).includes('verifiedAt')); // ava's own time limit is the deadline
    return appliance;
  } catch (error) {
    await appliance.close();
    throw error;
  }
}

test.serial(
  'B-01 every listener of every process is TLS with the two suites, or says nothing to the network',
  async t => {
    const { redirectPort, metricsPort } = await ports;
    const pids = Object.values(appliance.processes).map(({ pid }) => pid);
    const listeners = openListeners(pids);
    t.deepEqual(
      listeners.map(({ protocol, port }) => `${protocol} ${port}`).sort(),
      [appliance.port, appliance.settingsPort, redirectPort, metricsPort].map(port => `tcp ${port}`).sort(),
    );
    t.is(listeners.find(({ port }) => port === metricsPort)?.address, LOOPBACK);
    for (const { port } of listeners.filter(({ port }) => port !== redirectPort && port !== metricsPort)) {
      for (const name of ['localhost', 'applet.localhost', 'unknown.example']) {
        const { versions, suites } = await scanTls(port, name);
        t.deepEqual(versions, ['tls1.2', 'tls1.3'], name);
        t.deepEqual(suites, ['TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384', 'TLSv1.3 TLS_AES_256_GCM_SHA384'], name);
      }
    }
    // The one port without TLS has nothing to give but the way to the other, and takes nothing in.
    const answer = await fetch(`http://127.0.0.1:${redirectPort}/sign-in`, { redirect: 'manual' });
    t.deepEqual([answer.status, await answer.text()], [308, '']);
    t.true(answer.headers.get('location')?.startsWith('https://'));
  },
);

test.serial('B-05 no text of ours stands in any file of a used appliance, and a plain sqlite3 opens none', async t => {
  const { dataFolder } = appliance;
  const files = ['store', 'backups'].flatMap(name => filesBelow(join(dataFolder, name)));
  t.true(files.some(path => path.endsWith('core.db')) && files.some(path => path.endsWith('-wal')));
  t.true(files.some(path => path.includes('/backups/')));
  for (const path of files) t.deepEqual(textsIn(path), [], relative(dataFolder, path));
  for (const path of files.filter(name => name.endsWith('.db'))) {
    using copy = new TempFolder(); // the original must not meet a second opener
    copyFileSync(path, join(copy.path, 'copy.db'));
    const { status, stdout, stderr } = spawnSync('sqlite3', [join(copy.path, 'copy.db'), '.schema'], {
      encoding: 'utf8',
    });
    t.deepEqual([status === 0, stdout], [false, ''], relative(dataFolder, path));
    t.regex(stderr, /not a database/);
  }
  // The same look finds them where they do stand: this test can fail.
  using plain = new TempFolder();
  const path = join(plain.path, 'plain.db');
  spawnSync('sqlite3', [path, 'CREATE TABLE audit_entry (a); INSERT INTO audit_entry VALUES ("Demo technician")']);
  t.deepEqual(textsIn(path), ['Demo technician', 'CREATE TABLE', 'audit_entry']);
});

test.serial('A-03 no key and no file of ours is readable by another user, even where the data folder is', async t => {
  const { dataFolder } = appliance;
  t.is(statSync(dataFolder).mode & 0o077, 0);
  chmodSync(dataFolder, 0o755); // its own mode must not be all that protects them
  const isPublic = (path: string) => relative(dataFolder, path).startsWith('public/');
  const open = filesBelow(dataFolder).filter(path => {
    const { status } = spawnSync('setpriv', [...STRANGER, 'cat', path], { stdio: 'ignore' });
    return status === 0;
  });
  t.deepEqual(
    open.filter(path => !isPublic(path)),
    [],
  );
  const privateModes = filesBelow(dataFolder).filter(path => !isPublic(path) && (statSync(path).mode & 0o077) !== 0);
  t.deepEqual(privateModes, []);
  const sockets = readdirSync(join(dataFolder, 'run')).filter(name => name.endsWith('.sock'));
  t.true(sockets.length >= 3);
  for (const name of sockets) {
    const { status } = spawnSync('setpriv', [...STRANGER, 'test', '-w', join(dataFolder, 'run', name)]);
    t.not(status, 0, name);
  }
  // That user does read what is open: the look itself works.
  writeFileSync(join(dataFolder, 'open'), '', { mode: 0o644 });
  t.is(spawnSync('setpriv', [...STRANGER, 'cat', join(dataFolder, 'open')]).status, 0);
});

// Erasures that end with the process that does them.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { Erasures } from '../../appliance/audit/erasures.ts';
import { exportLog } from '../../appliance/audit/export.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import type { SessionId } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { readLedger } from '../../appliance/store/erasure-ledger.ts';
import { Store } from '../../appliance/store/store.ts';
import { newId, openSessions } from '../sessions/open-sessions.ts';
import { MIGRATIONS } from '../support/store.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SESSIONS = 4 * ROUNDS;
/** So many are done, and so much of the next one, when it is killed. */
const [MAX_DONE, MAX_MS] = [3, 25];

/** Erases what is not done, and is killed in the middle of it. @returns those it said are done */
async function killEraser(args: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['test/faults/session-eraser.ts', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = 1 + randomInt(MAX_DONE);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    if (said.split('\n').length > lines) setTimeout(() => child.kill('SIGKILL'), randomInt(MAX_MS));
  });
  await once(child, 'close');
  return said.split('\n').slice(1, -1);
}

/** Sessions with a line of chat and a film, that are over; nobody has the store open when this returns. */
async function makeSessions() {
  const at = await openSessions();
  const dataFolder = dirname(at.folder);
  const finished = join(dataFolder, 'recordings/finished/2026/06/01');
  mkdirSync(finished, { recursive: true });
  const ids: SessionId[] = [];
  for (let n = 0; n < SESSIONS; n++) {
    const { id, owner } = await at.active();
    await at.chat.add(id, { lineId: newId(), author: 'technician', text: 'text', actor: owner });
    await at.sessions.end(id, owner, 'solved');
    for (const ending of ['.rcrec', '.manifest.json'])
      writeFileSync(join(finished, `080000-${id}-${newId()}${ending}`), 'x');
    ids.push(id);
  }
  await at.audit.close();
  await at.store.close();
  return { ...at, dataFolder, ids };
}

/** The next process, which goes on with what was begun. */
async function open({ folder, dataFolder, keys, clock, signer }: Awaited<ReturnType<typeof makeSessions>>) {
  const shared = { clock, log: silentLog };
  const store = await Store.open({
    ...{ folder, backups: join(dataFolder, 'backups'), keys, migrations: MIGRATIONS, metrics: new Metrics() },
    ...shared,
  });
  const config = { headEveryEntries: 1000, headEverySeconds: 60 };
  const audit = new AuditLog({ store, sessions: new SessionFacts(store), signer, config, ...shared });
  await audit.start();
  const films = new KeptRecordings(join(dataFolder, 'recordings'));
  const sessions = new EndedSessions(store);
  const erasures = new Erasures({ store, audit, films, sessions, ...shared });
  await erasures.start();
  const close = async () => {
    for (const part of [erasures, audit, store]) await part.close();
    rmSync(dataFolder, { recursive: true });
  };
  return { store, audit, sessions, erasures, close };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** All of it is gone, or nothing. */
async function isWhole(t: ExecutionContext, at: Opened, id: SessionId, isErased: boolean, files: readonly string[]) {
  t.is(
    files.some(name => name.includes(id)),
    !isErased,
  );
  t.is(await at.sessions.exists(id), !isErased);
  const sealing = at.store.sessionKeys.seal(id, 'x', new Uint8Array(1));
  if (isErased) await t.throwsAsync(sealing, { code: 'session-key.destroyed' });
  else await t.notThrowsAsync(sealing);
  const entries = await at.audit.search({ sessionId: id, event: 'session.eras', limit: 10 });
  const events = entries.map(({ entry }) => entry.event);
  t.deepEqual(events, isErased ? ['session.erased', 'session.erasure-asked'] : []);
}

test(`K-01 an eraser killed ${ROUNDS} times: what was asked for is erased whole, what was not is whole`, async t => {
  const made = await makeSessions();
  const { dataFolder, folder, ids, keys, signer } = made;
  const hex = [keys.store, keys.keyEncryption].map(one => Buffer.from(one).toString('hex'));
  const done = new Set<string>();
  for (let round = 0; round < ROUNDS; round++)
    for (const id of await killEraser([dataFolder, ...hex, ids.join(',')])) done.add(id);

  const at = await open(made);
  const asked: SessionId[] = [];
  for (const id of ids) {
    if ((await at.erasures.find(id)) === undefined) continue;
    asked.push(id);
    while ((await at.erasures.find(id))?.doneAt === null) await new Promise(resolve => setImmediate(resolve));
  }
  const files = readdirSync(join(dataFolder, 'recordings'), { recursive: true, encoding: 'utf8' });
  for (const id of ids) await isWhole(t, at, id, asked.includes(id), files);
  t.true(
    [...done].every(id => asked.includes(id as SessionId)),
    'nothing that was told done is forgotten',
  );
  for (const where of [folder, join(dataFolder, 'backups')]) {
    const named = new Set(readLedger(join(where, 'erasure-ledger.jsonl')).map(({ sessionId }) => sessionId));
    t.deepEqual(named, new Set(asked));
  }
  await at.audit.signHead();
  const verifier = new LogVerifier(signer.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  for await (const line of exportLog(at.store)) verifier.line(line);
  const { ok, problems } = verifier.finish();
  t.true(ok, JSON.stringify(problems));
  t.log(`${asked.length} of ${SESSIONS} asked for, ${done.size} of them told done before a kill`);
  await at.close();
});

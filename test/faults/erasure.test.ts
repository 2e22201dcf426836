// Erasures that end with the process that does them.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
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
const MAX_MS = 300;

/** Erases what is not done, and is killed within some milliseconds of having begun. @returns those it said are done */
async function killEraser(args: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['test/faults/session-eraser.ts', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), randomInt(MAX_MS));
    said += chunk;
  });
  await once(child, 'close');
  return said.split('\n').slice(1, -1);
}

test(`K-01 an eraser killed ${ROUNDS} times: what was asked for is erased whole, what was not is whole`, async t => {
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
  const { store: key, keyEncryption } = at.keys;
  const hex = [key, keyEncryption].map(one => Buffer.from(one).toString('hex'));
  const done = new Set<string>();
  for (let round = 0; round < ROUNDS; round++)
    for (const id of await killEraser([dataFolder, ...hex, ids.join(',')])) done.add(id);

  const options = { clock: at.clock, log: silentLog };
  const store = await Store.open({
    ...{ folder: at.folder, backups: join(dataFolder, 'backups'), keys: at.keys, migrations: MIGRATIONS },
    ...{ metrics: new Metrics(), ...options },
  });
  const { signer } = at;
  const audit = new AuditLog({
    store,
    sessions: new SessionFacts(store),
    signer,
    config: { headEveryEntries: 1000, headEverySeconds: 60 },
    ...options,
  });
  await audit.start();
  const films = new KeptRecordings(join(dataFolder, 'recordings'));
  const sessions = new EndedSessions(store);
  const erasures = new Erasures({ store, audit, films, sessions, ...options });
  await erasures.start();
  const asked: SessionId[] = [];
  for (const id of ids) {
    if ((await erasures.find(id)) === undefined) continue;
    asked.push(id);
    while ((await erasures.find(id))?.doneAt === null) await new Promise(resolve => setImmediate(resolve));
  }
  const files = readdirSync(join(dataFolder, 'recordings'), { recursive: true, encoding: 'utf8' });
  for (const id of ids) {
    const isAsked = asked.includes(id);
    t.is(
      files.some(name => name.includes(id)),
      !isAsked,
    );
    t.is(await sessions.exists(id), !isAsked);
    const sealing = store.sessionKeys.seal(id, 'x', new Uint8Array(1));
    if (isAsked) await t.throwsAsync(sealing, { code: 'session-key.destroyed' });
    else await t.notThrowsAsync(sealing);
    const entries = await audit.search({ sessionId: id, event: 'session.eras', limit: 10 });
    const events = entries.map(({ entry }) => entry.event);
    t.deepEqual(events, isAsked ? ['session.erased', 'session.erasure-asked'] : []);
  }
  t.true(
    [...done].every(id => asked.includes(id as SessionId)),
    'nothing that was told done is forgotten',
  );
  for (const folder of [at.folder, join(dataFolder, 'backups')]) {
    const named = new Set(readLedger(join(folder, 'erasure-ledger.jsonl')).map(({ sessionId }) => sessionId));
    t.deepEqual(named, new Set(asked));
  }
  await audit.signHead();
  const verifier = new LogVerifier(signer.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  for await (const line of exportLog(store)) verifier.line(line);
  const { ok, problems } = verifier.finish();
  t.true(ok, JSON.stringify(problems));
  t.log(`${asked.length} of ${SESSIONS} asked for, ${done.size} of them told done before a kill`);
  for (const part of [erasures, audit, store]) await part.close();
});

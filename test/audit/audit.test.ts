import { randomBytes } from 'node:crypto';
import test from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { type AuditEvent, applianceActor, bodyLabel } from '../../appliance/audit/entry.ts';
import { exportLog } from '../../appliance/audit/export.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { openTestAudit, type TestAudit } from '../support/audit.ts';

const anyone = { kind: 'anyone', id: null, name: 'someone@example.com', address: '192.0.2.7' } as const;
const refused: AuditEvent = { event: 'login.refused', actor: anyone, detail: { reason: 'password' } };

async function append(at: TestAudit, events: readonly AuditEvent[]): Promise<void> {
  for (const event of events) await at.store.core.transaction(tx => at.audit.append(tx, event));
}

async function exported(at: TestAudit): Promise<string[]> {
  await at.audit.signHead();
  const lines: string[] = [];
  for await (const line of exportLog(at.store, { bodies: true })) lines.push(line);
  return lines;
}

function pem(at: TestAudit): string {
  return at.signer.publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

function verdictOf(at: TestAudit, lines: readonly string[], kept: { seq: number; hash: string }[] = []) {
  const verifier = new LogVerifier(pem(at), kept);
  for (const line of lines) verifier.line(line);
  return verifier.finish();
}

test('G-03 entries are chained, moved and verified', async t => {
  const at = await openTestAudit();
  await append(
    at,
    Array.from({ length: 25 }, () => refused),
  );
  const verdict = verdictOf(at, await exported(at));
  t.deepEqual(verdict, {
    ok: true,
    entries: 25,
    firstSeq: 1,
    lastSeq: 25,
    signedSeq: 25,
    start: 'first',
    problems: [],
  });
  await at.close();
});

test('G-03 the entries of one act are written together, in their order, with what comes after them', async t => {
  const at = await openTestAudit();
  const many = (count: number) =>
    at.store.core.transaction(async tx => {
      const seqs: number[] = [];
      for (let n = 0; n < count; n++) seqs.push((await at.audit.append(tx, { ...refused, subject: `${n}` })).seq);
      return seqs;
    });
  const [first, , last] = await Promise.all([many(300), many(1), many(2)]);
  t.deepEqual(
    first,
    [...Array(300).keys()].map(n => n + 1),
  );
  t.deepEqual(last, [302, 303]);
  t.deepEqual(verdictOf(at, await exported(at)).problems, []);
  t.is((await at.entries()).length, 303);
  await at.close();
});

test('G-03 an act that is taken back leaves no entry and no hole', async t => {
  const at = await openTestAudit();
  await append(at, [refused]);
  await t.throwsAsync(
    at.store.core.transaction(async tx => {
      await at.audit.append(tx, refused);
      throw new Error('the act failed');
    }),
  );
  await append(at, [refused]);
  t.deepEqual(
    (await at.entries()).map(entry => entry.seq),
    [1, 2],
  );
  t.true(verdictOf(at, await exported(at)).ok);
  await at.close();
});

test('G-03 failing and succeeding acts of one group stay one chain', async t => {
  const at = await openTestAudit();
  const acts = Array.from({ length: 200 }, (_, n) =>
    at.store.core.transaction(async tx => {
      await at.audit.append(tx, refused);
      if (n % 3 === 0) throw new Error('the act failed');
    }),
  );
  const failed = (await Promise.allSettled(acts)).filter(result => result.status === 'rejected').length;
  const verdict = verdictOf(at, await exported(at));
  t.is(verdict.entries, 200 - failed);
  t.true(verdict.ok);
  await at.close();
});

test('G-03 the chain goes on after a restart, in one log', async t => {
  const at = await openTestAudit();
  await append(at, [refused, refused]);
  await at.audit.close();
  const again = new AuditLog({
    sessions: new SessionFacts(at.store),
    store: at.store,
    signer: at.signer,
    clock: at.clock,
    log: silentLog,
    config: { headEveryEntries: 10, headEverySeconds: 60 },
  });
  await again.start();
  await at.store.core.transaction(tx => again.append(tx, refused));
  await again.close();
  const verdict = verdictOf(at, await exported(at));
  t.like(verdict, { ok: true, entries: 3, signedSeq: 3 });
  await at.close();
});

test('G-03 months follow each other; a clock set back does not tear the chain', async t => {
  const at = await openTestAudit();
  await append(at, [refused]);
  await at.audit.move();
  at.clock.advance(35 * 86_400_000);
  await append(at, [refused]);
  await at.audit.move();
  at.clock.advance(-10 * 86_400_000);
  await append(at, [refused]);
  t.like(verdictOf(at, await exported(at)), { ok: true, entries: 3 });
  t.deepEqual(at.store.months(), ['202606', '202607']);
  await at.close();
});

test('G-04 what was written behind a clock that was set back is found by its time', async t => {
  const at = await openTestAudit();
  const YEARS_MS = 10 * 365 * 86_400_000;
  const written = async (ms: number) => {
    at.clock.skip(ms);
    await append(at, [refused]);
    await at.audit.move();
  };
  const until = async (time: number) =>
    (await at.audit.search({ until: time, limit: 10 })).map(({ entry }) => entry.seq);
  const july = Date.UTC(2026, 6, 1);
  await written(july + 10_000 - at.clock.now());
  await written(-20_000); // over the edge of the month
  t.deepEqual(await until(july), [2]);
  await written(YEARS_MS);
  await written(-YEARS_MS); // and from a month that is still to come
  t.deepEqual(await until(at.clock.now() + 1), [4, 2]);
  const while2026 = at.clock.now() + 1;
  at.clock.skip(YEARS_MS + 86_400_000); // that month has come, and is over
  t.deepEqual(await until(while2026), [4, 2]);
  await at.close();
});

const attacks: Record<string, { damage: (lines: string[]) => string[]; code: string; seq: number }> = {
  'changed entry': { damage: lines => replaced(lines, 5, 'login.refused', 'login.succeeded'), code: 'changed', seq: 5 },
  'removed entry': { damage: lines => lines.filter(line => !line.includes('"seq":5,')), code: 'hole', seq: 5 },
  'reordered entries': { damage: lines => swapped(lines, 5, 6), code: 'hole', seq: 5 },
  'inserted entry': { damage: lines => lines.toSpliced(6, 0, lines[5] ?? ''), code: 'order', seq: 5 },
  'changed address': { damage: lines => replaced(lines, 7, '192.0.2.7', '192.0.2.8'), code: 'changed', seq: 7 },
  'cut tail': {
    damage: lines => lines.filter(line => !/"entry".*"seq":(9|10),/.test(line)),
    code: 'tail-cut',
    seq: 10,
  },
};

function replaced(lines: string[], seq: number, from: string, to: string): string[] {
  return lines.map(line => (line.includes(`"seq":${seq},`) ? line.replace(from, to) : line));
}

function swapped(lines: string[], a: number, b: number): string[] {
  const [first, second] = [lines[a] ?? '', lines[b] ?? ''];
  return lines.with(a, second).with(b, first);
}

for (const [name, { damage, code, seq }] of Object.entries(attacks)) {
  test(`G-03 attack: ${name} is found and named`, async t => {
    const at = await openTestAudit();
    await append(
      at,
      Array.from({ length: 10 }, () => refused),
    );
    const lines = await exported(at);
    const verdict = verdictOf(at, damage(lines));
    t.false(verdict.ok);
    t.like(verdict.problems[0], { code, seq });
    await at.close();
  });
}

test('G-03 attack: a log rewritten whole is found with a head kept elsewhere', async t => {
  const [honest, forged] = [await openTestAudit(), await openTestAudit()];
  await append(
    honest,
    Array.from({ length: 5 }, () => refused),
  );
  await append(
    forged,
    Array.from({ length: 5 }, () => ({ ...refused, detail: { reason: 'unknown' } })),
  );
  const kept = (await honest.entries()).map(({ seq, hash }) => ({ seq, hash })).slice(3, 4);
  const lines = await exported(forged); // signed by one who holds the key
  t.true(verdictOf(forged, lines).ok);
  t.like(verdictOf(forged, lines, kept).problems[0], { code: 'head-differs', seq: 4 });
  t.like(verdictOf(honest, lines).problems.at(0), { code: 'head-signature' });
  await honest.close();
  await forged.close();
});

test('G-03 hostile lines are named and never throw', async t => {
  const at = await openTestAudit();
  await append(at, [refused]);
  const lines = await exported(at);
  const junk = [
    '{',
    '[]',
    'null',
    '{"type":"entry"}',
    `{"type":"start","version":1,"seq":-1,"hash":""}`,
    'x'.repeat(600_000),
  ];
  const verdict = verdictOf(at, [...lines, ...junk]);
  t.is(verdict.problems.filter(problem => problem.code === 'malformed').length, junk.length);
  await at.close();
});

test('B-05 a body is sealed to its place in the log, and the chain outlives its erasure', async t => {
  const at = await openTestAudit();
  const sessionId = sessionIdFrom(randomBytes(16));
  await at.store.sessionKeys.create(sessionId);
  const body = Buffer.from('my password is on the note');
  await append(at, [{ event: 'chat.line', actor: anyone, sessionId, body }]);
  const [stored] = await at.audit.search({ sessionId, limit: 10 });
  if (stored?.body == null) return t.fail('no body');
  t.false(Buffer.from(stored.body).includes('password'));
  const { log, seq } = stored.entry;
  t.deepEqual(Buffer.from(await at.store.sessionKeys.open(sessionId, bodyLabel(log, seq), stored.body)), body);
  await at.store.sessionKeys.destroy(sessionId);
  t.true(verdictOf(at, await exported(at)).ok);
  await at.close();
});

test('G-02 the log is searched by time, event, actor and session, page by page', async t => {
  const at = await openTestAudit();
  const member = { kind: 'member', id: 'm1', name: 'Ada', address: '192.0.2.1' } as const;
  await append(at, [refused, { event: 'login.succeeded', actor: member }, { event: 'member.created', actor: member }]);
  await at.audit.move();
  at.clock.advance(40 * 86_400_000);
  await append(at, [
    { event: 'login.succeeded', actor: member },
    { event: 'backup.made', actor: applianceActor },
  ]);
  const seqs = async (query: Parameters<AuditLog['search']>[0]) => (await at.audit.search(query)).map(x => x.entry.seq);
  t.deepEqual(await seqs({ limit: 10 }), [5, 4, 3, 2, 1]);
  t.deepEqual(await seqs({ limit: 2, before: 4 }), [3, 2]);
  t.deepEqual(await seqs({ limit: 10, event: 'login.' }), [4, 2, 1]);
  t.deepEqual(await seqs({ limit: 10, actorId: 'm1', event: 'login.succeeded' }), [4, 2]);
  t.deepEqual(await seqs({ limit: 10, until: at.clock.now() - 86_400_000 }), [3, 2, 1]);
  t.deepEqual(await seqs({ limit: 10, from: at.clock.now() - 86_400_000 }), [5, 4]);
  await at.close();
});

test('G-03 an export from the middle verifies from there', async t => {
  const at = await openTestAudit();
  await append(
    at,
    Array.from({ length: 10 }, () => refused),
  );
  await at.audit.signHead();
  const lines: string[] = [];
  for await (const line of exportLog(at.store, { fromSeq: 6 })) lines.push(line);
  t.like(verdictOf(at, lines), { ok: true, entries: 5, firstSeq: 6, lastSeq: 10 });
  await at.close();
});

// What is sealed is found by whoever may read it, and by nobody once its session's key is destroyed: not in the file a month is
// searched by either, down to its free pages.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { SearchIndex } from '../../appliance/audit/search-index.ts';
import { findIndexedEnd } from '../../appliance/audit/search-store.ts';
import { type SessionId, sessionIdFrom } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { sealCustomer } from '../../appliance/sessions/customer-said.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { newId, openSessions, technician } from '../sessions/open-sessions.ts';
import { readRawPages } from '../support/raw-pages.ts';

const MARKER = 'zqxzanzibarwy';
const NAME = 'Qwzkestrelxy';

async function openSealed(t: ExecutionContext) {
  const at = await openSessions();
  const index = new SearchIndex({ store: at.store, sessions: new SessionFacts(at.store), log: silentLog });
  t.teardown(async () => {
    await index.close();
    await at.close();
  });
  const tina = technician('Tina');
  const make = (customerName: string) => at.sessions.create(tina, { groupId: ROOT_GROUP_ID, customerName });
  const say = (id: SessionId, text: string) =>
    at.chat.add(id, { lineId: newId(), author: 'technician', text, actor: tina });
  const month = () => at.store.months()[0] ?? '';
  return {
    ...{ ...at, tina, make, say },
    /** Entries that make an index worth while. */
    fill: (count = 600) =>
      at.store.core.transaction(async tx => {
        for (let n = 0; n < count; n++)
          await at.audit.append(tx, { event: 'filler.written', actor: applianceActor, detail: { n } });
      }),
    /** @returns how far it goes */
    index: async () => {
      await at.audit.move();
      await index.work();
      return (await findIndexedEnd((await at.store.searchFiles.open(month())).read)).seq;
    },
    found: async (text: string, over: object = {}) => {
      const entries = await at.audit.search({ text, withChat: true, limit: 100, ...over });
      return entries.map(({ entry }) => entry.event);
    },
    by: async (query: object) => {
      const entries = await at.audit.search({ event: 'session.created', limit: 100_000, ...query });
      return entries.length;
    },
    path: (name = 'search') => join(at.store.folder, `${name}-${month()}.db`),
    raw: (name = 'search') => readRawPages(join(at.store.folder, `${name}-${month()}.db`), at.keys.store),
  };
}

test('G-04 B-05 a word of the chat is found wherever its entry is, by whoever may read chat, with all else that is looked for', async t => {
  const at = await openSealed(t);
  const [one, other] = [await at.make('Carl'), await at.make('Dora')];
  await at.say(one.id, `it is ${MARKER} again, Ünïcode`);
  await at.say(other.id, 'nothing of that');
  const look = async () => ({
    word: await at.found(MARKER),
    folded: await at.found('unicode'),
    phrase: await at.found(`"is ${MARKER} again"`),
    withName: await at.found(`tina ${MARKER} chat.line`),
    byTechnician: await at.found(`${MARKER.slice(0, 6)}*`, { actorId: at.tina.id, event: 'chat.' }),
    ofSession: await at.found(MARKER, { sessionId: one.id }),
    ofCustomer: await at.found(MARKER, { customer: 'CARL' }),
    ofOther: [...(await at.found(MARKER, { customer: 'dora' })), ...(await at.found(MARKER, { sessionId: other.id }))],
    otherEvent: await at.found(MARKER, { event: 'session.' }),
    withoutChat: await at.found(MARKER, { withChat: false }),
    open: (await at.found('chat.line', { withChat: false })).length,
  });
  const waiting = await look();
  const one1 = ['chat.line'];
  t.deepEqual(waiting, {
    ...{
      word: one1,
      folded: one1,
      phrase: one1,
      withName: one1,
      byTechnician: one1,
      ofSession: one1,
      ofCustomer: one1,
    },
    ...{ ofOther: [], otherEvent: [], withoutChat: [], open: 2 },
  });
  await at.audit.move();
  t.deepEqual(await look(), waiting, 'moved');
  await at.fill();
  t.is(await at.index(), 604);
  t.deepEqual(await look(), waiting, 'in the index');
  await at.say(other.id, `late ${MARKER}`);
  t.deepEqual(await at.found(MARKER), ['chat.line', 'chat.line'], 'in it and behind it');
});

test('B-05 TRUST erasure: with a session’s key go its words and its customer’s name, from the file, its free pages and its WAL', async t => {
  const at = await openSealed(t);
  const [gone, stays] = [await at.make(NAME), await at.make('Dora')];
  for (let n = 0; n < 40; n++) await at.say(gone.id, `${MARKER} ${n} ${'words of a long line '.repeat(20)}`);
  await at.say(stays.id, 'steadfast');
  await at.fill();
  t.true((await at.index()) > 600);
  const marks = [MARKER, NAME.toLowerCase()];
  for (const mark of marks) t.true(at.raw().includes(mark), `${mark} is there to be looked for`);
  for (const mark of marks) t.false(at.raw('log').includes(mark), `${mark} is in no file that is backed up`);
  t.deepEqual(
    at.store.files().filter(name => name.startsWith('search')),
    [],
  );

  await at.store.sessionKeys.destroy(gone.id);
  for (const mark of marks) t.false(at.raw().includes(mark), mark);
  t.deepEqual([await at.found(MARKER), await at.found('steadfast')], [[], ['chat.line']]);
  t.deepEqual([await at.by({ customer: NAME }), await at.by({ customer: 'dora' })], [0, 1]);
  t.is((await at.found('chat.line')).length, 41, 'that something was said stays');
  t.is(await at.by({ groupIds: [ROOT_GROUP_ID] }), 2);

  // Made anew it has no more of it.
  await at.store.searchFiles.drop(at.store.months()[0] ?? '');
  await at.index();
  for (const mark of marks) t.false(at.raw().includes(mark), mark);
  t.true(at.raw().includes('steadfast'));
});

test('B-05 TRUST erasure: a key destroyed while its words are on their way into the index leaves none there', async t => {
  const at = await openSealed(t);
  const sessions = await Promise.all(Array.from({ length: 20 }, (_, n) => at.make(`${NAME}${n}`)));
  for (const { id } of sessions) await at.say(id, `${MARKER} said`);
  await at.fill(3000);
  await at.audit.move();
  const indexed = at.index();
  for (const { id } of sessions) await at.store.sessionKeys.destroy(id);
  await indexed;
  for (const mark of [MARKER, NAME.toLowerCase()]) t.false(at.raw().includes(mark), mark);
  t.deepEqual(await at.found(MARKER), []);
});

for (const how of ['missing', 'no database', 'a page overwritten', 'of another log'] as const) {
  test(`G-04 J-05 a file to search by that is ${how} is made anew, and all is found meanwhile`, async t => {
    const at = await openSealed(t);
    const { id } = await at.make('Carl');
    await at.say(id, MARKER);
    await at.fill();
    const end = await at.index();
    const { searchFiles } = at.store;
    const [month = ''] = at.store.months();
    if (how === 'of another log') {
      const file = await searchFiles.open(month);
      await file.transaction(tx => tx.run(`UPDATE part SET last_hash = 'another'`));
    }
    const garbage = Buffer.alloc(4096, 7);
    const whole = at.raw().length;
    await searchFiles.close();
    if (how === 'missing') rmSync(at.path());
    if (how === 'no database') writeFileSync(at.path(), garbage);
    if (how === 'a page overwritten') for (let n = 1; n * 4096 < whole; n++) overwrite(at.path(), garbage, n * 4096);
    const again = new SearchIndex({ store: at.store, sessions: new SessionFacts(at.store), log: silentLog });
    t.teardown(() => again.close());
    t.deepEqual(await at.found(MARKER), ['chat.line'], 'before');
    await again.work();
    await again.work(); // what the first met, the second makes anew
    t.is((await findIndexedEnd((await searchFiles.open(month)).read)).seq, end);
    t.deepEqual([await at.found(MARKER), await at.by({ customer: 'carl' })], [['chat.line'], 1]);
    t.true(existsSync(at.path()));
  });
}

test('G-04 G-05 an archived month is not searched any more, and leaves no file to search it by', async t => {
  const at = await openSealed(t);
  await at.fill();
  await at.index();
  const [month = ''] = at.store.months();
  const path = at.path();
  await at.clock.advance(35 * 86_400_000);
  await at.fill(1);
  await at.audit.move();
  t.true(existsSync(path));
  await at.store.archive(month);
  t.false(existsSync(path));
  t.is((await at.found('filler.written')).length, 1);
  await t.throwsAsync(at.store.searchFiles.open(month), { code: 'store.archived' });
});

const [SESSIONS, NAMED] = [20_500, 5200];

test('G-04 of more sessions than can be listed, the log is searched by group and by customer, newest first, page by page', async t => {
  const at = await openSealed(t);
  const group = newId();
  const ids = Array.from({ length: SESSIONS }, () => sessionIdFrom(randomBytes(16)));
  await Promise.all(ids.slice(0, NAMED).map(id => at.store.sessionKeys.create(id)));
  const names = ids.slice(0, NAMED).map((id, n) => sealCustomer(at.store.sessionKeys, id, { name: `Customer ${n}` }));
  const customers = await Promise.all(names);
  const columns = 'id, state, owner_id, owner_name, group_id, customer, created_at, state_at';
  const groupOf = (n: number) => (n % 1000 === 7 ? ROOT_GROUP_ID : group);
  await at.store.core.transaction(async tx => {
    const rows = ids.map((id, n) => [id, 'closed', at.tina.id, 'Tina', groupOf(n), customers[n] ?? null, 0, 0]);
    await tx.insertMany(`INSERT INTO support_session (${columns})`, rows);
    for (const sessionId of ids) await at.audit.append(tx, { event: 'session.created', actor: at.tina, sessionId });
  });
  const look = async () => ({
    group: await at.by({ groupIds: [group] }),
    root: await at.by({ groupIds: [ROOT_GROUP_ID] }),
    one: await at.by({ customer: 'customer 5199' }),
    some: await at.by({ customer: 'CUSTOMER 51' }),
    together: await at.by({ customer: 'customer 7', groupIds: [ROOT_GROUP_ID] }),
    words: await at.by({ groupIds: [ROOT_GROUP_ID], text: 'tina' }),
    manyWords: await at.by({ groupIds: [group], text: 'tina session.created' }),
    nobody: await at.by({ groupIds: [newId()] }),
  });
  t.true((await at.index()) > 20_000);
  const found = await look();
  const root = Math.ceil((SESSIONS - 7) / 1000);
  t.deepEqual(found, {
    ...{ group: SESSIONS - root, root, one: 1, some: 111, together: 1 },
    ...{ words: root, manyWords: SESSIONS - root, nobody: 0 },
  });
  const pages: number[] = [];
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null; ) {
    const page = await at.audit.find({ customer: 'customer', before, limit: 2000 });
    pages.push(...page.entries.map(({ entry }) => entry.seq));
    before = page.next;
  }
  t.deepEqual([pages.length, new Set(pages).size], [NAMED, NAMED]);
  t.deepEqual(
    pages,
    pages.toSorted((a, b) => b - a),
  );
});

function overwrite(path: string, bytes: Buffer, at: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

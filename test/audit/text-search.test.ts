// Words of the log: in the index, behind it, and never of what is sealed.
import test from 'ava';
import type { AuditQuery, StoredEntry } from '../../appliance/audit/audit-store.ts';
import { type Actor, type AuditDetail, applianceActor } from '../../appliance/audit/entry.ts';
import { LogSearch, type ReadBudget } from '../../appliance/audit/log-search.ts';
import { SearchIndex } from '../../appliance/audit/search-index.ts';
import { findIndexedEnd } from '../../appliance/audit/search-store.ts';
import { parseText } from '../../appliance/audit/words.ts';
import { silentLog } from '../../appliance/log.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { openTestAudit, type TestAudit } from '../support/audit.ts';

const TEXTS = [
  'Zoë Łukasz',
  'ZOE again',
  'zoetrope',
  '10.1.2.3',
  '10.1.2.30',
  '3.2.1.10',
  'first\nsecond',
  'tab\there',
  'say "hello world"',
  'hello, wide world',
  'world hello',
  'anna.b@example.com',
  'launch-remote-control',
  '李小龙 Привет',
  'ПРИВЕТ',
  'C:\\new\\text.txt',
  '50 % (of) *all* AND NOT OR NEAR',
  '',
];
const QUERIES = [
  'zoe',
  'zoë',
  'ZOE*',
  'zoe again',
  '10.1.2.3',
  '10.1.2.3*',
  '10.1',
  'second',
  'here',
  '"hello world"',
  'hello world',
  'anna.b@example.com',
  'remote',
  'launch-remote',
  'привет',
  '李小龙',
  'new',
  'text.txt',
  'AND',
  'NOT or near',
  '"all',
  'nothing',
  'what : hello',
  '^hello',
  '-hello',
];

/** Of the one month there is. */
type MonthSearch = (query: AuditQuery, budget: ReadBudget, few?: number) => Promise<StoredEntry[]>;

async function openTexts(t: {
  teardown(end: () => Promise<void>): void;
}): Promise<TestAudit & { index(): Promise<number>; month: MonthSearch }> {
  const at = await openTestAudit();
  const sessions = new SessionFacts(at.store);
  const index = new SearchIndex({ ...at, sessions, log: silentLog });
  const searching = new LogSearch({ sessions, said: stored => index.said(stored) });
  t.teardown(async () => {
    await index.close();
    await at.close();
  });
  return {
    ...at,
    index: async () => {
      await at.audit.move();
      await index.work();
      const [month = ''] = at.store.months();
      return (await findIndexedEnd((await at.store.searchFiles.open(month)).read)).seq;
    },
    month: async (query, budget, few) => {
      const [month = ''] = at.store.months();
      return searching.month((await at.store.month(month)).read, act => index.ask(month, act), query, budget, few);
    },
  };
}

function write(at: TestAudit, details: readonly AuditDetail[], actor: Actor = applianceActor): Promise<void> {
  return at.store.core.transaction(async tx => {
    for (const detail of details) await at.audit.append(tx, { event: 'text.written', actor, detail });
  });
}

/** What makes an index worth while. */
const filler = (count: number) => Array.from({ length: count }, (_, n) => ({ filler: n }));

test('G-04 words are found alike while they wait, before they are in the index, in it and behind it', async t => {
  const at = await openTexts(t);
  await write(
    at,
    TEXTS.map(text => ({ text })),
  );
  const answers = async () => {
    const found: Record<string, unknown[]> = {};
    for (const text of QUERIES) {
      const entries = await at.audit.search({ text, limit: 100 });
      found[text] = entries.map(({ entry }) => entry.detail.text);
    }
    return found;
  };
  const waiting = await answers();
  await at.audit.move();
  t.deepEqual(await answers(), waiting, 'moved');
  t.is(await at.index(), 0, 'so few are not worth an index');
  await write(at, filler(600));
  t.is(await at.index(), TEXTS.length + 600);
  t.deepEqual(await answers(), waiting, 'in the index');
  await write(at, [{ text: 'zoe behind it' }]);
  t.deepEqual((await answers()).zoe, ['zoe behind it', 'ZOE again', 'Zoë Łukasz']);
  t.deepEqual(waiting['10.1.2.3'], ['10.1.2.3']);
  t.deepEqual(waiting['10.1.2.3*'], ['10.1.2.30', '10.1.2.3']);
  t.deepEqual(waiting['"hello world"'], ['say "hello world"']);
  t.is(waiting['hello world']?.length, 3);
  t.deepEqual([waiting.second, waiting.nothing], [['first\nsecond'], []]);
});

test('G-04 words, technician, event and time narrow each other, page by page, over entries in and behind the index', async t => {
  const at = await openTexts(t);
  const of = (name: string, n: number): Actor => ({
    kind: 'member',
    id: `${n}`.repeat(22),
    name,
    address: '192.0.2.1',
  });
  const [anna, bert] = [of('Anna', 1), of('Bert', 2)];
  for (const actor of [anna, bert])
    await write(
      at,
      filler(400).map(one => ({ ...one, colour: one.filler % 2 ? 'red' : 'blue' })),
      actor,
    );
  t.is(await at.index(), 800);
  at.clock.advance(60_000);
  const later = at.clock.now();
  await write(at, [{ colour: 'red' }, { colour: 'blue' }], anna);
  const red = { text: 'red', actorId: anna.id ?? '', event: 'text.' };
  const pages: number[][] = [];
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null; ) {
    const { entries, next } = await at.audit.find({ ...red, before, limit: 90 });
    pages.push(entries.map(({ entry }) => entry.seq));
    before = next;
  }
  t.deepEqual(
    pages.map(page => page.length),
    [90, 90, 21],
  );
  t.deepEqual(
    pages.flat(),
    pages.flat().toSorted((a, b) => b - a),
  );
  t.is(new Set(pages.flat()).size, 201);
  const count = async (over: object) => (await at.audit.search({ ...red, limit: 1000, ...over })).length;
  t.deepEqual(
    [await count({ until: later }), await count({ from: later }), await count({ from: later + 1 })],
    [200, 1, 0],
  );
  t.deepEqual(
    [await count({ event: 'text.wri' }), await count({ event: 'ext.' }), await count({ text: 'red anna' })],
    [201, 0, 201],
  );
  t.is(await count({ text: 'red bert' }), 0);
  for (const narrow of [red, { ...red, text: 'red anna' }, { ...red, text: 'bert' }, { ...red, event: 'ext.' }]) {
    for (const limit of [7, 1000]) {
      const numbers = async (few: number) => {
        const found = await at.month({ ...narrow, limit }, { rows: 1e6, stoppedAt: null }, few);
        return found.map(({ entry }) => entry.seq);
      };
      t.deepEqual(await numbers(0), await numbers(1e6), 'by the index as by reading them through');
    }
  }
});

test('G-04 a log that is not indexed yet is read through within a budget, and goes on where it stopped', async t => {
  const at = await openTexts(t);
  await write(at, [{ text: 'needle' }, ...filler(3000), { text: 'needle' }]);
  await at.audit.move();
  const budget = { rows: 2000, stoppedAt: null };
  const first = await at.month({ text: 'needle', limit: 10 }, budget);
  t.deepEqual([first.map(({ entry }) => entry.seq), budget.stoppedAt], [[3002], 1003]);
  const rest = { rows: 2000, stoppedAt: null };
  const second = await at.month({ text: 'needle', before: 1003, limit: 10 }, rest);
  t.deepEqual([second.map(({ entry }) => entry.seq), rest.stoppedAt], [[1], null]);
});

test('G-04 a text without words, too long or of too many is told so', t => {
  for (const typed of ['', ' ', '***', '"', '...', 'x'.repeat(201), 'a '.repeat(17)]) {
    t.throws(() => parseText(typed), { code: 'audit.text' }, typed);
  }
  t.deepEqual(parseText('Zoë* "a b').match, ['"zoe" *', '"a b"']);
});

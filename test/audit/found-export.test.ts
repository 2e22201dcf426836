// What a search found, as a file.
import test from 'ava';
import type { AuditDetail } from '../../appliance/audit/entry.ts';
import { hashEntry, NO_HASH } from '../../appliance/audit/entry.ts';
import { FOUND_FORMATS, type FoundEntry, type FoundFormat, writeFound } from '../../appliance/audit/found-export.ts';

const AT = Date.UTC(2026, 2, 31, 12, 30);

function entry(name: string, detail: AuditDetail = {}, seq = 1): FoundEntry {
  const actor = { kind: 'anyone', id: null, name, address: '192.0.2.7' } as const;
  const fields = { log: 'AAAAAAAAAAAAAAAAAAAAAA', seq, at: AT, event: 'login.refused', actor, detail } as const;
  const whole = { ...fields, sessionId: null, subject: null, bodyHash: null };
  return { ...whole, previous: NO_HASH, hash: hashEntry(whole, NO_HASH) };
}

async function written(format: FoundFormat, entries: readonly FoundEntry[]): Promise<string> {
  const pieces: string[] = [];
  const file = { format, query: { event: 'login.', byCustomer: true }, madeAt: AT };
  async function* each() {
    yield* entries;
  }
  for await (const piece of writeFound(file, each())) pieces.push(piece);
  return pieces.join('');
}

/** RFC 4180, read without knowing how it was written. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

test('G-04 CSV: a comma, a quote and a line break stay in their cell', async t => {
  const names = ['plain', 'a,b', 'says "no"', 'two\r\nlines', 'Zoë Łukasz 李'];
  const [head, ...rows] = readCsv(
    await written(
      'csv',
      names.map((name, n) => entry(name, { n }, n + 1)),
    ),
  );
  t.deepEqual(head?.slice(0, 3), ['seq', 'at', 'event']);
  t.true(rows.every(row => row.length === head?.length));
  t.deepEqual(
    rows.map(row => row[head?.indexOf('actorName') ?? -1]),
    names,
  );
  t.is(rows[0]?.[1], '2026-03-31T12:30:00.000Z');
  t.is(rows[1]?.[head?.indexOf('detail') ?? -1], '{"n":1}');
});

test('G-04 attack: a spreadsheet runs nothing that stands in a CSV cell', async t => {
  const attacks = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '=HYPERLINK("http://x.example","a")'];
  const [head, ...rows] = readCsv(
    await written(
      'csv',
      attacks.map(name => entry(name)),
    ),
  );
  t.is(rows.length, attacks.length);
  for (const row of rows) for (const cell of row) t.notRegex(cell, /^[=+\-@\t\r\n]/);
  t.deepEqual(
    rows.map(row => row[head?.indexOf('actorName') ?? -1]),
    attacks.map(name => `'${name}`),
  );
});

test('G-04 JSON and JSON lines hold each entry as it is, and it hashes to its hash', async t => {
  const entries = [entry('\u0000 "<&>\u2028', { reason: 'password', tries: 3 }, 2), entry('another')];
  const whole = JSON.parse(await written('json', entries));
  t.deepEqual(whole.entries, entries);
  t.deepEqual(whole.query, { event: 'login.', byCustomer: true });
  const { previous, hash, ...fields } = whole.entries[0];
  t.is(hashEntry(fields, previous), hash);
  const lines = (await written('jsonl', entries))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  t.deepEqual(
    lines.map(({ type }) => type),
    ['found', 'entry', 'entry'],
  );
  t.like(lines[1], entries[0] as object);
});

test('G-04 XML is well formed whatever an entry holds, and nothing of an entry becomes markup', async t => {
  const hostile = '</actorName><event>x</event>&amp;"\u0000\u000b\ufffe]]>';
  const text = await written('xml', [entry(hostile, { '"><evil a="': hostile })]);
  t.notRegex(text, /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
  t.is(text.match(/<event>/g)?.length, 1);
  t.false(text.includes('<evil'));
  t.true(
    text.includes(
      '<actorName>&lt;/actorName&gt;&lt;event&gt;x&lt;/event&gt;&amp;amp;&quot;\ufffd\ufffd\ufffd]]&gt;</actorName>',
    ),
  );
  // Every tag that is opened is closed, in order.
  const open: string[] = [];
  for (const [, close, name = ''] of text.matchAll(/<(\/?)(\w+)[^>]*>/g)) {
    if (close === '') open.push(name);
    else t.is(open.pop(), name);
  }
  t.deepEqual(open, []);
});

for (const format of FOUND_FORMATS) {
  test(`G-04 ${format}: nothing found is a whole file, too`, async t => {
    const text = await written(format, []);
    if (format === 'json') t.deepEqual(JSON.parse(text).entries, []);
    else if (format === 'csv') t.is(readCsv(text).length, 1);
    else if (format === 'xml') t.true(text.endsWith('</audit>\n'));
    else t.is(text.trimEnd().split('\n').length, 1);
  });
}

// The share's own log as the helper reads it: in pieces, behind a restart, over a file that is full.
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MARK_FILE, ShareLog, type SharePosition } from '../../appliance/recording/share-log.ts';
import { TempFolder } from '../support/temp-folder.ts';

const MARK = 'ffff';
const heading = (n: number) =>
  `[2026/11/27 08:00:${String(n % 60).padStart(2, '0')}.${String(n).padStart(6, '0')},  1] c:643\n`;
const openLine = (n: number) =>
  `${heading(n)}  ${MARK}|anna|192.0.2.7|create_file|ok|0x120089|file|open|/f/${n}|x.avi\n`;

function openLog(t: { teardown(end: () => void): void }) {
  const folder = new TempFolder();
  t.teardown(() => folder[Symbol.dispose]());
  writeFileSync(join(folder.path, MARK_FILE), MARK);
  const log = new ShareLog(folder.path);
  const path = (name: string) => join(folder.path, name);
  let position: SharePosition = {};
  /** As the portal does: from where it got to, until there is no more. */
  const next = async () => {
    const found: string[] = [];
    let [hasGap, unreadable] = [false, 0];
    for (let isMore = true; isMore; ) {
      const part = await log.read(position);
      ({ position, isMore } = part);
      hasGap ||= part.hasGap;
      unreadable += part.unreadable;
      found.push(...part.acts.map(act => (act.kind === 'sign-in' ? act.name : `${act.at % 60_000} ${act.path}`)));
    }
    return { found, hasGap, unreadable };
  };
  const begin = () => {
    position = {};
  };
  return { path, next, begin };
}

const said = (n: number) => `${n * 1000} /f/${n}|x.avi`;
const nothing = { found: [], hasGap: false, unreadable: 0 };

test('H-04 G-02 the share’s log is taken over whole, wherever what is written of it ends just then', async t => {
  const lines = Buffer.from(`${openLine(1)}${heading(2)}  ünd\n  ${MARK}|a\n${openLine(3)}`);
  const { path, next, begin } = openLog(t);
  for (let cut = 0; cut <= lines.length; cut++) {
    begin();
    writeFileSync(path('opens.log'), lines.subarray(0, cut));
    const before = await next();
    appendFileSync(path('opens.log'), lines.subarray(cut));
    const after = await next();
    t.deepEqual([...before.found, ...after.found], [said(1), said(3)], `cut at ${cut}`);
    t.is(before.unreadable + after.unreadable, 1);
    t.false(before.hasGap || after.hasGap);
    t.deepEqual(await next(), nothing);
  }
});

test('H-04 G-02 over full files nothing is told twice or lost; what can’t be read any more is told', async t => {
  const { path, next } = openLog(t);
  t.deepEqual(await next(), nothing, 'nobody has opened anything yet');
  writeFileSync(path('opens.log'), openLine(1));
  t.deepEqual((await next()).found, [said(1)]);
  appendFileSync(path('opens.log'), openLine(2));
  renameSync(path('opens.log'), path('opens.log.old'));
  writeFileSync(path('opens.log'), openLine(3));
  t.deepEqual((await next()).found, [said(2), said(3)]);
  appendFileSync(path('opens.log.old'), openLine(4)); // a process that has not noticed yet
  appendFileSync(path('opens.log'), openLine(5));
  t.deepEqual((await next()).found, [said(4), said(5)]);
  renameSync(path('opens.log'), path('opens.log.old'));
  t.deepEqual(await next(), nothing);
  writeFileSync(path('opens.log'), openLine(6));
  t.deepEqual(await next(), { ...nothing, found: [said(6)] });
  rmSync(path('opens.log.old'));
  writeFileSync(path('opens.log'), openLine(7)); // two were full since
  t.deepEqual(await next(), { ...nothing, found: [said(7)], hasGap: true });
  t.deepEqual(await next(), nothing);
});

test('H-04 the share’s log is read in parts, a line without an end is skipped, and of sign-ins those that failed', async t => {
  const { path, next } = openLog(t);
  const many = Array.from({ length: 3000 }, (_, n) => openLine(n % 60));
  writeFileSync(path('opens.log'), `${many.join('')}${'x'.repeat(400_000)}\n${openLine(8)}`);
  const { found } = await next();
  t.deepEqual([found.length, found.at(-1)], [3001, said(8)]);
  const tried = { status: 'NT_STATUS_WRONG_PASSWORD', remoteAddress: 'ipv6:2001:db8::7:4711', clientAccount: 'anna' };
  const line = (over: object) =>
    `  ${JSON.stringify({ timestamp: '2026-11-27T08:00:00.000001+0000', Authentication: { ...tried, ...over } })}\n`;
  writeFileSync(
    path('sign-ins.log'),
    `${line({})}${line({ status: 'NT_STATUS_OK' })}${line({ clientAccount: null })}  {"a":\n`,
  );
  t.deepEqual(await next(), { found: ['anna', ''], hasGap: false, unreadable: 2 });
  // Cut in the middle of a character: nothing the log can't hold.
  appendFileSync(path('sign-ins.log'), line({ clientAccount: `${'a'.repeat(1999)}${'🔑'.repeat(9)}` }));
  const [long = ''] = (await next()).found;
  t.true(long.length >= 1999 && long.isWellFormed());
});

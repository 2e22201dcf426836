// What auditors open on the share, with Debian's smbd and smbclient, comes into the chained log.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Keeping } from '../../appliance/portal/keeping.ts';
import { openTestIdentity } from '../identity/open-identity.ts';
import { newId } from '../sessions/open-sessions.ts';
import { PASSWORD, TestShare } from './test-share.ts';

async function openShare(t: ExecutionContext) {
  const [at, share] = [await openTestIdentity(), await TestShare.start()];
  const parts = { recordingFolder: share.folder.path, helper: share.helper, describe: async () => null };
  /** The portal, started again each time. */
  const keeping = () => new Keeping({ ...at, ...parts, log: silentLog, metrics: new Metrics() });
  t.teardown(async () => {
    await at.close();
    await share[Symbol.asyncDispose]();
  });
  const anna = await at.member('anna@example.com', ['auditor']);
  const actor = { kind: 'member' as const, id: anna.id, name: anna.name, address: null };
  const { name } = await keeping().share.provision(actor, anna, PASSWORD);
  share.names.push(name);
  const film = (session: string, ending = 'avi') => {
    const file = `2026/11/27/080000-${session}-${newId()}.${ending}`;
    mkdirSync(dirname(share.path('finished', file)), { recursive: true });
    writeFileSync(share.path('finished', file), 'the film');
    return file;
  };
  let seen = 0;
  /** Entries since it was asked last, once the portal has looked. */
  const told = async (portal = keeping()) => {
    await portal.opens.follow();
    t.is(portal.opens.fault, '');
    const events = (await at.entries()).filter(({ event }) => /^share\.(opened|refused|sign|log)/.test(event));
    const since = events.slice(seen);
    seen = events.length;
    return since;
  };
  return { ...at, share, anna, name, film, keeping, told };
}

/** What is no open: changes, what is not there, who is nobody. @param film that is there */
async function refusals(t: ExecutionContext, at: Awaited<ReturnType<typeof openShare>>, portal: Keeping, film: string) {
  const { share, anna, name } = at;
  await share.client(name, `put /etc/hostname 2026/x`);
  await share.client(name, `del ${film}`);
  await share.client(name, 'mkdir y');
  const refused = await at.told(portal);
  t.deepEqual(
    new Set(refused.map(({ event, actor }) => `${event} ${actor.id}`)),
    new Set([`share.refused ${anna.id}`]),
  );
  for (const file of ['2026/x', film, 'y'])
    t.true(
      refused.some(({ detail }) => detail.file === file),
      file,
    );
  t.true(existsSync(share.path('finished', film)));
  await share.client(name, 'get 2026/nothing.avi /dev/null');
  t.deepEqual(await at.told(portal), [], 'what is not there was not opened');

  await share.client(name, 'ls', {}, 'kx7d-9mwa-33fe-q0zz');
  await share.client('nobody-at-all', 'ls');
  const tries = await at.told(portal);
  t.like(tries[0], { event: 'share.sign-in-refused', detail: { why: 'NT_STATUS_WRONG_PASSWORD', account: name } });
  t.deepEqual(
    tries[0]?.actor,
    { kind: 'anyone', id: null, name: null, address: '127.0.0.1' },
    'a name is anybody’s word',
  );
  t.is(tries.length, 1, 'of one address, once a minute');
}

test('H-04 G-02 what an auditor opens, changes or may not on the share is in the log, with who, whence and of which session', async t => {
  const at = await openShare(t);
  const { share, anna, name } = at;
  const [first, second] = [newId(), newId()];
  const [film, other] = [at.film(first), at.film(second)];
  const portal = at.keeping();
  t.regex(await share.client(name, 'ls 2026/11/27/*'), /080000-/);
  t.deepEqual(await at.told(portal), [], 'who looks into a folder has opened nothing');

  const get = (file: string) => `get ${file} ${share.path('fetched')}`;
  await share.client(name, get(film));
  const [opened, ...more] = await at.told(portal);
  t.deepEqual(more, []);
  t.like(opened, { event: 'share.opened', sessionId: first, detail: { file: film, account: name } });
  t.deepEqual(opened?.actor, { kind: 'member', id: anna.id, name: anna.name, address: '127.0.0.1' });
  t.true(Math.abs(Number(opened?.detail.seenAt) - Date.now()) < 60_000);
  await share.client(name, get(film));
  t.deepEqual(await at.told(portal), [], 'the same look');

  // Nobody follows for a while; then a portal that was started again does.
  await share.client(name, get(other));
  const again = at.keeping();
  t.deepEqual(
    (await at.told(again)).map(({ event, sessionId }) => [event, sessionId]),
    [['share.opened', second]],
  );
  t.deepEqual(await at.told(at.keeping()), [], 'and nothing twice');

  await refusals(t, at, again, film);
  // Given up at once: whose account it was is still told.
  const last = at.film(first, 'rcrec');
  await share.client(name, get(last));
  await again.share.remove(opened?.actor ?? { kind: 'anyone', id: null, name: null, address: null }, anna.id);
  t.like((await at.told(again))[0], { event: 'share.opened', actor: { id: anna.id }, detail: { file: last } });
});

test('H-04 attack: no name of a file, and nothing a client sends, makes an entry of its own', async t => {
  const at = await openShare(t);
  const { share, name } = at;
  const heading = '[2026/11/27 08:00:00.000000,  1] ../../source3/modules/vfs_full_audit.c:643(do_log)';
  const forged = `aud-bert-00000000|9.9.9.9|create_file|ok|0x1|file|open|forged.avi`;
  mkdirSync(share.path('fetched-all'));
  const guesses = ['', '|', 'MARK|', `${'0'.repeat(32)}|`];
  for (const [n, guess] of guesses.entries()) {
    // The slashes of the heading are folders.
    const path = share.path('finished/2026', `evil${n}\n${heading}\n  ${guess}${forged}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'x');
  }
  await share.client(name, `recurse on; prompt off; lcd ${share.path('fetched-all')}; cd 2026; mget *`);
  await share.client(name, `get "2026/a|b|create_file|ok|0x1|file|open|forged.avi" /dev/null`);
  // As a film of no session there is: what can't be read in a name must not keep the rest of the log from being read.
  const folder = dirname(at.film(newId()));
  await share.client(name, `put /etc/hostname ${folder}/080000-${'A'.repeat(21)}B-${'A'.repeat(22)}.avi`);
  await share.client(`x|9.9.9.9|create_file|ok|0x1|file|open|forged.avi`, 'ls');
  await share.client(`x\n{"timestamp":"2026-11-27T08:00:00+0000"}`, 'ls');
  const told = await at.told();
  t.true(told.some(({ event, detail }) => event === 'share.opened' && String(detail.file).includes('evil')));
  for (const { actor } of told) t.true(actor.address === '127.0.0.1' || actor.address === null, JSON.stringify(actor));
  for (const { event, detail } of told.filter(one => one.event === 'share.opened')) {
    t.is(detail.account, name, event);
    t.notRegex(String(detail.file), /forged/);
  }
  t.false(told.some(({ event }) => event === 'share.log-gap'));
  t.like(
    told.find(({ detail }) => String(detail.file).includes('AAAB-')),
    { event: 'share.refused', sessionId: null },
  );
  t.true(readFileSync(share.path('state/opens.log'), 'utf8').includes('9.9.9.9|create_file'), 'it was tried');
});

// Posts to a CRM: a real HTTPS server of the test's own authority takes them.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { noPosts, type PostSettings } from '../../appliance/audit/post-settings.ts';
import { chooseAddress } from '../../appliance/audit/posting/target.ts';
import { Posts } from '../../appliance/audit/posts.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { sessionDescriber } from '../../appliance/portal/session-details.ts';
import { master, newId, openSessions } from '../sessions/open-sessions.ts';
import { TestAuthority } from '../support/test-certificates.ts';

const SECRET = 'shared-with-the-crm-only';
const DAY_MS = 86_400_000;
const NAME = 'crm.example.com';
const authority = new TestAuthority();
const pair = authority.issue({ names: [NAME] });

interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: string;
}

class TestCrm implements AsyncDisposable {
  readonly taken: Taken[] = [];
  connections = 0;
  port = 0;
  answer: (response: ServerResponse) => void = response => void response.writeHead(204).end();
  readonly #server;

  constructor(options: object = {}) {
    this.#server = createServer({ cert: pair.certificate, key: pair.key, ...options }, async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString('utf8');
      this.taken.push({ headers: request.headers, path: request.url ?? '', body });
      this.answer(response);
    });
    this.#server.on('connection', () => this.connections++);
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: object = {}): Promise<TestCrm> {
    const crm = new TestCrm(options);
    await once(crm.#server.listen(0, '127.0.0.1'), 'listening');
    crm.port = (crm.#server.address() as AddressInfo).port;
    return crm;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(done => this.#server.close(done));
  }
}

async function open(crm: TestCrm, over: Partial<PostSettings> = {}) {
  const at = await openSessions();
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
  /** Whose details can't be put together. */
  const broken = new Set<string>();
  const newPosts = () => {
    const real = sessionDescriber(at, at.audit);
    const describe: typeof real = async (id, withChat) => {
      if (broken.has(id)) throw new TypeError('a row that can’t be read');
      return real(id, withChat);
    };
    const sending = { resolve, deadlineMs: 2000 };
    return new Posts({ ...at, describe, log: silentLog, metrics: new Metrics(), sending });
  };
  const posts = newPosts();
  at.hooks.onOver = (tx, id) => posts.queue(tx, id);
  await posts.setSettings(master.actor, {
    ...{ ...noPosts, isOn: true, url: `https://${NAME}:${crm.port}/in?from=support`, secret: SECRET },
    ...{ allowed: ['127.0.0.1'], authorities: authority.certificate, ...over },
  });
  const ended = async () => {
    const { id, owner } = await at.active();
    const actor = owner;
    await at.chat.add(id, { lineId: newId(), author: 'technician', text: 'marker <b>&"é\u0001', actor });
    await at.sessions.end(id, owner, 'solved');
    return { id, owner };
  };
  return { ...at, posts, newPosts, ended, broken };
}

test('G-06 the end of a session is posted, signed, with what it was about and without its chat', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  const { id, owner } = await at.ended();
  await at.posts.work();
  const [post] = crm.taken;
  const stamp = String(post?.headers['x-support-timestamp']);
  const signature = createHmac('sha256', SECRET).update(`${stamp}.${post?.body}`).digest('hex');
  t.is(post?.headers['x-support-signature'], `v1=${signature}`);
  t.is(post?.path, '/in?from=support');
  t.is(post?.headers.host, `${NAME}:${crm.port}`);
  const { session } = JSON.parse(post?.body ?? '');
  t.like(session, { id, state: 'closed', reason: 'solved', technicianId: owner.id, technician: owner.name });
  t.true(session.events.some((one: { event: string }) => one.event === 'session.picked-up'));
  t.false(String(post?.body).includes('marker'));
  t.like((await at.posts.list())[0], { sessionId: id, state: 'sent', tries: 1 });
  await at.posts.work();
  t.is(crm.taken.length, 1, 'once');
  t.true((await at.events(id)).includes('post.sent'));
  t.false(JSON.stringify(await at.logged()).includes(SECRET));
  await at.close();
});

test('G-06 a session whose details can’t be put together keeps no other from being posted', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  const [bad, good] = [await at.ended(), await at.ended()];
  at.broken.add(bad.id);
  for (let round = 0; round < 2; round++) await at.posts.work();
  t.deepEqual(
    crm.taken.map(({ body }) => JSON.parse(body).session.id),
    [good.id],
  );
  const row = (await at.posts.list()).find(({ sessionId }) => sessionId === bad.id);
  t.like(row, { state: 'waiting', tries: 1 });
  t.regex(row?.lastError ?? '', /post.not-made/);
  at.broken.delete(bad.id);
  at.clock.advance(60_000);
  await at.posts.work();
  t.is(crm.taken.length, 2, 'and is posted when they can');
  await at.close();
});

test('G-06 as XML and as form fields it says the same, and no text breaks out of its place', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm, { format: 'xml', withChat: true });
  await at.ended();
  await at.posts.work();
  t.is(crm.taken[0]?.headers['content-type'], 'application/xml; charset=utf-8');
  t.regex(crm.taken[0]?.body ?? '', /<text>marker &lt;b&gt;&amp;&quot;é\ufffd<\/text>/);
  await at.posts.setSettings(master.actor, { ...(await at.posts.settings()), format: 'form' });
  const { id } = await at.ended();
  await at.posts.work();
  const fields = new URLSearchParams(crm.taken[1]?.body);
  t.is(fields.get('id'), id);
  t.is(fields.get('reason'), 'solved');
  t.regex(fields.get('chat') ?? '', /^\S+ technician marker <b>&"é/);
  await at.close();
});

test('G-06 where a group keeps no chat text it is in no file of the store, and in no post', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm, { withChat: true });
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { storeChat: false });
  const { id, owner } = await at.active();
  const text = 'marker-of-a-line-that-is-not-kept';
  await at.chat.add(id, { lineId: newId(), author: 'technician', text, actor: owner });
  await at.sessions.end(id, owner, 'solved');
  await at.posts.work();
  await at.audit.move();
  t.false(String(crm.taken[0]?.body).includes('marker'));
  t.deepEqual(
    (await at.chat.list(id)).map(line => line.text),
    [null],
  );
  // Decrypted: every value of every table of every file, as text and as what it was sealed from.
  const months = await Promise.all(at.store.months().map(month => at.store.month(month)));
  let looked = 0;
  for (const { read } of [at.store.core, ...months]) {
    for (const { name } of await read.all(`SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0`)) {
      for (const row of await read.all(`SELECT * FROM "${String(name)}"`)) {
        looked++;
        for (const value of Object.values(row))
          t.false(Buffer.from(value instanceof Uint8Array ? value : String(value)).includes('marker-of'));
      }
    }
  }
  t.true(looked > 20);
  const entries = await at.audit.search({ sessionId: id, event: 'chat.line', limit: 10 });
  t.deepEqual(
    entries.map(({ entry, body }) => [entry.bodyHash, body]),
    [[null, null]],
    'not even sealed',
  );
  await at.close();
});

test('G-06 what is not taken is tried again, later each time, over a restart, for three days; then by hand', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  crm.answer = response => void response.writeHead(503).end('no');
  const { id } = await at.ended();
  await at.posts.work();
  await at.posts.work();
  t.is(crm.taken.length, 1, 'not at once');
  t.like(await at.posts.failing(), { waiting: 1, givenUp: 0, error: 'the CRM answered 503 (post.not-taken)' });
  at.clock.advance(30_000);
  await at.newPosts().work(); // as after a restart
  t.is(crm.taken.length, 2);
  at.clock.advance(30_000);
  await at.posts.work();
  t.is(crm.taken.length, 2, 'a minute now');
  const ids = new Set(crm.taken.map(({ headers }) => headers['x-support-delivery']));
  t.is(ids.size, 1, 'one post, however often');
  for (let hours = 0; hours < 80; hours++) {
    at.clock.advance(3_600_000);
    await at.posts.work();
  }
  const [given] = await at.posts.list();
  t.like(given, { state: 'given-up', lastError: 'the CRM answered 503 (post.not-taken)' });
  t.true((given?.doneAt ?? 0) - (given?.madeAt ?? 0) <= 3 * DAY_MS + 3_600_000);
  t.true(crm.taken.length > 10 && crm.taken.length < 40, `${crm.taken.length}`);
  t.like(await at.posts.failing(), { waiting: 0, givenUp: 1, since: given?.madeAt });
  crm.answer = response => void response.writeHead(200).end('{}');
  await at.posts.again(master.actor, given?.id ?? '');
  await at.posts.work();
  t.like((await at.posts.list())[0], { sessionId: id, state: 'sent', lastError: null });
  t.deepEqual(await at.posts.failing(), { waiting: 0, givenUp: 0, since: null, error: '' });
  t.true((await at.events(id)).includes('post.given-up'));
  await at.close();
});

test('G-06 nothing is queued while it is off, nor of a session nobody came to', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm, { isOn: false });
  await at.ended();
  await at.posts.setSettings(master.actor, { ...(await at.posts.settings()), isOn: true });
  const { id } = await at.sessions.create(master.actor, { groupId: ROOT_GROUP_ID });
  await at.sessions.end(id, master.actor, 'nobody came');
  t.deepEqual(await at.posts.list(), []);
  await at.close();
});

test('G-06 attack: redirects, endless answers, silence, other names, wrong authorities, AES-128 and TLS 1.1 are refused', async t => {
  const refused = async (what: string, code: RegExp, crm: TestCrm, over: Partial<PostSettings> = {}) => {
    const at = await open(crm, over);
    await at.ended();
    await at.posts.work();
    const [post] = await at.posts.list();
    t.is(post?.state, 'waiting', what);
    t.regex(post?.lastError ?? '', code, what);
    await at.close();
  };
  await using elsewhere = await TestCrm.start();
  await using crm = await TestCrm.start();
  crm.answer = response => void response.writeHead(307, { location: `https://${NAME}:${elsewhere.port}/` }).end();
  await refused('redirect', /post\.redirected/, crm);
  t.is(elsewhere.connections, 0);
  crm.answer = response => {
    response.writeHead(200);
    const fill = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', fill);
    fill();
  };
  await refused('endless', /too long.*post\.failed/, crm);
  crm.answer = () => undefined;
  await refused('silence', /post\.failed/, crm);
  const port = String(crm.port);
  await refused('another name', /post\.failed/, crm, { url: `https://other.example.com:${port}/` });
  await refused('unknown authority', /post\.failed/, crm, { authorities: '' });
  await using weak = await TestCrm.start({ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' });
  await refused('AES-128', /post\.failed/, weak);
  await using weak13 = await TestCrm.start({ ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' });
  await refused('AES-128 of TLS 1.3', /post\.failed/, weak13);
  await using old = await TestCrm.start({ ciphers: 'DEFAULT@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
  await refused('TLS 1.1', /post\.failed/, old);
  t.is(weak.taken.length + weak13.taken.length + old.taken.length, 0);
});

const PRIVATE = [
  ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
  ...[
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'ff02::1',
    '::127.0.0.1',
  ],
];

test('G-06 attack: addresses that are not public are refused, whatever name leads there, unless they are listed', async t => {
  const of =
    (...addresses: string[]) =>
    async () =>
      addresses.map(address => ({ address, family: 0 }));
  for (const address of PRIVATE)
    await t.throwsAsync(chooseAddress(NAME, [], of(address)), { code: 'post.private-address' }, address);
  await t.throwsAsync(
    chooseAddress(NAME, [], of('93.184.216.34', '10.0.0.1')),
    { code: 'post.private-address' },
    'one of two',
  );
  t.deepEqual(await chooseAddress(NAME, [], of('93.184.216.34')), { address: '93.184.216.34', family: 4 });
  t.deepEqual(await chooseAddress(NAME, ['10.1.0.0/16'], of('10.1.2.3')), { address: '10.1.2.3', family: 4 });
  await t.throwsAsync(chooseAddress(NAME, ['10.1.0.0/16'], of('10.2.2.3')), { code: 'post.private-address' });
  for (const host of ['localhost', '127.1', '[::1]', '2130706433'])
    await t.throwsAsync(
      chooseAddress(new URL(`https://${host}/`).hostname, []),
      { code: 'post.private-address' },
      host,
    );
});

test('G-06 attack: a name that becomes another address after it was checked is not asked again', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  let asked = 0;
  const resolve = async () => {
    asked++;
    return [{ address: asked === 1 ? '127.0.0.1' : '10.9.9.9', family: 4 }];
  };
  const describe = sessionDescriber(at, at.audit);
  const posts = new Posts({ ...at, describe, log: silentLog, metrics: new Metrics(), sending: { resolve } });
  await at.ended();
  await posts.work();
  t.is(asked, 1);
  t.is(crm.taken.length, 1);
  await at.close();
});

test('G-06 attack: a name that is never resolved ends in time too', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  const describe = sessionDescriber(at, at.audit);
  const sending = { resolve: () => new Promise<never>(() => undefined), deadlineMs: 50 };
  const posts = new Posts({ ...at, describe, log: silentLog, metrics: new Metrics(), sending });
  await at.ended();
  await posts.work();
  t.regex((await posts.list())[0]?.lastError ?? '', /post\.no-address/);
  await at.close();
});

test('G-06 settings that can’t be right are refused, and a change is logged without the secret', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  const set = async (over: Partial<PostSettings>) =>
    at.posts.setSettings(master.actor, { ...(await at.posts.settings()), ...over });
  for (const url of [
    'http://crm.example.com/',
    'https://u:p@crm.example.com/',
    'ftp://x',
    '',
    'file:///etc/passwd',
    'https://x/#a',
  ])
    await t.throwsAsync(set({ url }), { code: 'post.url' }, url);
  await t.throwsAsync(set({ secret: 'short' }), { code: 'post.secret' });
  for (const entry of ['10.0.0.0/33', 'crm', '1.2.3', '10.0.0.0/x', '::/129'])
    await t.throwsAsync(set({ allowed: [entry] }), { code: 'post.allowed' }, entry);
  await t.throwsAsync(set({ authorities: 'no pem' }), { code: 'post.authorities' });
  await set({ secret: 'another-secret-of-the-crm', format: 'xml' });
  const last = (await at.logged()).at(-1);
  t.like(last, { event: 'post.settings-changed', detail: { isSecretNew: true } });
  t.false(JSON.stringify(await at.logged()).includes('another-secret'));
  await at.close();
});

test('G-06 a test post says whether the CRM takes it', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  await at.posts.tryOut(master.actor);
  t.is(JSON.parse(crm.taken[0]?.body ?? '').session.reason, 'test');
  crm.answer = response => void response.writeHead(500).end();
  await t.throwsAsync(at.posts.tryOut(master.actor), { code: 'post.not-taken' });
  t.deepEqual(
    (await at.logged()).slice(-2).map(({ event, detail }) => [event, detail]),
    [
      ['post.tried-out', {}],
      ['post.tried-out', { code: 'post.not-taken' }],
    ],
  );
  await at.close();
});

test('B-05 G-06 an erased session has nothing queued', async t => {
  await using crm = await TestCrm.start();
  const at = await open(crm);
  const { id } = await at.ended();
  await at.store.core.transaction(tx => tx.run('DELETE FROM support_session WHERE id = ?', [id]));
  t.deepEqual(await at.posts.list(), []);
  await at.close();
});

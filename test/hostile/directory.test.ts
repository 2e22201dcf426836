// A directory that lies, hangs or answers garbage: the login is refused, the log says why, and the portal goes on (C-05).
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import test from 'ava';
import { type DirectoryConfig, parseConfig } from '../../appliance/config.ts';
import { openTestIdentity, PASSWORD } from '../identity/open-identity.ts';
import { refusal } from '../support/refusal.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { TestAuthority } from '../support/test-certificates.ts';

const CASES = 200;
const authority = new TestAuthority('Directory CA');

/** Numbers in 0…1, the same for each seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tlv(tag: number, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map(part => Buffer.from(part)));
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const id = (n: number) => Buffer.from([2, 1, n]);
const result = (tag: number, code: number) => tlv(tag, tlv(0x0a, Buffer.from([code])), tlv(4), tlv(4, 'why'));
const bound = (n: number, code = 0) => tlv(0x30, id(n), result(0x61, code));
const done = (n: number, code = 0) => tlv(0x30, id(n), result(0x65, code));
const attribute = (name: string, value: string) => tlv(0x30, tlv(4, name), tlv(0x31, tlv(4, value)));
const entry = (n: number, dn: string, uuid = 'x'.repeat(36)) =>
  tlv(0x30, id(n), tlv(0x64, tlv(4, dn), tlv(0x30, attribute('mail', 'a@example.com'), attribute('entryUUID', uuid))));

type Answer = (n: number, random: () => number, socket: TLSSocket) => Buffer | null;

function mutate(good: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(good);
  for (let times = 1 + Math.floor(random() * 4); times > 0; times -= 1) {
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  }
  return bytes;
}

const noise = (length: number, random: () => number) =>
  Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));

/** What comes instead of an answer; null for nothing at all. */
const answers: readonly Answer[] = [
  (_n, random) => noise(1 + Math.floor(random() * 300), random),
  (n, random) => mutate(bound(n), random),
  (n, random) => mutate(Buffer.concat([entry(n, 'cn=a,dc=example'), done(n)]), random),
  (n, random) => bound(n, 90 + Math.floor(random() * 37)), // results nobody knows
  (n, random) => done(n, 90 + Math.floor(random() * 37)),
  n => done(n, 10), // a referral
  n => bound(n + 1),
  (n, random) => bound(n).subarray(0, Math.floor(random() * bound(n).length)),
  n => Buffer.concat([entry(n, 'not a name'), done(n)]),
  n => Buffer.concat([entry(n, 'cn=a,dc=x'), entry(n, 'cn=b,dc=x', 'y'.repeat(36)), done(n)]),
  n => Buffer.concat([entry(n, 'cn=\u202e,dc=x', ''), done(n)]),
  n => tlv(0x30, id(n), tlv(0x78, tlv(0x0a, Buffer.from([0])), tlv(4), tlv(4))),
  n => tlv(0x30, id(n), tlv(0x42)),
  () => Buffer.from('30847fffffff020101', 'hex'), // two gibibytes are announced
  () => Buffer.from('3080020101', 'hex'),
  () => Buffer.alloc(2000, 0x30),
  () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
];

class HostileDirectory implements AsyncDisposable {
  readonly #server: Server;
  readonly #folder = new TempFolder();
  readonly #sockets = new Set<TLSSocket>();
  onRequest: (n: number, isBind: boolean, socket: TLSSocket) => void = () => undefined;

  constructor() {
    const { certificate, key } = authority.issue({ names: ['localhost'] });
    this.#server = createServer({ cert: certificate, key }, socket => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('data', (request: Buffer) => this.onRequest(request[4] ?? 0, request[5] === 0x60, socket));
    });
    this.#server.on('tlsClientError', () => undefined);
  }

  async start(library: DirectoryConfig['library']): Promise<DirectoryConfig> {
    await once(this.#server.listen(0, 'localhost'), 'listening');
    const { port } = this.#server.address() as AddressInfo;
    const [ca, password] = ['ca.pem', 'password'].map(name => `${this.#folder.path}/${name}`);
    writeFileSync(String(ca), authority.certificate);
    writeFileSync(String(password), 'reads-people-only', { mode: 0o600 });
    const text = JSON.stringify({
      version: 1,
      directory: {
        servers: [`ldaps://localhost:${port}`],
        library,
        authorities: ca,
        bindDn: 'cn=appliance,dc=example',
        bindPasswordFile: password,
        timeoutSeconds: 1,
        users: { base: 'dc=example' },
        groups: { base: 'dc=example' },
        mapping: [{ group: 'cn=support,dc=example', roles: ['technician'] }],
      },
    });
    const { directory } = parseConfig(text);
    if (directory === null) throw new Error('there is one');
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(closed => this.#server.close(closed));
    this.#folder[Symbol.dispose]();
  }
}

for (const [library, cases] of [
  ['ldapjs', CASES],
  ['ldapts', CASES / 4],
] as const) {
  test.serial(
    `C-05 attack: ${cases} malformed answers to ${library} let nobody in, and each is told in the log`,
    async t => {
      await using hostile = new HostileDirectory();
      const at = await openTestIdentity({ directory: await hostile.start(library) });
      let random = randomFrom(0);
      let next = 0;
      for (; next < cases; next += 1) {
        const which = answers[next % answers.length];
        random = randomFrom(next + 1);
        // Every other one signs the appliance in first, and lies about people.
        const isLate = next % 2 === 1;
        hostile.onRequest = (n, isBind, socket) => {
          if (isBind && isLate && n === 1) return socket.write(bound(n));
          return socket.end(which?.(n, random, socket) ?? Buffer.alloc(0));
        };
        t.is(await refusal(at.signIn(`person-${next}@example.com`)), 'login.refused', `case ${next}`);
      }
      const entries = await at.entries();
      t.is(entries.filter(({ event }) => event === 'login.refused').length, cases);
      const told = entries.filter(({ event }) => event === 'directory.failed').map(({ detail }) => String(detail.why));
      t.true(told.length > cases * 0.8, `${told.length} told`); // some lies are well-formed: there is no such person
      for (const why of told)
        t.regex(why, /ended the connection|not LDAP|result \d+|several people|has no entryUUID|in time/);
      const ended = Number(/directory_threads_ended_total (\d+)/.exec(at.metrics.text())?.[1] ?? 0);
      t.log(`${told.length} faults told, ${ended} threads ended`);
      if (library === 'ldapjs') t.true(ended > 0); // it throws on results it doesn't know
      t.is(await at.identity.members.count(), 1);
      t.is(await refusal(at.signIn('root', PASSWORD)), 'accepted');
      await at.close();
    },
  );
}

test.serial(
  'C-05 attack: a directory that hangs, or never stops sending, costs a deadline and a bounded number of bytes',
  async t => {
    await using hostile = new HostileDirectory();
    const at = await openTestIdentity({ directory: await hostile.start('ldapjs') });
    const why = async () => {
      t.is(await refusal(at.signIn('ann@example.com')), 'login.refused');
      return String((await at.entries()).findLast(({ event }) => event === 'directory.failed')?.detail.why);
    };
    hostile.onRequest = () => undefined;
    t.regex(await why(), /did not answer in time/);
    const flood = (head: (n: number) => Buffer) => (n: number, isBind: boolean, socket: TLSSocket) => {
      if (isBind) return void socket.write(bound(n));
      const pour = () => {
        while (!socket.destroyed && socket.write(Buffer.concat([head(n), Buffer.alloc(65_536, head(n))])));
      };
      socket.on('drain', pour);
      pour();
    };
    hostile.onRequest = flood(n => entry(n, 'cn=a,dc=x'));
    t.regex(await why(), /sent more than is taken|did not answer in time|not LDAP/);
    hostile.onRequest = flood(() => Buffer.from('30847fffffff', 'hex'));
    t.regex(await why(), /sent more than is taken/);
    t.is(await refusal(at.signIn('root', PASSWORD)), 'accepted');
    await at.close();
  },
);

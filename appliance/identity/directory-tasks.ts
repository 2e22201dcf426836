// What is asked of a directory, whichever library speaks: several servers in turn, exactly one hit, the user's own bind on a
// fresh connection, nested groups breadth-first. Runs in the directory's thread; what comes in is bounded here.
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { DirectoryPerson, DirectorySettings, DirectoryStep } from './directory.ts';
import type { LdapClient, LdapEntry, LdapQuery, OpenLdapClient } from './directory-client.ts';
import { normalDn } from './directory-dn.ts';
import { DirectoryFault, explainFault } from './directory-fault.ts';
import { openWire, parseServer, type ServerAddress, shakeHands, type Wire } from './directory-wire.ts';

const LOGIN_BYTES = 4 * 2 ** 20; // in each connection
const LIST_BYTES = 64 * 2 ** 20;
/** In which a list must be there, from each server. */
export const LIST_MS = 60_000;
const MAX_PEOPLE = 50_000;
const MAX_GROUPS_READ = 20_000;
/** Groups one person is in, at login. */
const MAX_GROUPS_OF_ONE = 500;
const MAX_PIECES = 1000; // of one group
const MAX_TEXT = 256;
const MAX_ID = 128;
const MAX_DN = 4096;

type Open = (server: ServerAddress) => Promise<LdapClient>;

/** The password must not be empty: to a directory that is a bind by nobody, which always succeeds (RFC 4513 §5.1.2). */
export function authenticate(
  settings: DirectorySettings,
  library: OpenLdapClient,
  loginId: string,
  password: string,
): Promise<DirectoryPerson | null> {
  if (password === '') throw new DirectoryFault('directory.no-password', 'an empty password is never tried');
  return inTurn(settings, library, settings.timeoutSeconds * 1000, LOGIN_BYTES, async (open, server) => {
    using service = await openService(settings, open, server);
    const found = await take(service, { ...peopleQuery(settings), where: whoIs(settings, loginId) }, 2);
    const [entry] = found;
    if (found.length > 1) {
      const text = 'several people have that login id there; which one is meant can’t be told';
      throw new DirectoryFault('directory.not-one', text, { isOfServer: false });
    }
    using own = await open(server);
    // For nobody a bind is made that fails, so that the time taken doesn't tell who is in the directory.
    if (entry === undefined) {
      await own.bind(nobodyIn(settings), randomBytes(12).toString('hex')).catch(() => false);
      return null;
    }
    const isRight = await own.bind(entry.dn, password);
    return isRight ? toPerson(settings, entry, await groupsAbove(settings, service, entry.dn)) : null;
  });
}

/** A login id nobody has, asked for as any other. */
export async function decoy(settings: DirectorySettings, library: OpenLdapClient): Promise<null> {
  await authenticate(settings, library, `nobody-${randomBytes(12).toString('hex')}`, 'x');
  return null;
}

export function list(settings: DirectorySettings, library: OpenLdapClient): Promise<DirectoryPerson[]> {
  return inTurn(settings, library, LIST_MS, LIST_BYTES, async (open, server) => {
    using service = await openService(settings, open, server);
    const above = await readGroups(settings, service);
    const people: DirectoryPerson[] = [];
    for await (const page of service.search(peopleQuery(settings))) {
      for (const entry of page) {
        // Who has no login id can't sign in, and is nobody to us.
        if (textOf(entry, settings.users.loginId) === '' || idOf(entry, settings.users.id) === '') continue;
        people.push(toPerson(settings, entry, climb(above, entry.dn)));
      }
      if (people.length > MAX_PEOPLE)
        throw new DirectoryFault('directory.too-many', `it has more than ${MAX_PEOPLE} people`);
    }
    return people;
  });
}

/** Every step with every server; what fails is told, and the steps after it are skipped. */
export async function test(settings: DirectorySettings, library: OpenLdapClient): Promise<DirectoryStep[]> {
  const steps: DirectoryStep[] = [];
  for (const url of settings.servers) {
    let isFailed = false;
    for (const [name, run] of Object.entries(stepsWith(settings, library, parseServer(url)))) {
      if (isFailed) {
        steps.push({ server: url, name, state: 'skipped', text: '' });
        continue;
      }
      const step = await run().then(
        text => ({ state: 'done' as const, text }),
        error => ({ state: 'failed' as const, text: explainFault(error).message }),
      );
      isFailed = step.state === 'failed';
      steps.push({ server: url, name, ...step });
    }
  }
  return steps;
}

function stepsWith(
  settings: DirectorySettings,
  library: OpenLdapClient,
  server: ServerAddress,
): Record<string, () => Promise<string>> {
  const wire = () => {
    const signal = AbortSignal.timeout(settings.timeoutSeconds * 1000);
    return openWire(server, { maxBytes: LOGIN_BYTES, authorities: settings.authorities, signal });
  };
  const open = async () => overWire(await wire(), server, library);
  return {
    Name: async () => {
      const found = await lookup(server.host, { all: true });
      return `is ${found.map(({ address }) => address).join(', ')}`;
    },
    'Connect, TLS': async () => {
      using connected = await wire();
      return `connected; ${await shakeHands(connected)}${server.startTls ? ', by StartTLS' : ''}`;
    },
    'Sign in': async () => {
      using _service = await openService(settings, open, server);
      return `signed in as ${settings.bindDn}`;
    },
    People: async () => {
      using service = await openService(settings, open, server);
      const [entry] = await take(service, peopleQuery(settings), 1);
      if (entry === undefined) return `nobody of class ${settings.users.objectClass} is below ${settings.users.base}`;
      return explainEntry(settings, entry);
    },
    Groups: async () => {
      using service = await openService(settings, open, server);
      return await explainGroups(settings, service); // before the connection is disposed of
    },
  };
}

/** The first server that gives an answer gives it; the faults of all of them are told when none does. */
async function inTurn<T>(
  settings: DirectorySettings,
  library: OpenLdapClient,
  eachMs: number,
  maxBytes: number,
  run: (open: Open, server: ServerAddress) => Promise<T>,
): Promise<T> {
  const faults: { url: string; fault: DirectoryFault }[] = [];
  for (const url of settings.servers) {
    const server = parseServer(url);
    const signal = AbortSignal.timeout(eachMs); // over all that is asked of this server
    const open: Open = async at =>
      overWire(await openWire(at, { maxBytes, signal, authorities: settings.authorities }), at, library);
    try {
      return await run(open, server);
    } catch (error) {
      const fault = explainFault(error);
      if (!fault.isOfServer) throw fault;
      faults.push({ url, fault });
    }
  }
  const text = faults.map(({ url, fault }) => `${url}: ${fault.message}`).join('; ');
  throw new DirectoryFault(faults.at(-1)?.fault.code ?? 'directory.none', text);
}

/** A client that fails as soon as its connection does, whatever the library makes of that. */
async function overWire(wire: Wire, server: ServerAddress, library: OpenLdapClient): Promise<LdapClient> {
  const opening = library(server, wire.tls);
  const client = await Promise.race([opening, wire.failed]).catch(error => {
    wire[Symbol.dispose]();
    opening.catch(() => undefined); // whichever was second
    throw error;
  });
  return {
    bind: (dn, password) => Promise.race([client.bind(dn, password), wire.failed]),
    async *search(query) {
      const pages = client.search(query)[Symbol.asyncIterator]();
      while (true) {
        const { done, value } = await Promise.race([pages.next(), wire.failed]);
        if (done === true) return;
        yield value;
      }
    },
    [Symbol.dispose]: () => {
      client[Symbol.dispose]();
      wire[Symbol.dispose]();
    },
  };
}

async function openService(
  { bindDn, bindPassword }: DirectorySettings,
  open: Open,
  server: ServerAddress,
): Promise<LdapClient> {
  const client = await open(server);
  try {
    if (await client.bind(bindDn, bindPassword)) return client;
    throw new DirectoryFault('directory.bind-refused', 'it refuses the name or password of `bindDn`');
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

function peopleQuery({ users }: DirectorySettings): LdapQuery {
  const attributes = [users.id, users.loginId, users.name];
  return { base: users.base, scope: 'sub', where: [['objectClass', users.objectClass]], attributes };
}

function whoIs({ users }: DirectorySettings, loginId: string): LdapQuery['where'] {
  return [
    ['objectClass', users.objectClass],
    [users.loginId, loginId],
  ];
}

function nobodyIn({ users }: DirectorySettings): string {
  return `cn=nobody-${randomBytes(12).toString('hex')},${users.base}`;
}

async function take(client: LdapClient, query: LdapQuery, limit: number): Promise<LdapEntry[]> {
  const taken: LdapEntry[] = [];
  for await (const page of client.search(query)) {
    taken.push(...page);
    if (taken.length >= limit) break;
  }
  return taken.slice(0, limit);
}

/** Breadth-first from the person up; a group met again is not asked for again, so that a circle ends. */
async function groupsAbove(settings: DirectorySettings, service: LdapClient, dn: string): Promise<Set<string>> {
  const { base, objectClass, member } = settings.groups;
  const seen = new Set<string>();
  const queue = [dn];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const where = [['objectClass', objectClass] as const, [member, at] as const];
    for await (const page of service.search({ base, scope: 'sub', where, attributes: ['cn'] })) {
      for (const { dn: group } of page) {
        const name = normalDn(group.slice(0, MAX_DN));
        if (seen.has(name)) continue;
        seen.add(name);
        queue.push(group);
      }
      if (seen.size > MAX_GROUPS_OF_ONE) {
        throw new DirectoryFault(
          'directory.too-many-groups',
          `that person is in more than ${MAX_GROUPS_OF_ONE} groups`,
        );
      }
    }
  }
  return seen;
}

/** @returns for each member, person or group, the groups it stands in itself; all by their normal names */
async function readGroups({ groups }: DirectorySettings, service: LdapClient): Promise<Map<string, string[]>> {
  const { base, objectClass, member } = groups;
  const above = new Map<string, string[]>();
  let count = 0;
  for await (const page of service.search({
    base,
    scope: 'sub',
    where: [['objectClass', objectClass]],
    attributes: [member],
  })) {
    for (const entry of page) {
      const group = normalDn(entry.dn.slice(0, MAX_DN));
      for (const one of await membersOf(service, entry, groups)) {
        const name = normalDn(one);
        const known = above.get(name);
        if (known === undefined) above.set(name, [group]);
        else known.push(group);
      }
    }
    count += page.length;
    if (count > MAX_GROUPS_READ)
      throw new DirectoryFault('directory.too-many', `it has more than ${MAX_GROUPS_READ} groups`);
  }
  return above;
}

/** Active Directory gives 1500 members at once, under `member;range=0-1499`; the rest is asked for, piece by piece. */
export async function membersOf(
  service: LdapClient,
  entry: LdapEntry,
  { objectClass, member }: Pick<DirectorySettings['groups'], 'objectClass' | 'member'>,
): Promise<string[]> {
  const where = [['objectClass', objectClass] as const];
  const prefix = `${member.toLowerCase()};range=`;
  const members: string[] = [];
  let piece: LdapEntry | undefined = entry;
  for (let pieces = 0; piece !== undefined && pieces < MAX_PIECES; pieces += 1) {
    const [range, given] = [...piece.values].find(([name]) => name.startsWith(prefix)) ?? [];
    const values = given ?? piece.values.get(member.toLowerCase()) ?? [];
    for (const value of values) members.push(decode(value, MAX_DN));
    if (range === undefined && pieces === 0) return members;
    const [, last] = /^\d+-(\d+|\*)$/.exec(range?.slice(prefix.length) ?? '') ?? [];
    if (last === '*') return members;
    if (last === undefined || values.length === 0) break;
    const attributes = [`${member};range=${Number(last) + 1}-*`];
    [piece] = await take(service, { base: entry.dn, scope: 'base', where, attributes }, 1);
  }
  throw new DirectoryFault('directory.range', 'it did not give all members of a group');
}

function climb(above: ReadonlyMap<string, readonly string[]>, dn: string): Set<string> {
  const seen = new Set<string>();
  const queue = [normalDn(dn)];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const group of above.get(at) ?? []) {
      if (seen.has(group)) continue;
      seen.add(group);
      queue.push(group);
    }
  }
  return seen;
}

function toPerson(
  { users, groupNames }: DirectorySettings,
  entry: LdapEntry,
  groups: ReadonlySet<string>,
): DirectoryPerson {
  const id = idOf(entry, users.id);
  const text = `the person there has no ${users.id}; without it an account can’t be told from another`;
  if (id === '') throw new DirectoryFault('directory.no-id', text, { isOfServer: false });
  const loginId = textOf(entry, users.loginId);
  const mapped = groupNames.filter(name => groups.has(normalDn(name)));
  return { id, dn: entry.dn.slice(0, MAX_DN), loginId, name: textOf(entry, users.name) || loginId, groups: mapped };
}

/** A UUID is text; objectGUID is 16 bytes, kept in hex. */
function idOf({ values }: LdapEntry, attribute: string): string {
  const [bytes] = values.get(attribute.toLowerCase()) ?? [];
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_ID) return '';
  const isText = bytes.length !== 16 && bytes.every(byte => byte > 0x20 && byte < 0x7f);
  const id = isText ? Buffer.from(bytes).toString('latin1').toLowerCase() : Buffer.from(bytes).toString('hex');
  return id.length > MAX_ID ? '' : id;
}

function textOf({ values }: LdapEntry, attribute: string): string {
  const [bytes] = values.get(attribute.toLowerCase()) ?? [];
  return bytes === undefined ? '' : decode(bytes, MAX_TEXT);
}

function decode(bytes: Uint8Array, most: number): string {
  return bytes.length > most ? '' : new TextDecoder().decode(bytes);
}

function explainEntry({ users }: DirectorySettings, entry: LdapEntry): string {
  const missing = [users.loginId, users.name].filter(name => textOf(entry, name) === '');
  if (idOf(entry, users.id) === '') missing.push(users.id);
  if (missing.length === 0)
    return `found ${entry.dn.slice(0, MAX_TEXT)}, with ${users.loginId}, ${users.name} and ${users.id}`;
  return `found ${entry.dn.slice(0, MAX_TEXT)}, but without ${missing.join(', ')}: such a person can’t sign in`;
}

async function explainGroups(settings: DirectorySettings, service: LdapClient): Promise<string> {
  const { base, objectClass } = settings.groups;
  const found = new Set<string>();
  for await (const page of service.search({
    base,
    scope: 'sub',
    where: [['objectClass', objectClass]],
    attributes: ['cn'],
  })) {
    for (const { dn } of page) found.add(normalDn(dn));
    if (found.size > MAX_GROUPS_READ) break;
  }
  const missing = settings.groupNames.filter(name => !found.has(normalDn(name)));
  const text = `${found.size} ${found.size === 1 ? 'group' : 'groups'} below ${base}`;
  return missing.length === 0
    ? `${text}; each group of the mapping is there`
    : `${text}; of the mapping these are not there: ${missing.join('; ')}`;
}

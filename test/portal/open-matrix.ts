// The people of the matrix of routes, what there is to be spoiled, and a look at the whole store before and after.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError } from '../../appliance/errors.ts';
import type { IssuedLogin } from '../../appliance/identity/login.ts';
import { ROLES, type Role } from '../../appliance/identity/member.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { codeOf, PASSWORD } from '../identity/open-identity.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import { askSocket, type SocketAnswer } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';
import { plainName } from './route-table.ts';
import { TestEvents } from './test-console.ts';

type Desk = Awaited<ReturnType<typeof openTestDesk>>;

/** Members in these roles, at a whole login. */
export const members: Readonly<Record<string, readonly Role[]>> = {
  'master admin': ['master-admin'],
  admin: ['admin'],
  'admin of a part': ['admin'],
  technician: ['technician'],
  auditor: ['auditor'],
  'admin and technician': ['admin', 'technician'],
  'technician and auditor': ['technician', 'auditor'],
};
/** Members with every role there is, whose login is not whole, or no more. */
const FORCED = 'has to change his password';
const AWAITING = 'awaits two-step';
const OBLIGED = 'has to set up two-step';
const GONE = 'has signed out';
export const people = ['nobody', GONE, FORCED, AWAITING, OBLIGED, ...Object.keys(members)];

export interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  /** Of what the path names; left out, it is something real that is another one's. */
  readonly id?: string;
  readonly json?: unknown;
}

export interface Matrix {
  ask(route: string, who: string, asking?: Asking): Promise<SocketAnswer>;
  /** Asks the settings' realm, with these cookies. */
  askRealm(route: string, cookies: string, headers?: Readonly<Record<string, string>>): Promise<SocketAnswer>;
  /** Asks the portal with these. */
  askWith(route: string, cookies: string): Promise<SocketAnswer>;
  tokenOf(who: string): string | undefined;
  /** @returns status of the answer, 101 when it was taken */
  upgrade(path: string, who: string, headers?: Readonly<Record<string, string>>): Promise<number>;
  readonly ids: { readonly part: string; readonly otherGroup: string; readonly technician: string };
  /** Says the same as long as nothing in the store has changed, and nothing was added to the log. */
  look(): Promise<string>;
  readonly desk: Desk;
}

const noSession = new ApplianceError('missing', 'session.missing', 'there is no such session');

export async function openMatrix(): Promise<Matrix> {
  const desk = await openTestDesk({
    evidence: { bundle: () => Promise.reject(noSession), verifier: async () => Buffer.from('as it was bundled') },
  });
  const { certificate } = new TestAuthority();
  for (const name of ['ca.crt', 'log-head.pub', 'manifest.pub']) writeFileSync(join(desk.folder, name), certificate);
  const { groups } = desk.identity;
  const [part, other] = await Promise.all(
    ['Helpdesk', 'Sales'].map(name => groups.create(editorOf(desk), { name, parentId: ROOT_GROUP_ID })),
  );
  const ids = { part: part?.id ?? '', otherGroup: other?.id ?? '', technician: '' };
  const technician = await desk.member('other@example.com');
  await groups.assign(editorOf(desk), technician.id, ids.otherGroup);
  const idFor = await makeTargets(desk, { ...ids, technician: technician.id });
  const tokens = await makePeople(desk, ids.part);
  return {
    desk,
    ids: { ...ids, technician: technician.id },
    upgrade: async (path, who, headers = {}) => {
      const cookie = { cookie: `__Host-login=${tokens.get(who) ?? ''}` };
      const events = await TestEvents.open(desk.socketPath, { ...cookie, ...headers }, path);
      events.close();
      return events.status;
    },
    ask: (route, who, { headers = {}, id, json } = {}) => {
      const named = desk.routes.find(({ method, path }) => plainName(`${method} ${path}`) === route);
      if (named === undefined) throw new Error(`there is no route ${route}`);
      const { method, path: pattern } = named;
      const path = pattern.replaceAll(/:[a-z]+/gi, id ?? idFor(pattern));
      return askSocket(desk.socketPath, method, path, tokens.get(who), headers, json);
    },
    askRealm: (route, cookie, headers = {}) => {
      const [method = '', pattern = ''] = route.split(' ');
      const path = pattern.replaceAll(/:[a-z]+/gi, technician.id);
      return askSocket(desk.realm.socketPath, method, path, undefined, { ...headers, cookie });
    },
    askWith: (route, cookie) => {
      const [method = '', pattern = ''] = route.split(' ');
      return askSocket(desk.socketPath, method, pattern.replaceAll(/:[a-z]+/gi, technician.id), undefined, { cookie });
    },
    tokenOf: who => tokens.get(who),
    look: () => lookAt(desk),
  };
}

function editorOf({ asRoot }: Desk) {
  return { actor: asRoot, roles: ['master-admin'] as const };
}

/** Of each kind one that none of the people owns. */
async function makeTargets(desk: Desk, { otherGroup, technician }: Matrix['ids']): Promise<(path: string) => string> {
  const { support } = desk.parts;
  const { id: session, owner } = await desk.made();
  const reply = await support.replies.create(owner, 'own', { title: 'Mine', text: 'Mine alone' });
  const { login } = await desk.signIn('other@example.com');
  const ids: readonly (readonly [path: RegExp, id: string])[] = [
    [/^\/admin\/(groups|addresses)\//, otherGroup],
    [/^\/account\/logins\//, login.id],
    [/\/sessions\//, session],
    [/\/replies\//, reply.id],
  ];
  return path => ids.find(([pattern]) => pattern.test(path))?.[1] ?? technician;
}

/** @returns the token of each who has one */
async function makePeople(desk: Desk, partId: string): Promise<ReadonlyMap<string, string>> {
  const { identity, asRoot } = desk;
  const tokens = new Map<string, string>();
  const loginIdOf = (who: string) => `${who.replaceAll(' ', '-')}@example.com`;
  const make = async (who: string, roles: readonly Role[] = ROLES) => (await desk.member(loginIdOf(who), roles)).id;
  const enter = async (who: string): Promise<IssuedLogin> => {
    const issued = await desk.signIn(loginIdOf(who));
    tokens.set(who, issued.token);
    return issued;
  };
  for (const [who, roles] of Object.entries(members)) {
    const id = await make(who, roles);
    if (who === 'admin of a part') await identity.groups.setParts(editorOf(desk), id, [partId]);
    await enter(who);
  }
  await identity.members.forceChange(asRoot, await make(FORCED));
  await identity.members.requireTwoStep(asRoot, await make(OBLIGED), true);
  const awaiting = await make(AWAITING);
  const { secret } = await identity.twoStep.begin(awaiting);
  const { login } = await identity.stepUp.byPassword((await enter(AWAITING)).login, PASSWORD);
  await identity.twoStep.confirm(login, await codeOf(secret, desk.clock.now()));
  await make(GONE);
  const stages = await Promise.all([FORCED, AWAITING, OBLIGED].map(enter));
  const { token } = await enter(GONE);
  await identity.logins.signOut(token);
  const found = stages.map(({ login: { stage } }) => stage).join(' ');
  if (found !== 'change-password two-step enrol-two-step') throw new Error(`the stages are ${found}`);
  return tokens;
}

/** The log's own waiting room is left out: it is emptied by the clock. */
async function lookAt({ store, entries }: Desk): Promise<string> {
  const { read } = store.core;
  const tables = await read.all(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'audit_pending' ORDER BY name",
  );
  const hash = createHash('sha256');
  for (const { name } of tables) hash.update(JSON.stringify([name, await read.all(`SELECT * FROM "${name}"`)]));
  return `${tables.length} tables ${hash.digest('hex')}, ${(await entries()).length} entries`;
}

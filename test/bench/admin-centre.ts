// What the admin centre costs with 10,000 members in 500 groups: the page of the tree and a search among the members, as the
// portal answers them over its socket, signed in; and what one decision costs where every action asks for one (D-01 D-08).
import { randomBytes } from 'node:crypto';
import { toBase64Url } from '../../appliance/guid.ts';
import { insertMember } from '../../appliance/identity/member-store.ts';
import { authorise } from '../../appliance/permissions/authorise.ts';
import { permissions } from '../../appliance/permissions/decision.ts';
import { insertGroup, putMember, ROOT_GROUP_ID, replacePermissions } from '../../appliance/permissions/group-store.ts';
import { MAX_DEPTH } from '../../appliance/permissions/groups.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from '../portal/ask-socket.ts';
import { openTestDesk } from '../portal/open-support.ts';
import { type Benches, type BenchLine, figure, median } from '../support/bench-line.ts';

const MEMBERS = 10_000;
const GROUPS = 500;
const ROUNDS = 15;
const DECISIONS = 200_000;
const AT_ONCE = 500;

const newId = () => toBase64Url(randomBytes(16));

/** The slowest of its questions: the deepest path, where only the root sets the permission. */
async function decisions(): Promise<BenchLine[]> {
  const path = Array.from({ length: MAX_DEPTH }, (_, depth) => ({
    id: newId(),
    name: `Level ${depth}`,
    permissions: depth === 0 ? Object.fromEntries(permissions.map(one => [one, 'grant' as const])) : {},
  }));
  const actor = { id: newId(), roles: ['technician'] as const };
  const ask = (n: number) => {
    const action = permissions[n % permissions.length] ?? 'reboot';
    authorise({ action, actor, ownerId: actor.id, groupPath: path, state: 'active' });
  };
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let n = 0; n < DECISIONS / ROUNDS; n++) ask(n);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / (DECISIONS / ROUNDS));
  }
  return [figure('authorise', median(costs), `CPU µs a decision, ${MAX_DEPTH} levels deep`, 5)];
}

async function openFull() {
  const at = await openTestDesk();
  const groups = [ROOT_GROUP_ID];
  await at.store.core.transaction(async tx => {
    for (let n = 1; n < GROUPS; n++) {
      const id = newId();
      await insertGroup(tx, {
        id,
        parentId: groups[Math.floor((n - 1) / 4)] ?? null,
        name: `Group ${n}`,
        createdAt: n,
      });
      await replacePermissions(tx, id, n % 3 === 0 ? { reboot: 'deny', 'send-files': 'grant' } : {});
      groups.push(id);
    }
  });
  const password = await hashOf(at.root.id);
  async function hashOf(id: string): Promise<string> {
    const row = await at.store.core.read.get('SELECT password_hash FROM member WHERE id = ?', [id]);
    return String(row?.password_hash);
  }
  for (let first = 0; first < MEMBERS; first += AT_ONCE) {
    await at.store.core.transaction(async tx => {
      for (let n = first; n < first + AT_ONCE; n++) {
        const id = newId();
        const [loginId, name] = [`person-${n}@example.com`, `Person ${n} of the house`];
        const one = { id, loginId, name, roles: ['technician' as const], passwordHash: password };
        await insertMember(tx, { ...one, mustChange: false, createdAt: n });
        await putMember(tx, id, groups[n % groups.length] ?? ROOT_GROUP_ID);
      }
    });
  }
  await at.member('ann@example.com', ['master-admin']);
  const { token } = await at.signIn('ann@example.com', PASSWORD);
  const ask = (path: string) => askSocket(at.socketPath, 'GET', path, token, { accept: 'text/html' });
  return { ask, close: at.close };
}

async function page(
  bench: string,
  path: (round: number) => string,
  wanted: RegExp,
  goalMs: number,
): Promise<BenchLine[]> {
  const at = await openFull();
  try {
    const durations: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const startedAt = performance.now();
      const { status, body } = await at.ask(path(round));
      durations.push(performance.now() - startedAt);
      if (status !== 200 || !wanted.test(body)) throw new Error(`${path(round)} gave ${status}`);
    }
    const unit = `ms, median of ${ROUNDS}, ${MEMBERS} members in ${GROUPS} groups`;
    return [figure(bench, median(durations), unit, goalMs)];
  } finally {
    await at.close();
  }
}

export const benches: Benches = {
  authorise: decisions,
  'tree-page': () => page('tree-page', () => '/admin/groups', /Group 499/, 300),
  'member-search': () => page('member-search', n => `/admin/members?q=SON-${4000 + n}@`, />1 of 10\d{3} members</, 50),
};

// Everybody asks everything (D-08): each route of the real portal, as nobody, in each role and some of them together, in each
// stage of signing in, and from a foreign page. Who is refused gets one answer, and nothing has changed by it.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { permissions } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { type Matrix, members, openMatrix, people } from './open-matrix.ts';
import { fromElsewhere, realmTable, routeTable } from './route-table.ts';

const everyMember = Object.keys(members);
const admins = ['admin', 'admin of a part', 'admin and technician'];
const auditors = ['auditor', 'technician and auditor'];
// Whom each rule lets pass, by hand.
const passes: Record<keyof typeof routeTable, readonly string[]> = {
  anyone: people,
  'two-step': ['awaits two-step'],
  'enrol-two-step': ['has to set up two-step'],
  'change-password': ['has to change his password'],
  'member or change-password': ['has to change his password', ...everyMember],
  member: everyMember,
  auditor: auditors,
  'master-admin': ['master admin'],
  'master-admin or admin': ['master admin', ...admins],
  'master-admin or auditor': ['master admin', ...auditors],
  'master-admin or admin or auditor': ['master admin', ...admins, ...auditors],
  technician: ['technician', 'admin and technician', 'technician and auditor'],
};
const everything = Object.entries(routeTable).flatMap(([rule, routes]) =>
  routes.flatMap(route => people.map(who => ({ route, who, isAllowed: passes[rule]?.includes(who) === true }))),
);
type Cell = (typeof everything)[number];
const isUpgrade = ({ route }: Cell) => route.startsWith('UPGRADE ');
const isRead = ({ route }: Cell) => route.startsWith('GET ');
/** The console's questions are answered in JSON, whoever asks. */
const isPage = ({ route }: Cell) => !route.startsWith('GET /technician/api/');
/** What is said to who may not, or where nothing was asked at all. */
const REFUSALS = ['portal.sign-in', 'portal.not-allowed', 'portal.foreign-origin'];
const AT_ONCE = 8;

let matrix: Matrix;
test.before(async () => {
  matrix = await openMatrix();
});
test.after.always(() => matrix?.desk.close());

/** Asks some of it, several at once. @returns what `judge` finds wrong */
async function faults(cells: readonly Cell[], judge: (cell: Cell) => Promise<string | null>): Promise<string[]> {
  const left = [...cells];
  const found: string[] = [];
  const work = async () => {
    for (let cell = left.shift(); cell !== undefined; cell = left.shift()) {
      const fault = await judge(cell);
      if (fault !== null) found.push(`${cell.route} as ${cell.who}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

const unless = (expected: string, got: string) => (got === expected ? null : got);

test.serial('D-08 whoever a rule does not name is refused, and nothing has changed by his asking', async t => {
  const refused = everything.filter(cell => !cell.isAllowed && !isUpgrade(cell));
  t.true(refused.length > 1000, `${refused.length}`);
  const before = await matrix.look();
  const found = await faults(refused, async ({ route, who }) => {
    const { status, code } = await matrix.ask(route, who);
    return unless(everyMember.includes(who) ? '403 portal.not-allowed' : '401 portal.sign-in', `${status} ${code}`);
  });
  t.deepEqual(found, []);
  t.is(await matrix.look(), before);
});

// Where a browser is sent that asks for a page it may not have yet.
const nextPage: Readonly<Record<string, string>> = {
  nobody: '/sign-in',
  'has signed out': '/sign-in',
  'has to change his password': '/sign-in/password',
  'awaits two-step': '/sign-in/two-step',
  'has to set up two-step': '/sign-in/enrol',
};

test.serial('D-08 C-08 a browser without a whole login is sent to the next page of signing in', async t => {
  const pages = everything.filter(cell => !cell.isAllowed && isRead(cell) && !everyMember.includes(cell.who));
  const found = await faults(pages.filter(isPage), async ({ route, who }) => {
    const { status, headers } = await matrix.ask(route, who, { headers: { accept: 'text/html' } });
    return unless(`302 ${nextPage[who]}`, `${status} ${headers.location}`);
  });
  t.deepEqual(found, []);
});

test.serial('C-08 D-08 nobody writes from a foreign page, whoever he is', async t => {
  const writes = everything.filter(cell => !isRead(cell) && !isUpgrade(cell) && !fromElsewhere.includes(cell.route));
  const before = await matrix.look();
  const found = await faults(writes, async ({ route, who }) => {
    const { status, code } = await matrix.ask(route, who, { headers: { origin: 'https://evil.example' } });
    return unless('403 portal.foreign-origin', `${status} ${code}`);
  });
  t.deepEqual(found, []);
  t.is(await matrix.look(), before);
});

// The settings' realm is one more column, and one more table.
const ofRealm = Object.entries(realmTable).flatMap(([rule, routes]) => routes.map(route => ({ rule, route })));
const guarded = ofRealm.filter(({ rule }) => rule !== 'anyone');

test.serial('A-05 D-08 every route of the settings stands in the table, with its rule', t => {
  const there = matrix.desk.realm.routes.map(({ method, path, rule }) => `${rule.join(' or ')}: ${method} ${path}`);
  t.deepEqual(there.sort(), ofRealm.map(({ rule, route }) => `${rule}: ${route}`).sort());
});

test.serial(
  'A-05 D-08 no member passes at the settings in whatever role, and no account of the settings at the portal',
  async t => {
    const account = await matrix.desk.realm.enter('it@example.com');
    const before = await matrix.look();
    for (const who of people) {
      const token = matrix.tokenOf(who);
      // In his own cookie, and in that of the realm: it is not the name alone that keeps them apart.
      const cookies = token === undefined ? '' : `__Host-login=${token}; __Host-settings=${token}`;
      for (const { route } of guarded) {
        const { status, code } = await matrix.askRealm(route, cookies);
        t.deepEqual([status, code], [401, 'portal.sign-in'], `${route} as ${who}`);
      }
    }
    const closed = Object.entries(routeTable).filter(([rule]) => rule !== 'anyone');
    for (const route of closed.flatMap(([, routes]) => routes).filter(one => !one.startsWith('UPGRADE '))) {
      const { status, code } = await matrix.askWith(route, `${account}; ${account.replace('settings', 'login')}`);
      t.deepEqual([status, code], [401, 'portal.sign-in'], route);
    }
    t.is(await matrix.look(), before);
  },
);

test.serial(
  'A-05 C-08 an account passes at the settings from our own pages and from the addresses on its list alone',
  async t => {
    const account = await matrix.desk.realm.enter('it-too@example.com');
    for (const { route, rule } of ofRealm) {
      const peer = { 'x-appliance-peer': '198.51.100.9' };
      t.is((await matrix.askRealm(route, account, peer)).code, 'settings.address', route);
      if (route.startsWith('POST ')) {
        const { code } = await matrix.askRealm(route, account, { origin: 'https://localhost:9999' });
        t.is(code, 'portal.foreign-origin', route);
      }
      if (rule === 'settings-account' && route.startsWith('GET ')) {
        const { status, code } = await matrix.askRealm(route, account);
        // A rule was passed when what is asked for is all that is wrong.
        t.true(
          status === 200 || /^(settings-account\.missing|request\.malformed|restore\.not-kept)$/.test(code),
          `${route} ${status}`,
        );
      }
    }
  },
);

// What an admin asks of a group that is not his, as the pages would send it.
const seen = '{}';
const silent = Object.fromEntries(permissions.map(permission => [permission, 'inherit']));
const beyond = ({ part, otherGroup, technician }: Matrix['ids']): readonly [route: string, json: unknown][] => [
  ['POST /admin/groups/new', { name: 'Mine', parentId: otherGroup }],
  ['POST /admin/groups/:id/name', { name: 'Mine', seen: 'Sales' }],
  ['POST /admin/groups/:id/place', { parentId: part, seen: ROOT_GROUP_ID }],
  ['POST /admin/groups/:id/permissions', { ...silent, reboot: 'grant', seen }],
  ['POST /admin/groups/:id/policy', { codesMatch: 'true', seen }],
  ['POST /admin/groups/:id/delete', { seen: 1 }],
  ['POST /admin/groups/:id/technicians', { to: part, where: 'here', members: `${technician} ${otherGroup}` }],
  ['POST /admin/members/:id/group', { groupId: part, seen: otherGroup }],
  ['POST /admin/members/:id/parts', { parts: part, seen: [] }],
];

test.serial('D-08 an admin of a part changes no group and moves no technician outside of it', async t => {
  const before = await matrix.look();
  for (const [route, json] of beyond(matrix.ids)) {
    for (const who of admins) {
      const { status, body } = await matrix.ask(route, who, { json });
      // What he doesn't see is not there.
      t.true(
        (status === 403 || status === 404) && !body.includes('portal.not-allowed'),
        `${route} as ${who}: ${status}`,
      );
    }
  }
  t.is(await matrix.look(), before);
  const own = { name: 'Mine', parentId: matrix.ids.part };
  t.is((await matrix.ask('POST /admin/groups/new', 'admin of a part', { json: own })).status, 303);
  t.not(await matrix.look(), before, 'a change is seen');
});

test.serial('C-08 D-08 an upgrade is for whom its rule names, and for our own pages', async t => {
  const upgrades = everything.filter(isUpgrade);
  t.is(upgrades.length, people.length);
  for (const { route, who, isAllowed } of upgrades) {
    const path = route.replace('UPGRADE ', '');
    const refused = everyMember.includes(who) ? 403 : 401;
    t.is(await matrix.upgrade(path, who), isAllowed ? 101 : refused, who);
    t.is(await matrix.upgrade(path, who, { origin: 'https://evil.example' }), 403, `${who} from elsewhere`);
  }
});

// Last: some of it changes things. It names what is not there, where it names something. What is answered then, the tests of
// each page say; not all that stands behind them is here.
test.serial('D-08 whomever a rule names passes it', async t => {
  const allowed = everything.filter(cell => cell.isAllowed && !isUpgrade(cell) && cell.route !== 'POST /sign-out');
  let shown = 0;
  const found = await faults(allowed, async ({ route, who }) => {
    const { status, code } = await matrix.ask(route, who, { id: randomBytes(16).toString('base64url') });
    if (status === 200) shown += 1;
    const isLost = code === 'portal.not-found' && !route.includes(':');
    return REFUSALS.includes(code) || isLost ? `${status} ${code}` : null;
  });
  t.deepEqual(found, []);
  t.true(shown > 300, `${shown} pages were shown`);
});

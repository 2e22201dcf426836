// Who has an account on the share; the helper here only remembers, the real one is in share.test.ts.
import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Keeping } from '../../appliance/portal/keeping.ts';
import { openTestIdentity } from '../identity/open-identity.ts';

const PASSWORD = 'kx7d-9mwa-33fe-q0zt';

async function open() {
  const at = await openTestIdentity();
  const names = new Set<string>();
  let isAway = false;
  const check = () => {
    if (isAway) throw new ApplianceError('unavailable', 'share.helper-away', 'away');
  };
  const helper = {
    provision: async (name: string) => {
      check();
      names.add(name);
    },
    remove: async (name: string) => {
      check();
      names.delete(name);
    },
    readLog: async () => ({ acts: [], position: {}, isMore: false, hasGap: false, unreadable: 0 }),
    list: async () => {
      check();
      return [...names];
    },
  };
  const keeping = () =>
    new Keeping({
      ...at,
      recordingFolder: at.folder,
      helper,
      describe: async () => null,
      log: silentLog,
      metrics: new Metrics(),
    });
  const away = (value: boolean) => {
    isAway = value;
  };
  const events = async () => (await at.entries()).map(({ event }) => event).filter(event => event.startsWith('share.'));
  return { ...at, names, keeping, away, events };
}

test('H-04 G-02 an auditor gets an account, keeps its name with another password, and gives it up; all of it is logged', async t => {
  const at = await open();
  const { share } = at.keeping();
  const anna = await at.member('anna@example.com', ['auditor']);
  const actor = { kind: 'member' as const, id: anna.id, name: anna.name, address: null };
  const { name } = await share.provision(actor, anna, PASSWORD);
  t.is((await share.provision(actor, anna, PASSWORD)).name, name);
  t.deepEqual([...at.names], [name]);
  await share.remove(actor, anna.id);
  t.deepEqual([...at.names], []);
  t.deepEqual(await at.events(), ['share.account-made', 'share.password-changed', 'share.account-removed']);
  t.false(JSON.stringify(await at.entries()).includes(PASSWORD));
  await at.close();
});

for (const how of ['disabled', 'role'] as const) {
  test(`H-04 the account of an auditor goes when he is one no more: ${how}`, async t => {
    const at = await open();
    const { share } = at.keeping();
    const [anna, boss] = [await at.member('anna@example.com', ['auditor']), await at.member('boss', ['master-admin'])];
    const actor = { kind: 'member' as const, id: boss.id, name: boss.name, address: null };
    await share.provision(actor, anna, PASSWORD);
    await share.tidy();
    t.is(at.names.size, 1);
    if (how === 'disabled') await at.identity.members.disable(actor, anna.id);
    else await at.identity.members.update(actor, anna.id, { name: anna.name, roles: ['technician'] });
    at.away(true);
    await share.tidy();
    t.truthy(await share.find(anna.id), 'not forgotten while the helper is away');
    at.away(false);
    await share.tidy();
    t.is(at.names.size, 0);
    t.is(await share.find(anna.id), undefined);
    await t.throwsAsync(share.provision(actor, anna, PASSWORD), { code: 'share.no-auditor' });
    await at.close();
  });
}

test('H-04 an account nobody is noted for, left by a kill or a restored store, goes', async t => {
  const at = await open();
  at.names.add('aud-left-00000000');
  await at.keeping().share.tidy();
  t.deepEqual([...at.names], []);
  await at.close();
});

import test from 'ava';
import type { AuditEntry } from '../../appliance/audit/entry.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import type { Editor } from '../../appliance/permissions/groups.ts';
import type { ChannelSettings } from '../../appliance/sessions/channel.ts';
import { TechnicianStatuses } from '../../appliance/sessions/technician-status.ts';
import { CUSTOMER_ADDRESS, master, openSessions, technician } from './open-sessions.ts';

const settings = (over: Partial<ChannelSettings> = {}): ChannelSettings => ({
  name: 'Printers',
  greeting: 'Paper, toner, jams.',
  awayText: 'Monday to Friday, 8 to 17.',
  isEnabled: true,
  maxWaiting: 5,
  groupIds: [ROOT_GROUP_ID],
  ...over,
});
const said = { name: 'Carl', question: 'It eats my paper' };
const from = (address = CUSTOMER_ADDRESS) => ({ address, language: 'en' });

async function openChannels() {
  const at = await openSessions();
  const statuses = new TechnicianStatuses(at);
  const [support, berlin, paris] = [
    await at.groups.create(master, { name: 'Support', parentId: ROOT_GROUP_ID }),
    await at.groups.create(master, { name: 'Berlin', parentId: ROOT_GROUP_ID }),
    await at.groups.create(master, { name: 'Paris', parentId: ROOT_GROUP_ID }),
  ];
  const inGroup = async (groupId: string, name?: string) => {
    const one = technician(name);
    await at.groups.assign(master, one.id, groupId);
    await statuses.set(one, 'available');
    return one;
  };
  const enter = async (channelId: string, address?: string) => {
    const entered = await at.channelEntries.enter(await at.channels.get(channelId), said, from(address));
    if (!('code' in entered)) return entered.state;
    return (await at.entries.look(entered.code)).id;
  };
  const told = async (event: string) => (await at.logged()).filter(entry => entry.event === event);
  return { ...at, statuses, support, berlin, paris, inGroup, enter, told };
}

const details = (entries: readonly AuditEntry[]) => entries.map(({ detail }) => detail);

/** As the search of the log finds them. */
async function sessionsIn({ audit }: Pick<Awaited<ReturnType<typeof openChannels>>, 'audit'>, channelId: string) {
  const found = await audit.search({ channelId, limit: 1000 });
  return [...new Set(found.map(({ entry }) => entry.sessionId))];
}

test('E-01 E-02 a customer comes by a channel and waits as nobody’s; whoever serves it picks up, one of them', async t => {
  const at = await openChannels();
  const { id: channelId } = await at.channels.create(master, settings({ groupIds: [at.support.id] }));
  const below = await at.groups.create(master, { name: 'Night', parentId: at.support.id });
  const [tina, nora] = [await at.inGroup(at.support.id, 'Tina'), await at.inGroup(below.id, 'Nora')];
  const stan = await at.inGroup(at.paris.id, 'Stan');
  const serve = async (who: { id: string }) => at.channels.servedBy(who.id);
  t.deepEqual([await serve(tina), await serve(nora), await serve(stan)], [[channelId], [channelId], []]);
  t.deepEqual(
    (await at.channels.serversAmong(channelId, [tina.id, nora.id, stan.id])).toSorted(),
    [tina.id, nora.id].toSorted(),
  );

  const entered = await at.channelEntries.enter(await at.channels.get(channelId), said, from());
  if (!('code' in entered)) return t.fail(entered.state);
  const { id } = await at.entries.look(entered.code);
  t.like(await at.sessions.get(id), { state: 'connecting', ownerId: null, ownerName: '', channelId });
  t.deepEqual(await at.sessions.customerOf(await at.sessions.get(id)), said);
  t.false(JSON.stringify(await at.logged()).includes('paper'), 'what he said is sealed');
  await at.claim(entered.code);
  t.is((await at.sessions.get(id)).state, 'waiting');
  t.deepEqual((await at.sessions.list('incoming', { memberId: stan.id, channelIds: await serve(stan) })).length, 0);
  t.deepEqual(
    (await at.sessions.list('incoming', { memberId: nora.id, channelIds: await serve(nora) })).map(one => one.id),
    [id],
  );

  await t.throwsAsync(at.sessions.pickUp(id, stan, at.paris.id, await serve(stan)), { code: 'session.not-yours' });
  const tries = await Promise.allSettled(
    [tina, nora].map(async who => at.sessions.pickUp(id, who, await at.groups.groupOf(who.id), await serve(who))),
  );
  t.is(tries.filter(({ status }) => status === 'fulfilled').length, 1);
  const session = await at.sessions.get(id);
  t.is(session.state, 'active');
  t.is(session.groupId, await at.groups.groupOf(session.ownerId ?? ''));
  t.deepEqual(details(await at.told('session.created')), [{ channel: 'Printers', channelId }]);
  t.deepEqual(details(await at.told('session.picked-up')), [{ channelId, from: 'waiting', to: 'active' }]);
  t.deepEqual(await sessionsIn(at, channelId), [id]);
  await at.close();
});

test('E-02 a session handed to a channel is nobody’s, loses its link, and is found by both channels', async t => {
  const at = await openChannels();
  const first = await at.channels.create(master, settings({ groupIds: [at.support.id] }));
  const second = await at.channels.create(master, settings({ name: 'Lines', maxWaiting: 1, groupIds: [at.paris.id] }));
  const [tina, pia] = [await at.inGroup(at.support.id, 'Tina'), await at.inGroup(at.paris.id, 'Pia')];
  const { id, linkId } = await at.active(tina, at.support.id);
  const revoked: unknown[] = [];
  at.rights.onRevoked(one => revoked.push(one));
  await t.throwsAsync(at.sessions.queue(id, pia, second), { code: 'session.not-yours' });
  await at.sessions.queue(id, tina, second);
  t.like(await at.sessions.get(id), { state: 'waiting', ownerId: null, channelId: second.id, linkId: null });
  t.deepEqual(revoked, [{ sessionId: id, memberId: tina.id, reason: 'transferred' }]);
  await t.throwsAsync(at.rights.lease(id, { linkId, nonce: linkId }), { code: 'rights.refused' });
  const other = await at.active(tina, at.support.id);
  await t.throwsAsync(at.sessions.queue(other.id, tina, second), { code: 'channel.full' });
  t.is((await at.sessions.get(other.id)).ownerId, tina.id, 'it stays with him');
  await at.sessions.pickUp(id, pia, at.paris.id, [second.id]);
  await at.sessions.queue(id, pia, first);
  t.deepEqual([await sessionsIn(at, first.id), await sessionsIn(at, second.id)], [[id], [id]]);
  t.deepEqual(details(await at.told('session.queued')), [
    { channelId: second.id, channel: 'Lines', from: 'active', to: 'waiting' },
    { channelId: first.id, channel: 'Printers', from: 'active', to: 'waiting' },
  ]);
  await at.close();
});

test('E-02 handed on while the customer is away it waits for him, and not for ever', async t => {
  const at = await openChannels();
  const channel = await at.channels.create(master, settings());
  const { id, owner } = await at.active();
  await at.sessions.hold(id, owner);
  await at.sessions.appletLost(id);
  const { state, deadline } = await at.sessions.queue(id, owner, channel);
  t.is(state, 'connecting');
  t.is((deadline ?? 0) - at.clock.now(), 30 * 60_000);
  await at.clock.advance(30 * 60_000);
  await at.sessions.sweep();
  t.is((await at.sessions.get(id)).state, 'timed-out');
  await at.close();
});

test('E-01 a channel that is off, has nobody, or is full takes nobody in, and nothing is stored', async t => {
  const at = await openChannels();
  const { id } = await at.channels.create(master, settings({ maxWaiting: 2, groupIds: [at.support.id] }));
  const stored = async () => [(await at.told('session.created')).length, (await at.sessions.listQueued()).length];
  t.is(await at.enter(id), 'nobody');
  await at.inGroup(at.paris.id);
  t.is(await at.enter(id), 'nobody', 'whoever is there serves another');
  const tina = await at.inGroup(at.support.id);
  await at.statuses.set(tina, 'away');
  t.is(await at.enter(id), 'nobody');
  await at.statuses.set(tina, 'busy');
  t.deepEqual(await stored(), [0, 0]);
  await at.enter(id, '192.0.2.1');
  const second = await at.enter(id, '192.0.2.2');
  t.is(await at.enter(id, '192.0.2.3'), 'full');
  const [made, sessions] = [2, 2];
  t.deepEqual(await stored(), [made, sessions]);
  const channel = await at.channels.get(id);
  await at.channels.change(master, id, { ...channel, isEnabled: false }, channel.version);
  t.is(await at.enter(id), 'off');
  t.true((await at.channels.servedBy(tina.id)).includes(id), 'whoever waits in it is served');
  await at.clock.advance(30 * 60_000);
  await at.sessions.sweep();
  t.deepEqual((await at.sessions.listQueued()).length, 0, 'who never came has lost his place');
  t.not(second, 'full');
  await at.close();
});

test('E-01 of many who press at once no more get a place than there are', async t => {
  const at = await openChannels();
  const { id } = await at.channels.create(master, settings({ maxWaiting: 3 }));
  await at.inGroup(at.support.id);
  const all = await Promise.all(Array.from({ length: 12 }, (_, n) => at.enter(id, `192.0.2.${n}`)));
  t.is(all.filter(one => one === 'full').length, 9);
  t.is((await at.channels.countQueued()).get(id), 3);
  await at.close();
});

test('E-01 attack: one who comes again and again from one place fills half of a line, until he is picked up or gone', async t => {
  const at = await openChannels();
  const { id } = await at.channels.create(master, settings({ maxWaiting: 4 }));
  const tina = await at.inGroup(at.support.id);
  const channel = await at.channels.get(id);
  const come = async () => {
    const entered = await at.channelEntries.enter(channel, said, from());
    if (!('code' in entered)) throw new Error(entered.state);
    await at.claim(entered.code);
    return (await at.sessions.listQueued()).find(one => one.state === 'waiting');
  };
  await come();
  const second = await come();
  await t.throwsAsync(come(), { code: 'channel.crowded' });
  await at.enter(id, '192.0.2.1');
  if (second === undefined) return t.fail();
  await at.sessions.pickUp(second.id, tina, at.support.id, [id]);
  await t.notThrowsAsync(come());
  await at.close();
});

test('E-01 E-02 a channel that goes while somebody comes, or is handed over, takes nobody', async t => {
  const at = await openChannels();
  const channel = await at.channels.create(master, settings());
  const { id, owner } = await at.active();
  const gone = { ...(await at.channels.create(master, settings({ name: 'Gone' }))) };
  await at.inGroup(at.support.id);
  await at.channels.delete(master, gone.id, gone.version);
  await at.channels.change(master, channel.id, { ...channel, isEnabled: false }, channel.version);
  await t.throwsAsync(at.sessions.queue(id, owner, channel), { code: 'channel.off' });
  await t.throwsAsync(at.sessions.queue(id, owner, gone), { code: 'channel.missing' });
  t.deepEqual(await at.channelEntries.enter(channel, said, from()), { state: 'off' }, 'as it was looked at before');
  t.deepEqual(await at.channelEntries.enter({ ...gone, groupIds: [] }, said, from()), { state: 'nobody' });
  t.like(await at.sessions.get(id), { state: 'active', ownerId: owner.id, channelId: null });
  t.is((await at.sessions.listQueued()).length, 0);
  await at.close();
});

test('E-01 D-05 a customer’s name and question are looked at before anything else', async t => {
  const at = await openChannels();
  const channel = await at.channels.create(master, settings());
  const as = (over: Partial<typeof said>) => at.channelEntries.enter(channel, { ...said, ...over }, from());
  await t.throwsAsync(as({ name: ' ' }), { code: 'channel.customer-name' });
  await t.throwsAsync(as({ name: 'x'.repeat(121) }), { code: 'channel.customer-name' });
  await t.throwsAsync(as({ question: 'x'.repeat(501) }), { code: 'channel.question' });
  t.is(await at.channelEntries.look('x'), undefined);
  t.is(await at.channelEntries.look('A'.repeat(22)), undefined);
  await at.close();
});

test('E-01 D-08 channels are changed by whom they are, each change logged with what was before', async t => {
  const at = await openChannels();
  const berta = technician('Berta');
  const admin: Editor = { actor: berta, roles: ['admin'] };
  await at.groups.setParts(master, berta.id, [at.berlin.id]);
  const shared = await at.channels.create(master, settings({ groupIds: [at.berlin.id, at.paris.id] }));
  const { id, version } = shared;
  const change = (by: Editor, over: Partial<ChannelSettings>, seen = version) =>
    at.channels.change(by, id, { ...shared, ...over }, seen);
  await t.throwsAsync(change(admin, { name: 'Mine' }), { code: 'channel.not-yours' });
  await t.throwsAsync(change(admin, { groupIds: [at.berlin.id] }), { code: 'channel.not-yours' });
  await t.throwsAsync(change(admin, { groupIds: [at.paris.id, at.support.id] }), { code: 'channel.not-yours' });
  await t.throwsAsync(at.channels.delete(admin, id, version), { code: 'channel.not-yours' });
  await t.throwsAsync(at.channels.renewLink(admin, id, version), { code: 'channel.not-yours' });
  await t.throwsAsync(at.channels.move(admin, id, 'up'), { code: 'channel.not-yours' });
  await t.throwsAsync(at.channels.create(admin, settings({ name: 'None', groupIds: [] })), {
    code: 'channel.not-yours',
  });
  await t.throwsAsync(at.channels.create(admin, settings({ name: 'All', groupIds: [ROOT_GROUP_ID] })), {
    code: 'channel.not-yours',
  });
  t.is((await change(admin, { groupIds: [at.paris.id] })).groupIds.length, 1, 'his own group he takes away');
  const own = await at.channels.create(admin, settings({ name: 'Own', groupIds: [at.berlin.id] }));
  t.is(await at.channels.reachOf(admin, own), 'settings');

  await t.throwsAsync(change(master, { name: 'Late' }), { code: 'channel.changed-meanwhile' });
  await t.throwsAsync(change(master, { name: 'OWN' }, version + 1), { code: 'channel.name-taken' });
  await t.throwsAsync(change(master, { name: ' ' }, version + 1), { code: 'channel.name' });
  await t.throwsAsync(change(master, { maxWaiting: 0 }, version + 1), { code: 'channel.max-waiting' });
  await change(master, { name: 'Paper', isEnabled: false, groupIds: [at.paris.id] }, version + 1);
  t.deepEqual(details(await at.told('channel.set')), [
    { name: 'Printers', setting: 'groups', from: 'Berlin; Paris', to: 'Paris' },
    { name: 'Printers', setting: 'name', from: 'Printers', to: 'Paper' },
    { name: 'Printers', setting: 'isEnabled', from: true, to: false },
  ]);
  await at.channels.move(master, own.id, 'up');
  t.deepEqual(
    (await at.channels.list()).map(({ name }) => name),
    ['Own', 'Paper'],
  );
  const renewed = await at.channels.renewLink(master, id, version + 2);
  t.is(await at.channelEntries.look(shared.link), undefined);
  t.is((await at.channelEntries.look(renewed.link))?.state, 'off');
  await at.close();
});

test('E-01 G-04 a channel with waiting customers stays; one that was used keeps its name for the log', async t => {
  const at = await openChannels();
  const { id, version } = await at.channels.create(master, settings());
  await at.inGroup(at.support.id);
  const session = await at.enter(id);
  await t.throwsAsync(at.channels.delete(master, id, version), { code: 'channel.in-use' });
  await at.clock.advance(30 * 60_000);
  await at.sessions.sweep();
  await at.channels.delete(master, id, version);
  await t.throwsAsync(at.channels.get(id), { code: 'channel.missing' });
  t.is(await at.channels.nameOf(id), 'Printers');
  t.deepEqual(await sessionsIn(at, id), [session]);
  const again = await at.channels.create(master, settings());
  await at.channels.delete(master, again.id, again.version);
  t.is(await at.channels.nameOf(again.id), null, 'nobody came by it');
  await at.close();
});

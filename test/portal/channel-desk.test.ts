// Channels at the technician's desk: who sees the line, who picks up, and what becomes of a session handed to one.
import test, { type ExecutionContext } from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { sessionDescriber } from '../../appliance/portal/session-details.ts';
import type { ChannelView, SessionDetail, SessionView } from '../../appliance/protocol/console-api.ts';
import { gatewayToken } from '../../appliance/sessions/session-secrets.ts';
import { customerActor } from '../../appliance/sessions/sessions.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { TestApplet } from '../sessions/open-sessions.ts';
import { askSocket } from './ask-socket.ts';
import { CUSTOMER_ADDRESS, linked, openTestDesk } from './open-support.ts';

const QUESTION = 'It eats my paper';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { groups, channels, channelEntries, entries } = at.parts.support;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const create = (name: string, parentId = ROOT_GROUP_ID) => groups.create(editor, { name, parentId });
  const [support, paris] = [await create('Support'), await create('Paris')];
  const night = await create('Night', support.id);
  const inGroup = async (groupId: string) => {
    const one = await at.technician();
    await groups.assign(editor, one.id, groupId);
    const [console, events] = [at.consoleOf(one), await at.consoleOf(one).listen()];
    await events.until('hello');
    return { ...one, console, events };
  };
  const rules = { greeting: '', awayText: '', isEnabled: true, maxWaiting: 5 };
  const channel = await channels.create(editor, { name: 'Printers', ...rules, groupIds: [support.id] });
  const begin = async () => {
    const from = { address: CUSTOMER_ADDRESS, language: null };
    const entered = await channelEntries.enter(channel, { name: 'Carl', question: QUESTION }, from);
    if (!('code' in entered)) throw new Error(entered.state);
    return { code: entered.code, id: (await entries.look(entered.code)).id };
  };
  const come = async (code: string) => {
    const { guid } = await entries.drawGuid(code, CUSTOMER_ADDRESS);
    const leg = await at.dial();
    await leg.claim(gatewayToken(guid), new TestApplet());
    return leg;
  };
  return { ...at, groups, channels, editor, support, night, paris, channel, inGroup, begin, come };
}

test('E-02 D-08 the line of a channel is seen and served by its groups and those below, and by nobody else', async t => {
  const at = await open(t);
  const [tina, nora, stan] = [
    await at.inGroup(at.support.id),
    await at.inGroup(at.night.id),
    await at.inGroup(at.paris.id),
  ];
  const { id, code } = await at.begin();
  for (const who of [tina, nora]) {
    const { session } = await who.events.until('session');
    t.like(session, { id, state: 'connecting', channel: 'Printers', customerName: 'Carl', question: QUESTION });
    t.deepEqual(session.owner, { id: null, name: '' });
  }
  t.is(await tina.console.refused(`/sessions/${id}/pick-up`), 'permission.denied', 'he is not there yet');
  const leg = await at.come(code);
  t.like(await leg.next('state'), { state: 'waiting', technician: '' });
  t.is((await tina.events.until('session')).session.state, 'waiting');
  const lists = async (who: typeof tina) =>
    (await who.console.get<{ sessions: SessionView[] }>('/sessions?queue=incoming')).sessions.map(one => one.id);
  t.deepEqual([await lists(tina), await lists(nora), await lists(stan)], [[id], [id], []]);
  const late = await at.consoleOf(nora).listen(); // another window, opened now
  await late.until('hello');

  t.is(await stan.console.refused(`/sessions/${id}`, undefined, 'GET'), 'session.missing');
  for (const what of ['pick-up', 'link', 'take-back'])
    t.is(await stan.console.refused(`/sessions/${id}/${what}`), 'session.missing');
  for (const what of ['hold', 'link', 'pin', 'recording-token'])
    t.is(await tina.console.refused(`/sessions/${id}/${what}`), 'permission.denied', what);
  t.is((await tina.console.get<SessionDetail>(`/sessions/${id}`)).session.id, id);

  const picked = await Promise.all(
    [tina, nora].map(who => who.console.ask<SessionView>('POST', `/sessions/${id}/pick-up`)),
  );
  t.deepEqual(picked.map(({ status }) => status).toSorted(), [200, 409]);
  t.is(picked.find(({ status }) => status === 409)?.error?.code, 'session.taken');
  const [winner, loser] = picked[0]?.status === 200 ? [tina, nora] : [nora, tina];
  t.deepEqual(await loser.events.until('gone'), { type: 'gone', sessionId: id });
  t.is(await loser.console.refused(`/sessions/${id}`, undefined, 'GET'), 'session.missing');
  t.is(await loser.console.refused(`/sessions/${id}/pick-up`), 'session.taken');
  t.like(await leg.next('state'), { state: 'active', technician: winner.name });
  await stan.console.post('/status', { status: 'busy' });
  t.is((await stan.events.next())?.type, 'technician', 'another’s line is not told to him');
});

test('E-02 D-01 whoever comes to serve a channel sees its line at once; whoever does no more sees it go', async t => {
  const at = await open(t);
  const [tina, stan] = [await at.inGroup(at.support.id), await at.inGroup(at.paris.id)];
  const { id } = await at.begin();
  await tina.events.until('session');
  const change = async (groupIds: readonly string[]) => {
    const now = await at.channels.get(at.channel.id);
    await at.channels.change(at.editor, now.id, { ...now, groupIds }, now.version);
  };
  await change([at.paris.id]);
  t.deepEqual(await tina.events.until('gone'), { type: 'gone', sessionId: id });
  t.like((await stan.events.until('session')).session, { id, channel: 'Printers' });
  await at.groups.assign(at.editor, tina.id, at.paris.id);
  t.is((await tina.events.until('session')).session.id, id);
  await at.groups.assign(at.editor, stan.id, at.support.id);
  t.deepEqual(await stan.events.until('gone'), { type: 'gone', sessionId: id });
  await at.parts.support.sessions.end(id, customerActor, 'customer-left');
  t.deepEqual(await tina.events.until('gone'), { type: 'gone', sessionId: id }, 'who has left is gone from the line');
});

test('E-02 D-01 a session is handed to a channel by who may transfer; the link ends, and the log tells the channel', async t => {
  const at = await open(t);
  const { id, owner, leg } = await linked(at);
  const mine = at.consoleOf(owner);
  const events = await mine.listen();
  await events.until('hello');
  const to = { channelId: at.channel.id };
  t.is(await mine.refused(`/sessions/${id}/queue`, to), 'channel.nobody');
  const tina = await at.inGroup(at.support.id);
  t.deepEqual((await mine.get<{ channels: ChannelView[] }>('/channels')).channels, [
    { id: at.channel.id, name: 'Printers', waiting: 0, isAttended: true },
  ]);
  t.is(await mine.refused(`/sessions/${id}/queue`, { channelId: 'A'.repeat(22) }), 'channel.missing');
  t.is(await tina.console.refused(`/sessions/${id}/queue`, to), 'session.missing');
  const setTransfer = (setting: 'grant' | 'deny') =>
    at.groups.setPermissions(at.editor, ROOT_GROUP_ID, { 'transfer-sessions': setting });
  await setTransfer('deny');
  t.is(await mine.refused(`/sessions/${id}/queue`, to), 'permission.denied');
  await setTransfer('grant');
  t.like(await mine.post<SessionView>(`/sessions/${id}/queue`, to), {
    state: 'waiting',
    owner: { id: null, name: '' },
  });
  t.is((await leg.until('revoked')).reason, 'transferred');
  t.like(await leg.until('state'), { state: 'waiting', technician: '' });
  t.deepEqual(await events.until('gone'), { type: 'gone', sessionId: id });
  t.is(
    await mine.refused(`/sessions/${id}/certify`, { spk: 'A'.repeat(43), nonce: 'A'.repeat(22) }),
    'session.missing',
  );
  t.like((await tina.events.until('session')).session, { id, channel: 'Printers' });
  t.like(await tina.console.post<SessionView>(`/sessions/${id}/pick-up`), { state: 'active', owner: { id: tina.id } });
  const describe = sessionDescriber(at.parts.support, at.audit);
  t.like(await describe(id, false), { channel: 'Printers', question: null, technicianId: tina.id });
  await at.member('auditor@example.com', ['auditor']);
  const { token } = await at.signIn('auditor@example.com', PASSWORD);
  const { id: other } = await at.begin();
  const page = await askSocket(at.socketPath, 'GET', `/auditor/sessions/${other}`, token, { accept: 'text/html' });
  t.regex(page.body, /What it is about[\s\S]*It eats my paper[\s\S]*Channel[\s\S]*Printers/, 'the auditor’s page, too');
  t.like(await describe(other, true), { channel: 'Printers', question: QUESTION, technicianId: null });
  t.is((await describe(other, false))?.question, null, 'as with chat');
});

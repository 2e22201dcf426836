// A session while parts of the appliance are killed or fall silent: it goes on or ends in a named state, and no line that was
// acknowledged is lost or doubled: by the console, the customer's window and the session's log alike.
import test from 'ava';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { ChatUnderFaults } from '../support/gateway-faults.ts';

const ROUNDS = 3; // 200 by `npm run soak`

/** With one gateway and with two. Each test has a session of its own, and leaves every process running. */
let one: Appliance;
let two: Appliance;
test.before(async () => {
  const started = [1, 2].map(gateways => startAppliance({ accounts: true, gateways }));
  [one, two] = (await Promise.all(started)) as [Appliance, Appliance];
});
test.after.always(() => Promise.all([one?.close(), two?.close()]));

test.serial(
  'J-02 a gateway killed in mid-chat: the other one carries the link, and no line is lost or doubled',
  async t => {
    await using chat = await ChatUnderFaults.begin(two);
    const { shortString } = chat.session.link;
    for (let round = 0; round < ROUNDS; round++) await chat.round('kill', `killed ${round}`);
    t.deepEqual(await chat.missing(), []);
    t.is(chat.said.length, ROUNDS);
    t.is(chat.session.link.shortString, shortString); // the same link: no new handshake was needed
  },
);

test.serial('J-02 a gateway that falls silent in mid-chat is left, and no line is lost or doubled', async t => {
  await using chat = await ChatUnderFaults.begin(two);
  const { shortString } = chat.session.link;
  for (let round = 0; round < ROUNDS; round++) await chat.round('stop', `stopped ${round}`);
  t.deepEqual(await chat.missing(), []);
  t.is(chat.session.link.shortString, shortString);
});

test.serial('J-02 the only gateway is killed and comes back: the link is the same, and so is the chat', async t => {
  await using chat = await ChatUnderFaults.begin(one);
  const { shortString } = chat.session.link;
  for (let round = 0; round < ROUNDS; round++) await chat.round('kill', `alone ${round}`);
  t.deepEqual(await chat.missing(), []);
  t.is(chat.session.link.shortString, shortString);
});

test.serial(
  'A-06 G-01 a portal killed in mid-chat cuts no link, and the log has every line when it is back',
  async t => {
    await using chat = await ChatUnderFaults.begin(one);
    const { technician, customer, session, appliance } = chat;
    const { shortString } = session.link;
    await appliance.processes.portal.kill('SIGKILL');
    await chat.line('while it is away');
    t.true((await customer.line('while it is away')).isPending); // nothing is confirmed before it is in the log
    session.write('and back');
    await appliance.processes.portal.start();
    await customer.line('while it is away', ({ isPending }) => !isPending);
    await customer.line('and back');
    await technician.untilThat(() =>
      session.chat.lines.find(line => line.text === 'and back' && line.delivery === 'delivered'),
    );
    t.deepEqual(await chat.missing(), []);
    t.is(session.link.shortString, shortString);
    const { chat: logged } = await technician.api.detail(session.id);
    t.deepEqual(logged.map(({ text }) => text).sort(), ['and back', 'while it is away']);
  },
);

test.serial(
  'E-03 a console’s tab that is killed: the next one has every line once, and codes are compared anew',
  async t => {
    await using chat = await ChatUnderFaults.begin(one);
    const { technician, customer } = chat;
    await chat.line('before');
    chat.session.write('from the first tab');
    await customer.line('from the first tab');
    const before = chat.session.link.linkId;
    technician.drop(chat.session.id);
    customer.session.chat('into nowhere');
    const { session: view } = await technician.api.detail(chat.session.id);
    const session = technician.open(view);
    await technician.untilThat(() => session.chat.lines.find(({ text }) => text === 'into nowhere'));
    await customer.line('into nowhere', ({ isPending }) => !isPending);
    t.not(session.link.linkId, before);
    t.is(customer.state.shortString?.state, 'open');
    await technician.untilThat(() => (session.chat.unconfirmed === 0 && session.chat.storing === 0) || undefined);
    const wanted = ['before', 'from the first tab', 'into nowhere'];
    t.deepEqual(session.chat.lines.map(({ text }) => text).sort(), wanted);
    t.deepEqual(
      [...customer.chat.values()]
        .filter(({ from }) => from !== 'appliance')
        .map(({ text }) => text)
        .sort(),
      wanted,
    );
    const { chat: logged } = await technician.api.detail(session.id);
    t.deepEqual(logged.map(({ text }) => text).sort(), wanted);
  },
);

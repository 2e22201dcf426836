// Attacks on ATTACH, SWITCH and the paths themselves.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { attachFromConsole, attachToApplet } from '../../appliance/link/attach-exchange.ts';
import { MAX_SWITCHES_PER_MINUTE } from '../../appliance/link/limits.ts';
import { PathPort } from '../../appliance/link/path-port.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { writeHello } from '../../appliance/protocol/handshake.ts';
import { plainRecord, RECORD } from '../../appliance/protocol/record.ts';
import { EvilPeer } from '../link/evil-peer.ts';
import {
  bytesOf,
  Collector,
  connectedLinks,
  cryptoModes,
  MemoryPair,
  type Middle,
  nextStream,
  type TestLinks,
  textBytes,
  turns,
  whenState,
} from '../link/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const numbered = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

/** Attaches another path to both ends with this in between. @returns 'ok' or the code, for each */
async function attach({ console, applet }: TestLinks, middle: Middle, pair = new MemoryPair('relay', middle)) {
  const outcome = (end: Promise<unknown>) =>
    end.then(
      () => 'ok',
      error => error.code as string,
    );
  const [fromConsole, fromApplet] = await Promise.all([
    outcome(console.attachPath(pair.console)),
    outcome(applet.attachPath(pair.applet)),
  ]);
  await turns(4);
  return { console: fromConsole, applet: fromApplet, pair };
}

/** The link is whole: what is said on either side arrives. */
async function stillTalks({ console, applet }: TestLinks): Promise<boolean> {
  const heard = nextStream(applet);
  const out = console.openStream('chat', 2);
  out.send(textBytes('there'));
  const back = await heard;
  const [there, here] = [new Collector(back), new Collector(out)];
  back.send(textBytes('here'));
  await Promise.all([there.until(1), here.until(1)]);
  return console.state.state === 'open' && applet.state.state === 'open';
}

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  test(`F-05 ${mode} attack: a message of ATTACH replayed, doubled, reflected or changed closes that path alone`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const first = await attach(links, message => [message]);
    t.deepEqual([first.console, first.applet], ['ok', 'ok']);
    const old = first.pair.log.map(({ message }) => message);
    t.deepEqual(
      old.slice(0, 3).map(message => message[0]),
      [RECORD.attachBegin, RECORD.attachProve, RECORD.attachConfirm],
    );
    // All of it, from the relay's records: the applet has seen the number.
    const replay = new MemoryPair();
    const refused = links.applet.attachPath(replay.applet).then(
      () => 'ok',
      error => error.code,
    );
    for (const at of [0, 2]) replay.inject(0, old[at] ?? new Uint8Array(0));
    t.is(await refused, 'link.attach-refused');
    for (const [side, index] of [
      [0, 0],
      [1, 0],
      [0, 1],
    ] as const) {
      const stored = old[side === 1 ? 1 : index * 2] ?? new Uint8Array(0);
      const isIt = (from: number, at: number) => from === side && at === index;
      const replaced = await attach(links, (message, from, at) => [isIt(from, at) ? stored : message]);
      t.is(replaced[side === 0 ? 'applet' : 'console'], 'link.attach-refused');
      const pair: MemoryPair = new MemoryPair('relay', (message, from, at) => {
        if (!isIt(from, at)) return [message];
        pair.inject((1 - side) as 0 | 1, message);
        return [];
      });
      const reflected = await attach(links, message => [message], pair);
      t.true([reflected.console, reflected.applet].includes('link.attach-refused'));
    }
    t.true(await stillTalks(links));
  });
}

for (const [side, index] of [
  [0, 0],
  [1, 0],
  [0, 1],
] as const) {
  test(`F-05 attack: a bit flipped in any byte of message ${side + 2 * index + 1} of ATTACH closes that path alone`, async t => {
    await using links = await connectedLinks();
    let length = 12;
    for (let place = 0; place < length; place++) {
      const { console, applet } = await attach(links, (message, from, at) => {
        if (from !== side || at !== index) return [message];
        length = message.length;
        message[place] = (message[place] ?? 0) ^ (1 << (place % 8));
        return [message];
      });
      t.is(side === 0 ? applet : console, 'link.attach-refused', `byte ${place}`);
    }
    t.is(links.console.paths.length, 1);
    t.true(await stillTalks(links));
  });
}

for (const after of [0, 1, 2, 3]) {
  test(`F-05 attack: the path is cut after message ${after} of ATTACH; the link is not disturbed, and a new one works`, async t => {
    await using links = await connectedLinks();
    let seen = 0;
    const pair: MemoryPair = new MemoryPair('relay', message => {
      if (seen++ < after) return [message];
      pair.cut();
      return [];
    });
    const ended = attach(links, message => [message], pair);
    if (after === 3) setImmediate(() => setImmediate(() => setImmediate(() => pair.cut())));
    const { applet } = await ended;
    if (after < 3) t.is(applet, 'link.attach-refused');
    await turns(6);
    t.is(links.console.paths.length, 1);
    t.true(await stillTalks(links));
    const next = await attach(links, message => [message]);
    t.deepEqual([next.console, next.applet], ['ok', 'ok']);
  });
}

test('F-05 attack: who does not hold the keys of the link, or sees another kind of path, can not attach', async t => {
  await using evil = await EvilPeer.connect();
  const good = evil.attachOptions();
  const forged = {
    'another key': { ...good, resume: bytesOf(randomBytes(32)) },
    'another link': { ...good, linkId: bytesOf(randomBytes(16)) },
    'another session': { ...good, sid: bytesOf(randomBytes(16)) },
  };
  for (const options of Object.values(forged)) {
    const pair = new MemoryPair();
    const [applet, console] = await Promise.allSettled([
      evil.honest.attachPath(pair.applet),
      attachFromConsole(options, new PathPort(pair.console), 7),
    ]);
    t.is(applet.status === 'rejected' && applet.reason.code, 'link.attach-refused');
    t.is(console.status, 'rejected');
  }
  const mixed = new MemoryPair('relay', message => [message], 'tcp'); // the relay says it is a direct path
  const [applet] = await Promise.allSettled([
    evil.honest.attachPath(mixed.applet),
    attachFromConsole(good, new PathPort(mixed.console), 8),
  ]);
  t.is(applet.status === 'rejected' && applet.reason.code, 'link.attach-refused');
  t.is(evil.honest.state.state, 'open');
});

test('F-05 attack: an attach number is used once, even when two paths offer it at the same time', async t => {
  await using evil = await EvilPeer.connect();
  const one = async (attachNumber: number) => {
    const pair = new MemoryPair();
    const [applet] = await Promise.allSettled([
      evil.honest.attachPath(pair.applet),
      attachFromConsole(evil.attachOptions(), new PathPort(pair.console), attachNumber),
    ]);
    return applet.status === 'fulfilled' ? 'ok' : applet.reason.code;
  };
  const both = await Promise.all([one(3), one(3)]);
  t.deepEqual(both.sort(), ['link.attach-refused', 'ok']);
  t.is(await one(3), 'link.attach-refused');
  t.is(await one(0), 'link.attach-refused'); // the path of the handshake
  t.is(await one(4), 'ok');
  t.is(evil.honest.state.state, 'open');
});

test('F-05 attack: an applet that answers for another ATTACH, or with a wrong MAC, is refused by the console', async t => {
  await using evil = await EvilPeer.connect();
  const seen = new Set<number>();
  const pair = new MemoryPair();
  const other = new MemoryPair();
  const wrong = { ...evil.attachOptions(), resume: bytesOf(randomBytes(32)) };
  const [console] = await Promise.allSettled([
    attachFromConsole(evil.attachOptions(), new PathPort(pair.console), 1),
    attachToApplet(wrong, new PathPort(pair.applet), seen),
  ]);
  t.is(console.status === 'rejected' && console.reason.cause.message, 'a wrong MAC');
  const crossed = attachFromConsole(evil.attachOptions(), new PathPort(other.console), 2);
  const answer = attachFromConsole(evil.attachOptions(), new PathPort(other.applet), 3); // two consoles, face to face
  const ends = await Promise.allSettled([crossed, answer]);
  t.true(ends.every(end => end.status === 'rejected' && end.reason.code === 'link.attach-refused'));
  t.is(seen.size, 0);
});

test('F-05 two attaches of one generation both hold: which path carries records is said by SWITCH alone', async t => {
  await using links = await connectedLinks();
  const [left, right] = await Promise.all([links.attach(), links.attach()]);
  t.not(left.attach, right.attach);
  t.is(links.console.paths.find(path => path.active)?.attach, 0);
  t.true(links.console.choosePath(right.attach));
  t.true(await stillTalks(links));
  t.is(links.applet.paths.find(path => path.active)?.attach, right.attach);
});

test('F-05 attack: a record on a path that carries none, and an old one on a path that was left, end the link', async t => {
  const kept: Bytes[] = [];
  const keep: Middle = (message, side) => {
    if (side === 0 && message[0] === RECORD.data) kept.push(message.slice());
    return [message];
  };
  await using idle = await connectedLinks();
  idle.pair.middle = keep;
  const standby = await idle.attach();
  idle.console.openStream('chat', 2);
  await turns(4);
  standby.pair.inject(0, kept[0] ?? new Uint8Array(0));
  t.is(await whenState(idle.applet, 'closed'), 'link.protocol');

  kept.length = 0;
  await using moved = await connectedLinks();
  moved.pair.middle = keep;
  t.true(await stillTalks(moved));
  const { attach: attachNumber } = await moved.attach();
  moved.console.choosePath(attachNumber);
  await turns(6);
  moved.pair.inject(0, kept[0] ?? new Uint8Array(0));
  t.is(await whenState(moved.applet, 'closed'), 'link.protocol');
});

test('F-05 attack: only the console moves the link: a SWITCH from the applet that answers nothing ends it', async t => {
  // The mirror of the evil peer: what it sends as the applet would is taken by a console's keys, so it is played by
  // replaying an answer under a new number: the control counter gives it away.
  await using links = await connectedLinks();
  const answers: Bytes[] = [];
  const { attach: attachNumber, pair } = await links.attach();
  pair.middle = (message, side) => {
    if (side === 1 && message[0] === RECORD.control) answers.push(message.slice());
    return [message];
  };
  links.console.choosePath(attachNumber);
  await turns(6);
  t.true(answers.length > 0);
  for (const answer of answers) pair.inject(1, answer);
  t.is(await whenState(links.console, 'closed'), 'link.protocol');
});

test('B-02 attack: a Hello, a flight or an ATTACH put on a path of the link ends that path, and the link goes on by the other', async t => {
  const strangers = [
    plainRecord(
      RECORD.hello,
      writeHello({ versions: [1], suites: [1], sid: new Uint8Array(16), commit: new Uint8Array(32) }),
    ),
    plainRecord(RECORD.noise1, bytesOf(randomBytes(80))),
    plainRecord(RECORD.noise2, bytesOf(randomBytes(700))),
    plainRecord(RECORD.noise3, bytesOf(randomBytes(700))),
    plainRecord(RECORD.attachBegin, bytesOf(randomBytes(40))),
    plainRecord(RECORD.attachProve, bytesOf(randomBytes(60))),
    plainRecord(RECORD.attachConfirm, bytesOf(randomBytes(33))),
  ];
  for (const stranger of strangers) {
    for (const side of [0, 1] as const) {
      await using links = await connectedLinks();
      const { attach: attachNumber } = await links.attach();
      links.pair.inject(side, stranger);
      await turns(8);
      t.deepEqual(
        links.console.paths.map(path => [path.attach, path.active]),
        [[attachNumber, true]],
      );
      t.true(await stillTalks(links));
    }
  }
});

test('F-05 attack: a direct path that flaps is followed six times a minute, then the link stays on the relay; nothing is lost', async t => {
  const clock = new ManualClock();
  await using links = await connectedLinks({ both: { clock } });
  const out = links.console.openStream('chat', 2);
  const there = new Collector(await nextStream(links.applet));
  const step = async (times: number) => {
    for (let i = 0; i < times; i++) {
      clock.advance(100);
      await turns(3);
    }
  };
  let said = 0;
  let taken = 0;
  for (let flap = 0; flap < 9; flap++) {
    const direct = await links.attach('tcp');
    for (let i = 0; i < 10; i++) {
      out.send(textBytes(`m${said++}`));
      await step(1);
    }
    if (links.console.paths.find(path => path.active)?.kind === 'tcp') taken++;
    direct.pair.cut();
    out.send(textBytes(`m${said++}`));
    await step(1);
    t.is(links.console.paths.find(path => path.active)?.attach, 0);
  }
  t.is(taken, MAX_SWITCHES_PER_MINUTE);
  await there.until(said);
  t.deepEqual(there.messages.map(text), numbered(said));
  await step(600); // a minute later it may try again
  await links.attach('tcp');
  await step(10);
  t.is(links.console.paths.find(path => path.active)?.kind, 'tcp');
});

test('F-05 a direct path that is slower than the relay never takes over', async t => {
  const clock = new ManualClock();
  await using links = await connectedLinks({ both: { clock } });
  const slow = links.attach('tcp', arrive => void clock.after(30, arrive));
  for (let i = 0; i < 200; i++) {
    clock.advance(10);
    await turns(3);
  }
  const { attach: attachNumber } = await slow;
  const paths = links.console.paths.map(({ attach: number, active, kind }) => ({ number, active, kind }));
  t.deepEqual(paths, [
    { number: 0, active: true, kind: 'relay' },
    { number: attachNumber, active: false, kind: 'tcp' },
  ]);
});

test('F-05 attack: more paths than a link may have are refused, and it goes on', async t => {
  await using links = await connectedLinks();
  for (let i = 1; i < 8; i++) await links.attach();
  await t.throwsAsync(links.attach(), { code: 'link.protocol' });
  t.is(links.console.paths.length, 8);
  t.true(await stillTalks(links));
});

test('J-02 a link without a path lives five minutes, then its keys are gone and no path can be attached', async t => {
  const clock = new ManualClock();
  await using links = await connectedLinks({ both: { clock } });
  links.pair.cut();
  await Promise.all([whenState(links.console, 'detached'), whenState(links.applet, 'detached')]);
  clock.advance(299_999);
  t.is(links.console.state.state, 'detached');
  clock.advance(1);
  t.is(await whenState(links.console, 'closed'), 'link.detached');
  t.is(await whenState(links.applet, 'closed'), 'link.detached');
  await t.throwsAsync(links.console.attachPath(new MemoryPair().console), { code: 'link.closed' });
});

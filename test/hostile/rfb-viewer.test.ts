// A technician's console that is not what it says: it ends its own stream, never the program, and never makes it hold much.
import test from 'ava';
import fc from 'fast-check';
import { MAX_ANSWERS } from '../../appliance/customer-core/rfb/outbox.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { NUMBERS } from '../support/rfb-client.ts';
import { writeClientMessage } from '../support/rfb-messages.ts';
import { RfbSession, ZSTD_VIEWER } from '../support/rfb-session.ts';
import { numbersFrom, photoColour, TestScreen, textColour } from '../support/test-screen.ts';

const EVERYWHERE = { x: 0, y: 0, width: 0xffff, height: 0xffff };
const request = (incremental: boolean) => writeClientMessage({ type: 'update-request', incremental, area: EVERYWHERE });
const encodings = (...list: number[]) => writeClientMessage({ type: 'encodings', encodings: list });

test('E-04 attack: a viewer that sends anything whatever is refused with a word, or served', async t => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(255), async (noise, type) => {
      using session = new RfbSession({ screen: new TestScreen(70, 70), mode: 'by-hand' });
      await session.calm();
      const before = session.client.failed;
      try {
        session.server.receive(Uint8Array.from([type, ...noise]));
      } catch (error) {
        t.true(error instanceof ApplianceError && error.kind === 'malformed', String(error));
      }
      session.clock.advance(20);
      await session.calm();
      t.is(session.client.failed, before);
    }),
    { numRuns: 150 },
  );
});

test('E-04 attack: an opening that is none ends before anything of the picture is sent', t => {
  for (const opening of ['RFB 003.003\n', 'GET / HTTP/1.1\r\n\r\n', '\0'.repeat(12)]) {
    using session = new RfbSession();
    t.throws(() => session.server.receive(Uint8Array.from(Buffer.from(opening))), { code: 'protocol.malformed' });
    t.is(session.screen.grabs, 0);
  }
});

test('E-04 attack: a flood of requests costs no frame more than a viewer gets, and whole pictures four a second', async t => {
  using session = new RfbSession({ mode: 'by-hand', screen: new TestScreen(640, 480) });
  session.screen.draw({ x: 0, y: 0, width: 640, height: 480 }, textColour(1));
  await session.calm();
  const flood = Buffer.concat(Array.from({ length: 500 }, (_, i) => request(i % 2 === 0)));
  for (let ms = 0; ms < 2000; ms += 10) {
    session.server.receive(Uint8Array.from(flood));
    session.clock.advance(10);
    await session.calm();
  }
  t.true(session.screen.grabs <= 9, `${session.screen.grabs}`);
  t.true(session.client.bytes < 9 * 60_000, `${session.client.bytes}`);
});

test('E-04 attack: fences without end, never read: the stream ends, and little was held', async t => {
  using session = new RfbSession();
  await session.settle();
  session.isOpen = false;
  let sent = 0;
  session.sniff = () => {
    sent += 1;
  };
  const fence = writeClientMessage({ type: 'fence', flags: 0x8000_0000, payload: new Uint8Array(64) });
  const error = t.throws(() => {
    for (let i = 0; i < 1000; i++) session.server.receive(fence.slice());
  });
  t.like(error, { code: 'rfb.too-many-answers' });
  t.true(sent <= 1);
  t.true(MAX_ANSWERS <= 64);
});

test('E-04 attack: fences that are answers to nothing, or to a frame long gone, change nothing', async t => {
  using session = new RfbSession();
  await session.settle();
  session.client.holdsFences = true;
  session.screen.draw({ x: 0, y: 0, width: 64, height: 64 }, textColour(1));
  await session.frames(1);
  const { grabs } = session.screen;
  for (const number of [0, 1, 0x7fff_ffff]) {
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, number);
    session.server.receive(writeClientMessage({ type: 'fence', flags: 0, payload }));
    session.server.receive(writeClientMessage({ type: 'fence', flags: 0, payload: new Uint8Array(number % 60) }));
  }
  session.screen.draw({ x: 0, y: 0, width: 64, height: 64 }, textColour(2));
  await session.frames(3);
  t.is(session.screen.grabs, grabs);
});

test('E-04 attack: a viewer that changes its mind with every message gets what it can read, all the same', async t => {
  using session = new RfbSession({ mode: 'by-hand' });
  await session.calm();
  const random = numbersFrom(11);
  const lists = [[], [NUMBERS.raw], [NUMBERS.tight], ZSTD_VIEWER, [NUMBERS.zstd], [...ZSTD_VIEWER].reverse()];
  for (let i = 0; i < 60; i++) {
    session.server.receive(encodings(...(lists[random() % lists.length] ?? [])));
    session.server.receive(
      writeClientMessage({ type: 'continuous-updates', on: random() % 2 === 0, area: EVERYWHERE }),
    );
    if (random() % 3 === 0) session.server.receive(request(random() % 2 === 0));
    session.screen.draw({ x: random() % 200, y: random() % 100, width: 100, height: 100 }, photoColour(i));
    await session.frames(1);
    t.is(session.client.failed, null);
  }
});

test('E-04 attack: other sizes, screens and areas a viewer dreams of change nothing', async t => {
  using session = new RfbSession();
  await session.settle();
  const screens = Array.from({ length: 16 }, () => ({ ...EVERYWHERE, id: 1, flags: 0 }));
  session.server.receive(writeClientMessage({ type: 'desktop-size', width: 0xffff, height: 0xffff, screens }));
  session.server.receive(writeClientMessage({ type: 'continuous-updates', on: true, area: EVERYWHERE }));
  session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, textColour(3));
  await session.settle();
  t.deepEqual([session.client.width, session.client.height], [320, 240]);
});

test('E-04 a source that makes a mistake ends the stream, not the program', async t => {
  for (const broken of [{ stride: 3 }, { stride: 8 }, { pixels: new Uint8Array(8) }]) {
    const screen = new TestScreen(100, 100);
    const { grab } = screen;
    screen.grab = area => ({ ...grab.call(screen, area), ...broken });
    using session = new RfbSession({ screen });
    await session.calm();
    await session.frames(2);
    t.like(session.ends, [{ why: 'unavailable', error: { kind: 'defect' } }]);
  }
});

test('E-04 attack: a whole hour of messages leaves memory as it was', async t => {
  using session = new RfbSession({ mode: 'by-hand' });
  await session.calm();
  const storm = Buffer.concat([
    encodings(...ZSTD_VIEWER),
    request(true),
    writeClientMessage({ type: 'cut-text', extended: true, bytes: new Uint8Array(1000) }),
    writeClientMessage({ type: 'key', down: true, keysym: 97, scanCode: 0 }),
    writeClientMessage({ type: 'fence', flags: 0, payload: new Uint8Array(64) }),
  ]);
  const run = () => {
    for (let i = 0; i < 20_000; i++) session.server.receive(Uint8Array.from(storm));
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = run();
  const after = run();
  t.true(after - before < 2 ** 20, `${after - before}`);
  t.is(session.server.droppedInputs, 2 * 2 * 20_000);
});

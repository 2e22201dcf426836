// When frames are made: never ahead of the viewer, never without need, and exact when it is quiet.
import test from 'ava';
import { NUMBERS } from '../support/rfb-client.ts';
import { RfbSession, TIGHT_VIEWER, ZSTD_VIEWER } from '../support/rfb-session.ts';
import { photoColour, TestScreen, textColour } from '../support/test-screen.ts';

const AREA = { x: 10, y: 10, width: 100, height: 100 };

test('E-04 a viewer that does not answer the fence of a frame gets no other, and nothing is grabbed for it', async t => {
  using session = new RfbSession();
  await session.settle();
  session.client.holdsFences = true;
  session.clock.advance(20);
  session.screen.draw(AREA, textColour(1));
  await session.calm();
  const { grabs } = session.screen;
  const { updates } = session.client;
  for (let i = 2; i < 50; i++) {
    session.screen.draw(AREA, textColour(i));
    session.clock.advance(20);
    await session.calm();
  }
  t.is(session.screen.grabs, grabs);
  t.is(session.client.updates, updates);
  session.client.answerFences();
  await session.calm();
  t.is(session.client.updates, updates + 1); // the present, not what was drawn meanwhile
  t.true(session.isExact());
});

test('E-04 a viewer that asks for updates gets one for each request, and nothing is grabbed before', async t => {
  using session = new RfbSession({ mode: 'by-hand' });
  session.screen.draw(AREA, textColour(1));
  session.clock.advance(100);
  await session.calm();
  t.is(session.screen.grabs, 0);
  session.client.request(true);
  await session.calm();
  session.client.request(true); // the first told the screens only
  session.clock.advance(20);
  await session.calm();
  t.is(session.screen.grabs, 1);
  session.screen.draw(AREA, textColour(2));
  session.clock.advance(1000);
  await session.calm();
  t.is(session.screen.grabs, 1);
  session.client.request(true);
  await session.calm();
  t.true(session.isExact());
});

test('E-04 a line that takes nothing more holds a frame where it is, and the next is of the present', async t => {
  using session = new RfbSession({ screen: new TestScreen(800, 600) });
  await session.settle();
  session.clock.advance(20);
  let sent = 0;
  session.sniff = bytes => {
    sent += bytes.length;
  };
  session.isOpen = false;
  session.screen.draw({ x: 0, y: 0, width: 800, height: 600 }, photoColour(1));
  await session.calm();
  const { grabs } = session.screen;
  t.true(sent <= 64 * 1024, `${sent}`);
  for (let i = 0; i < 30; i++) {
    session.screen.draw({ x: i, y: 0, width: 500, height: 500 }, photoColour(i));
    session.clock.advance(100);
    await session.calm();
  }
  t.is(session.screen.grabs, grabs);
  t.true(sent <= 64 * 1024, `${sent}`);
  session.isOpen = true;
  session.server.drained();
  await session.settle();
  t.true(session.screen.grabs <= grabs + 3);
});

test('E-04 at most sixty frames a second, and one a second when nobody looks', async t => {
  using session = new RfbSession();
  await session.settle();
  const draw = async (ms: number) => {
    const { grabs } = session.screen;
    for (let i = 0; i < ms; i += 4) {
      session.screen.draw({ x: 0, y: 0, width: 20, height: 20 }, textColour(i));
      session.clock.advance(4);
      await session.calm();
    }
    return session.screen.grabs - grabs;
  };
  const visible = await draw(1000);
  t.true(visible >= 58 && visible <= 64, `${visible}`);
  session.server.setVisible(false);
  const hidden = await draw(4000);
  t.true(hidden >= 3 && hidden <= 5, `${hidden}`);
  session.server.setVisible(true);
  await session.frames(1);
  t.true(session.isExact());
});

test('E-04 while nothing changes nothing is asked of the screen or the clock', async t => {
  using session = new RfbSession();
  session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, photoColour(1));
  await session.settle();
  await session.calm();
  const { grabs } = session.screen;
  t.is(session.clock.timers, 0);
  session.clock.advance(60_000);
  await session.calm();
  t.is(session.screen.grabs, grabs);
});

test('E-04 damage that changes nothing sends nothing, and the request of a viewer stays open', async t => {
  using session = new RfbSession({ mode: 'requests' });
  await session.settle();
  const { bytes } = session.client;
  session.screen.damage({ x: 0, y: 0, width: 320, height: 240 });
  session.clock.advance(20);
  await session.calm();
  t.is(session.client.bytes, bytes);
  session.screen.draw(AREA, textColour(4));
  await session.settle();
  t.pass();
});

for (const encodings of [TIGHT_VIEWER, ZSTD_VIEWER]) {
  test(`E-04 a photograph comes with losses at once, and exactly within half a second of quiet (${encodings[0]})`, async t => {
    using session = new RfbSession({ encodings, screen: new TestScreen(1000, 800) });
    await session.settle();
    for (let i = 0; i < 10; i++) {
      session.screen.draw({ x: 0, y: 0, width: 1000, height: 800 }, photoColour(i));
      session.clock.advance(50);
      await session.calm();
    }
    const counts = session.client.counts.get('tight-jpeg');
    t.true((counts?.pixels ?? 0) >= 8 * 1000 * 800);
    t.false(session.isExact());
    const exact = encodings === TIGHT_VIEWER ? 'tight-full' : 'zstd';
    t.is(session.client.counts.get('tight-full'), undefined);
    await session.settle(450); // 50 ms have been since the last change
    t.true((session.client.counts.get(exact)?.pixels ?? 0) >= 1000 * 800);
    t.is(session.client.counts.get('tight-jpeg'), counts);
  });
}

test('E-04 a photograph that is scrolled is lossy where it went, and is refreshed there', async t => {
  using session = new RfbSession();
  session.screen.draw({ x: 0, y: 100, width: 320, height: 140 }, photoColour(1));
  await session.frames(3);
  session.screen.move({ x: 0, y: 100, width: 320, height: 140 }, 0, -90);
  session.clock.advance(20);
  await session.calm();
  t.true((session.client.counts.get('copy')?.pixels ?? 0) > 0);
  t.false(session.isExact());
  await session.settle(500);
  t.pass();
});

test('E-04 quality: sharp loses nothing, light more than auto', async t => {
  const bytesOf = async (quality: 'auto' | 'sharp' | 'light') => {
    using session = new RfbSession();
    session.server.setQuality(quality);
    await session.settle();
    const { bytes } = session.client;
    session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, photoColour(1));
    session.clock.advance(20);
    await session.calm();
    t.is(session.isExact(), quality === 'sharp');
    const took = session.client.bytes - bytes;
    await session.settle();
    return took;
  };
  const [auto, sharp, light] = [await bytesOf('auto'), await bytesOf('sharp'), await bytesOf('light')];
  t.true(light < auto && auto < sharp, `${light}, ${auto}, ${sharp}`);
});

test('E-04 a viewer that names no JPEG quality gets nothing with losses', async t => {
  using session = new RfbSession({ encodings: TIGHT_VIEWER.filter(encoding => encoding !== NUMBERS.quality6) });
  session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, photoColour(1));
  await session.frames(3);
  t.true(session.isExact());
});

test('D-02 while the customer pauses, nothing is grabbed and nothing of a picture leaves; then all of it is sent anew', async t => {
  using session = new RfbSession();
  session.screen.draw(AREA, textColour(1));
  await session.settle();
  session.server.setPaused(true);
  const { grabs } = session.screen;
  const { bytes, updates } = session.client;
  session.screen.draw(AREA, photoColour(2));
  session.screen.showCursor({ width: 1, height: 1, hotX: 0, hotY: 0, pixels: new Uint8Array(4) });
  session.server.areaChanged();
  session.client.request(false);
  session.clock.advance(5000);
  await session.calm();
  t.deepEqual([session.screen.grabs, session.client.bytes, session.client.updates], [grabs, bytes, updates]);
  t.is(session.clock.timers, 0);
  session.client.pixels.fill(0x111111); // the viewer may have put something over it
  session.server.setPaused(false);
  await session.settle();
  t.pass();
});

test('D-02 a pause in the midst of a frame holds what of it has not left', async t => {
  using session = new RfbSession({ screen: new TestScreen(800, 600) });
  await session.settle();
  session.clock.advance(20);
  let sent = 0;
  session.sniff = bytes => {
    sent += bytes.length;
  };
  session.screen.draw({ x: 0, y: 0, width: 800, height: 600 }, photoColour(1));
  session.server.setPaused(true); // the frame is being compressed
  await session.calm();
  t.is(sent, 0);
  session.server.setPaused(false);
  await session.settle();
  t.pass();
});

for (const why of ['display-lost', 'display-stuck'] as const) {
  test(`E-04 a screen that is lost ends the stream, with a word (${why})`, async t => {
    using session = new RfbSession();
    await session.settle();
    session.screen.lose(why);
    t.like(session.ends, [{ why }]);
    session.screen.draw(AREA, textColour(1));
    session.clock.advance(1000);
    await session.calm();
    t.is(session.ends.length, 1);
  });
}

test('E-04 a screen that does not let itself be grabbed ends the stream', async t => {
  using session = new RfbSession();
  await session.settle();
  session.screen.error = new Error('gone');
  session.clock.advance(20);
  session.screen.draw(AREA, textColour(1));
  await session.calm();
  t.like(session.ends, [{ why: 'unavailable' }]);
});

test('E-04 closing in the midst of a frame ends everything, and says nothing more', async t => {
  const session = new RfbSession({ screen: new TestScreen(800, 600) });
  await session.settle();
  session.clock.advance(20);
  let sent = 0;
  session.sniff = bytes => {
    sent += bytes.length;
  };
  session.screen.draw({ x: 0, y: 0, width: 800, height: 600 }, photoColour(1));
  session.server.close();
  session.server.close();
  await session.calm();
  session.clock.advance(1000);
  t.deepEqual([sent, session.ends.length, session.clock.timers], [0, 0, 0]);
  session.client.close();
});

// What a viewer is told beside the picture, each thing by itself.
import test from 'ava';
import type { CursorPicture } from '../../appliance/customer-core/screen-source.ts';
import { NUMBERS } from '../support/rfb-client.ts';
import { writeClientMessage } from '../support/rfb-messages.ts';
import { RfbSession, TIGHT_VIEWER, ZSTD_VIEWER } from '../support/rfb-session.ts';
import { monitor, photoColour, TestScreen, textColour } from '../support/test-screen.ts';

/** Blue, green, red, alpha: one opaque, one half there, one nearly gone, one not at all; twice. */
const CURSOR: CursorPicture = {
  ...{ width: 4, height: 2, hotX: 3, hotY: 1 },
  pixels: Uint8Array.from([
    ...[10, 20, 30, 255, 40, 50, 60, 128, 70, 80, 90, 100, 0, 0, 0, 0],
    ...[1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 51, 0, 0, 0, 0],
  ]),
};

const without = (...numbers: number[]) => ZSTD_VIEWER.filter(encoding => !numbers.includes(encoding));

test('E-04 Cursor: its colours, and there where it is at least half there', async t => {
  using session = new RfbSession({ encodings: without(NUMBERS.cursorWithAlpha) });
  session.screen.showCursor(CURSOR);
  await session.settle();
  const { width, height, hotX, hotY, rgba } = session.client.cursor ?? { rgba: new Uint8Array() };
  t.deepEqual([width, height, hotX, hotY], [4, 2, 3, 1]);
  t.deepEqual(
    [...rgba],
    [
      ...[30, 20, 10, 255, 60, 50, 40, 255, 90, 80, 70, 0, 0, 0, 0, 0],
      ...[3, 2, 1, 255, 6, 5, 4, 255, 9, 8, 7, 0, 0, 0, 0, 0],
    ],
  );
});

test('E-04 Cursor With Alpha: colours multiplied with what is there of them', async t => {
  using session = new RfbSession();
  session.screen.showCursor(CURSOR);
  await session.settle();
  t.deepEqual(
    [...(session.client.cursor?.rgba ?? [])].slice(0, 12),
    [30, 20, 10, 255, 30, 25, 20, 128, 35, 31, 27, 100],
  );
});

test('E-04 VMware cursor: colours as they are, for noVNC', async t => {
  using session = new RfbSession({ encodings: [...without(NUMBERS.cursorWithAlpha), NUMBERS.vmwareCursor] });
  session.screen.showCursor(CURSOR);
  await session.settle();
  t.deepEqual(
    [...(session.client.cursor?.rgba ?? [])].slice(0, 12),
    [30, 20, 10, 255, 60, 50, 40, 128, 90, 80, 70, 100],
  );
});

test('E-04 Cursor: a new one comes at once and without a grab; none is a cursor of no size; a huge one is cut', async t => {
  using session = new RfbSession();
  await session.settle();
  const { grabs } = session.screen;
  session.clock.advance(20);
  session.screen.showCursor(CURSOR);
  await session.calm();
  t.is(session.client.cursor?.width, 4);
  t.is(session.screen.grabs, grabs);
  session.clock.advance(20);
  session.screen.showCursor(null);
  await session.calm();
  t.is(session.client.cursor?.width, 0);
  session.clock.advance(20);
  session.screen.showCursor({
    width: 1000,
    height: 300,
    hotX: 999,
    hotY: 299,
    pixels: new Uint8Array(1_200_000).fill(9),
  });
  await session.calm();
  t.like(session.client.cursor, { width: 256, height: 256, hotX: 255, hotY: 255 });
});

test('E-04 DesktopSize: the picture has the new size, and then the new content', async t => {
  using session = new RfbSession({ encodings: without(NUMBERS.extendedDesktopSize) });
  session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, textColour(1));
  await session.settle();
  session.screen.resize(500, 100);
  session.screen.draw({ x: 0, y: 0, width: 500, height: 100 }, textColour(2));
  await session.settle();
  t.deepEqual([session.client.width, session.client.height], [500, 100]);
});

for (const mode of ['continuous', 'requests'] as const) {
  test(`E-04 ExtendedDesktopSize: the viewer knows the screens, and each new layout (${mode})`, async t => {
    using session = new RfbSession({ mode });
    await session.settle();
    t.deepEqual(session.client.screens, [{ id: 1, x: 0, y: 0, width: 320, height: 240 }]);
    const monitors = [monitor(1, 0, 0, 300, 200), monitor(2, 300, 50, 200, 150)];
    session.screen.resize(500, 200, monitors);
    session.screen.draw({ x: 0, y: 0, width: 500, height: 200 }, photoColour(2));
    await session.settle();
    t.deepEqual(session.client.screens, [
      { id: 1, x: 0, y: 0, width: 300, height: 200 },
      { id: 2, x: 300, y: 50, width: 200, height: 150 },
    ]);
    t.deepEqual(session.client.sizes.at(-1), { reason: 0, status: 0 });
  });
}

test('E-04 ExtendedDesktopSize: one monitor of several is a picture of its own, and another can be chosen', async t => {
  const screen = new TestScreen(500, 200);
  screen.layout = { ...screen.layout, monitors: [monitor(1, 0, 0, 300, 200), monitor(2, 300, 50, 200, 150)] };
  let area = { x: 0, y: 0, width: 300, height: 200 };
  using session = new RfbSession({ screen, area: () => area });
  screen.draw({ x: 0, y: 0, width: 500, height: 200 }, textColour(4));
  await session.frames(3);
  const shows = () => {
    const { pixels } = session.client;
    return pixels.every((colour, i) => {
      const [x, y] = [i % area.width, Math.floor(i / area.width)];
      return colour === screen.pixels[(y + area.y) * 500 + x + area.x];
    });
  };
  t.true(shows());
  area = { x: 300, y: 50, width: 200, height: 150 };
  session.server.areaChanged();
  await session.frames(5);
  t.deepEqual(session.client.screens, [{ id: 2, x: 0, y: 0, width: 200, height: 150 }]);
  t.true(shows());
  screen.draw({ x: 310, y: 60, width: 100, height: 30 }, textColour(9));
  session.clock.advance(20);
  await session.calm();
  t.true(shows());
});

test('E-04 ExtendedDesktopSize: a viewer that asks for another size is refused, and told so', async t => {
  using session = new RfbSession();
  await session.settle();
  session.client.send(writeClientMessage({ type: 'desktop-size', width: 10, height: 10, screens: [] }));
  await session.calm();
  session.clock.advance(20);
  await session.calm();
  t.deepEqual(session.client.sizes.at(-1), { reason: 1, status: 1 });
  t.deepEqual([session.client.width, session.client.height], [320, 240]);
});

test('E-04 a viewer whose picture can have one size only is ended when there is another', async t => {
  using session = new RfbSession({ encodings: without(NUMBERS.extendedDesktopSize, NUMBERS.desktopSize) });
  await session.settle();
  session.screen.resize(100, 100);
  session.clock.advance(20);
  await session.calm();
  t.like(session.ends, [{ why: 'protocol', error: { code: 'rfb.size-unknown' } }]);
});

test('E-04 QEMU extended keys: the viewer learns that scan codes are welcome, if it knows them', async t => {
  using session = new RfbSession();
  await session.settle();
  t.true(session.client.qemuKeys);
  using other = new RfbSession({ encodings: without(NUMBERS.qemuKeys) });
  await other.settle();
  t.false(other.client.qemuKeys);
});

test('E-04 Fence: a viewer gets back what it sent, without what nobody knows, and not as a request', async t => {
  using session = new RfbSession({ mode: 'by-hand' });
  await session.calm();
  const payload = Uint8Array.from({ length: 64 }, (_, i) => i);
  session.client.send(writeClientMessage({ type: 'fence', flags: 0xffff_ffff, payload }));
  session.client.send(writeClientMessage({ type: 'fence', flags: 0x8000_0002, payload: new Uint8Array() }));
  await session.calm();
  t.deepEqual(session.client.fenceAnswers, [
    { flags: 7, payload },
    { flags: 2, payload: new Uint8Array() },
  ]);
});

test('E-04 Fence: an answer comes behind the frame that was under way, so that what is set after it holds for the next', async t => {
  // A fence that asks for SyncNext and a new pixel format arrive while a frame is being made.
  using session = new RfbSession({ encodings: [NUMBERS.raw, NUMBERS.fence, NUMBERS.desktopSize], mode: 'by-hand' });
  session.screen.draw({ x: 0, y: 0, width: 320, height: 240 }, textColour(1));
  await session.calm();
  session.client.request(false);
  await Promise.resolve(); // the request is read, the frame begun
  session.client.send(writeClientMessage({ type: 'fence', flags: 0x8000_0004, payload: Uint8Array.of(1) }));
  const answered = session.client.until(client => client.fenceAnswers.length > 0);
  await answered;
  t.is(session.client.updates, 1);
  t.true(session.isExact());
});

test('E-04 ContinuousUpdates: frames come by themselves until they are switched off, and that is confirmed', async t => {
  using session = new RfbSession();
  await session.settle();
  t.true(session.client.knowsContinuousUpdates);
  for (let i = 0; i < 3; i++) {
    session.screen.draw({ x: 0, y: 0, width: 50, height: 50 }, textColour(i));
    await session.settle();
  }
  session.client.knowsContinuousUpdates = false;
  const area = { x: 0, y: 0, width: 320, height: 240 };
  session.client.send(writeClientMessage({ type: 'continuous-updates', on: false, area }));
  await session.calm();
  t.true(session.client.knowsContinuousUpdates); // the message that confirms it is the same
});

test('E-04 ContinuousUpdates: they are not offered to a viewer without fences', async t => {
  using session = new RfbSession({ encodings: TIGHT_VIEWER.filter(n => n !== NUMBERS.fence), mode: 'requests' });
  await session.settle();
  t.false(session.client.knowsContinuousUpdates);
});

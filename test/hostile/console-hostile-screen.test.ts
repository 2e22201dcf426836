// A customer's program that attacks the technician's viewer with a picture: lying sizes, bombs, what was never asked for.
import test from 'ava';
import type { Page } from 'playwright-core';
import { type Bytes, ByteWriter, concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { ENCODING, RFB_VERSION } from '../../appliance/protocol/rfb.ts';
import { writeScreenRfb } from '../../appliance/protocol/screen.ts';
import { HostileCustomer } from '../console/hostile-customer.ts';
import {
  jpegOf,
  opening,
  serverInit,
  type TestRectangle,
  tight,
  update,
  zstdBody,
  zstdFill,
} from '../console/hostile-rfb.ts';
import { Technician } from '../console/people.ts';
import { ScreenPeer } from '../console/screen-peer.ts';
import { ZstdFlusher } from '../console/zstd-flusher.ts';
import { startAppliance } from '../support/appliance.ts';

const MAX_HEAP_BYTES = 256 * 1024 * 1024;
const [SIDE, HUGE] = [256, 65_535];
const NOT_ASKED_FOR = { hextile: 5, zrle: 16, h264: 50, vmwareCursor: 0x574d5664 } as const;

const after = (...said: readonly Bytes[]) => [...opening(SIDE, SIDE), ...said];
const painted = (rectangle: Partial<TestRectangle>) =>
  after(update({ width: SIDE, height: SIDE, encoding: ENCODING.tight, body: tight.fill(1, 2, 3), ...rectangle }));
const cutText = (length: number) =>
  new ByteWriter()
    .uint(4, 0x03000000)
    .uint(4, length >>> 0)
    .done();
const flood = Array.from({ length: 10 }, () => new Uint8Array(1_000_000).fill(0x41));

const inZstd = (body: Bytes) => painted({ encoding: ENCODING.zstd, body });
const fill = zstdFill(SIDE, SIDE, [200, 30, 60]);
const good = inZstd(zstdBody(await new ZstdFlusher().flushed(fill), fill.length));
const zstdBomb = await new ZstdFlusher().flushed(new Uint8Array(200 * 1024 * 1024));
const outside = zstdFill(SIDE + 1, SIDE, [1, 2, 3]);

/** 200 MB of nothing; made here, for it takes so long that a link would think its peer is gone. */
const bomb = painted({ body: tight.zlib(new Uint8Array(200 * 1024 * 1024)) });

const attacks: Readonly<Record<string, readonly Bytes[]>> = {
  'garbage for a version': [utf8Bytes('GET / HTTP/1.1\r\n')],
  'a version of another time': [utf8Bytes('RFB 000.000\n')],
  'a password is asked for': [RFB_VERSION, Uint8Array.of(1, 2)],
  'a picture of 4 gigapixels': opening(HUGE, HUGE),
  'a picture of nothing': opening(0, 0),
  'a name that never ends': [...opening(8, 8).slice(0, 3), serverInit(8, 8, utf8Bytes('x'), 0xffff_ffff), ...flood],
  'a rectangle outside of the picture': painted({ x: 1 }),
  'a rectangle of 4 gigapixels': painted({ width: HUGE, height: HUGE }),
  'one update paints for ever': after(
    update(...Array.from({ length: 9 }, () => ({ width: SIDE, height: SIDE, encoding: 7, body: tight.fill(1, 2, 3) }))),
  ),
  'a cursor of 4 gigapixels': painted({ width: HUGE, height: HUGE, encoding: ENCODING.cursor }),
  'a desktop that grows beyond all bounds': painted({ width: HUGE, height: HUGE, encoding: ENCODING.desktopSize }),
  'a JPEG that is larger than its place': painted({ body: tight.jpeg(jpegOf(HUGE, HUGE)) }),
  'a JPEG that is none': painted({ body: tight.jpeg(jpegOf(SIDE, SIDE)) }),
  'zlib data that is none': painted({ body: concat(Uint8Array.of(0x00, 16), new Uint8Array(16).fill(0xaa)) }),
  'zlib data that is too little': painted({ body: tight.zlib(new Uint8Array(1000)) }),
  'zstd data that is none': inZstd(zstdBody(new Uint8Array(64).fill(0x55), 1000)),
  'a bomb in zstd': inZstd(zstdBody(zstdBomb, 1_000_000)),
  'a rectangle of 4 gigabytes in zstd': inZstd(zstdBody(new Uint8Array(8), 0xffff_ffff, 0xffff_ffff)),
  'an area outside of the picture in zstd': inZstd(zstdBody(await new ZstdFlusher().flushed(outside), outside.length)),
  'a clipboard of 2 gigabytes': after(cutText(0x7fff_ffff)),
  'an extended clipboard of 2 gigabytes': after(cutText(-0x7fff_ffff)),
  'a message of no kind': after(Uint8Array.of(77)),
  'a colour map': after(Uint8Array.of(1, 0, 0, 0, 0xff, 0xff)),
  ...Object.fromEntries(
    Object.entries(NOT_ASKED_FOR).map(([name, encoding]) => [
      `${name}, which was not asked for`,
      painted({ encoding }),
    ]),
  ),
};

async function heapOf(page: Page): Promise<number> {
  const debugging = await page.context().newCDPSession(page);
  await debugging.send('HeapProfiler.collectGarbage');
  const { usedSize } = await debugging.send('Runtime.getHeapUsage');
  await debugging.detach();
  return usedSize;
}

/** Of the picture's last pixel. */
function colourOf(page: Page): Promise<readonly number[]> {
  return page.locator('.screen canvas').evaluate(canvas => {
    if (!(canvas instanceof HTMLCanvasElement)) return [];
    const { width, height } = canvas;
    return [...(canvas.getContext('2d')?.getImageData(width - 1, height - 1, 1, 1).data ?? [])];
  });
}

test.serial('E-04 attack: whatever comes for a picture ends its stream with a word, and the page lives', async t => {
  t.timeout(240_000);
  await using appliance = await startAppliance({ accounts: true });
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const { page } = technician;
  const pin = await technician.makeSession('Mallory');
  await using customer = await HostileCustomer.enter(appliance, pin, 'en', 'linux-x64');
  const peer = new ScreenPeer(customer, null);
  await technician.pickUp('Mallory');
  await page.getByRole('button', { name: 'See the screen', exact: true }).click();
  await peer.until(() => (peer.opened.length > 0 ? true : undefined));
  for (const [name, messages] of Object.entries(attacks)) {
    const opens = peer.opened.length;
    await peer.until(() => peer.controls.filter(({ type }) => type === 'open')[opens - 1]);
    for (const message of messages) await peer.say(writeScreenRfb(message));
    await page.locator('.stage').getByText('sent something that is no picture').waitFor();
    t.log(name);
    await page.getByRole('button', { name: 'Open again' }).click();
    await peer.until(() => (peer.opened.length > opens ? true : undefined));
  }
  // A bomb in zlib is cut where the picture is full.
  for (const message of bomb) await peer.say(writeScreenRfb(message));
  await page.locator('.screen[data-phase="live"]').waitFor();
  const opens = peer.opened.length;
  await page.getByRole('button', { name: 'Stop viewing' }).click();
  await page.getByRole('button', { name: 'Ask again' }).click();
  await peer.until(() => peer.controls.filter(({ type }) => type === 'open')[opens]);
  for (const message of good) await peer.say(writeScreenRfb(message));
  await page.locator('.screen[data-phase="live"]').waitFor();
  t.deepEqual(await colourOf(page), [200, 30, 60, 255], 'and a good picture in zstd is drawn');
  await technician.write('I am still here');
  await customer.hears('I am still here');
  t.true((await heapOf(page)) < MAX_HEAP_BYTES);
  t.deepEqual(technician.dialogs, []);
  t.deepEqual(
    technician.complaints.filter(text => /policy|trusted/i.test(text)),
    [],
  );
});

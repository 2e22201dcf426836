// A program that shows a film on the whole display: smooth colours that move, a disc, and a little noise, 24 pictures a
// second. It says `ready` in one line when it begins.
//   node video-window.ts WIDTH HEIGHT
import { SharedMemory } from '../../appliance/applet/ffi.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';

const PICTURES = 12;
const PER_SECOND = 24;
const PIXEL_BYTES = 4;
const [WIDTH = 1920, HEIGHT = 1080] = process.argv.slice(2).map(Number);
const SIZE = WIDTH * HEIGHT * PIXEL_BYTES;

const waves = Float32Array.from({ length: 4096 }, (_, i) => Math.sin((i / 4096) * 2 * Math.PI));
const wave = (turn: number) => waves[Math.floor(turn * 652) & 4095] ?? 0;

function paint(words: Uint32Array, picture: number): void {
  const time = picture * 0.35;
  const [centreX, centreY] = [WIDTH / 2 + (Math.sin(time) * WIDTH) / 3, HEIGHT / 2 + (Math.cos(time) * HEIGHT) / 3];
  let seed = 12345 + picture;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const noise = (seed >>> 24) & 7;
      const near = Math.max(0, 1 - Math.hypot(x - centreX, y - centreY) / 180);
      const red = 128 + 90 * wave(x / 150 + time + 10) + noise + 120 * near;
      const green = 128 + 90 * wave(y / 110 - time + 10) + noise - 60 * near;
      const blue = 128 + 90 * wave((x + y) / 200 + 2 * time + 10) + noise;
      words[picture * WIDTH * HEIGHT + y * WIDTH + x] = (byte(red) << 16) | (byte(green) << 8) | byte(blue);
    }
  }
}

function byte(value: number): number {
  return Math.max(0, Math.min(255, Math.floor(value)));
}

const connection = await XConnection.open({ clock: systemClock, environment: process.env });
const { client, screen } = connection;
const shm = await connection.extension('shm');
if (shm === null) throw new Error('the display has no MIT-SHM');
const memory = new SharedMemory(SIZE * PICTURES);
const words = new Uint32Array(memory.bytes.buffer, memory.bytes.byteOffset, (SIZE * PICTURES) / PIXEL_BYTES);
for (let picture = 0; picture < PICTURES; picture++) paint(words, picture);

const [window, gc, segment] = [client.AllocID(), client.AllocID(), client.AllocID()];
client.CreateWindow(window, screen.root, 0, 0, WIDTH, HEIGHT, 0, 0, 0, 0, { overrideRedirect: 1 });
client.CreateGC(gc, window, {});
client.MapWindow(window);
await connection.ask<void>(answer => shm.Attach(segment, memory.id, false, answer));
process.stdout.write('ready\n');
let turn = 0;
setInterval(() => {
  const there = turn++ % (2 * PICTURES - 2);
  const picture = there < PICTURES ? there : 2 * PICTURES - 2 - there; // to the end and back, without a cut
  shm.PutImage(window, gc, {
    ...{
      totalWidth: WIDTH,
      totalHeight: HEIGHT,
      srcX: 0,
      srcY: 0,
      srcWidth: WIDTH,
      srcHeight: HEIGHT,
      dstX: 0,
      dstY: 0,
    },
    ...{ depth: 24, format: 2, sendEvent: false, shmseg: segment, offset: picture * SIZE },
  });
}, 1000 / PER_SECOND);

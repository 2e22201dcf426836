// Compression of the runtime and of libjpeg-turbo, as the picture server uses it.
import { createRequire } from 'node:module';
import { constants, createInflate, createZstdDecompress, deflateSync } from 'node:zlib';
import test from 'ava';
import { NodePictureCodecs } from '../../appliance/applet/picture-codecs.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { photoColour } from '../support/test-screen.ts';

const jpegTurbo = createRequire(import.meta.url)('@julusian/jpeg-turbo');
const codecs = new NodePictureCodecs(jpegTurbo);

for (const [name, compressor, decompressor] of [
  ['zlib', () => codecs.newDeflate(1), createInflate],
  ['zstd', () => codecs.newZstd(), createZstdDecompress],
] as const) {
  test(`E-04 ${name}: what a call gives can be decompressed as far as it goes, in one stream`, async t => {
    const stream = compressor();
    const whole = decompressor();
    const parts: Buffer[] = [];
    whole.on('data', (part: Buffer) => parts.push(part));
    for (const size of [1, 20, 70_000, 1, 1_000_000, 12]) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i * size) >> 7);
      const packed = await stream.compress(bytes);
      await new Promise<void>(resolve => whole.write(packed, () => resolve()));
      t.true(Buffer.concat(parts.splice(0)).equals(bytes), `${size} bytes`);
    }
    const again = await stream.compress(new Uint8Array(100_000).fill(7));
    t.true(again.length < 1000);
    stream.close();
    whole.destroy();
  });
}

test('E-04 zlib of a peer is decompressed with or without its end, and never to more than was said', async t => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i & 63);
  const whole = new Uint8Array(deflateSync(bytes));
  const open = new Uint8Array(deflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }));
  t.deepEqual(await codecs.inflate(whole, 5000), bytes);
  t.deepEqual(await codecs.inflate(open, 5000), bytes);
  const bad = [Uint8Array.from([1, 2, 3, 4]), whole.with(20, 0).with(21, 0xff).with(40, 0)];
  for (const zlib of bad) await t.throwsAsync(codecs.inflate(zlib, 5000), { code: 'protocol.malformed' });
  await t.throwsAsync(codecs.inflate(whole, 4999), { instanceOf: ApplianceError, code: 'protocol.malformed' });
  await t.throwsAsync(codecs.inflate(new Uint8Array(deflateSync(Buffer.alloc(50_000_000))), 100_000));
});

test('E-04 JPEG: any part of a picture, its last row too, in colours near to its own', async t => {
  const [width, height] = [101, 77];
  const colour = photoColour(3);
  // One row to spare, as whoever calls has it.
  const words = Uint32Array.from({ length: width * (height + 1) }, (_, i) => colour(i % width, Math.floor(i / width)));
  const all = new Uint8Array(words.buffer);
  for (const [x, y, w, h] of [
    [0, 0, 101, 77],
    [37, 13, 64, 64],
    [100, 76, 1, 1],
    [90, 70, 11, 7],
  ] as const) {
    for (const quality of [40, 95]) {
      const from = all.subarray((y * width + x) * 4);
      const jpeg = await codecs.jpeg?.(from, { width: w, height: h, stride: width * 4 }, quality);
      const back = jpegTurbo.decompressSync(Buffer.from(jpeg ?? []), { format: jpegTurbo.FORMAT_BGRX });
      t.deepEqual([back.width, back.height], [w, h]);
      let error = 0;
      for (let i = 0; i < w * h * 4; i++) {
        if (i % 4 === 3) continue;
        const [column, row] = [(i >> 2) % w, Math.floor((i >> 2) / w)];
        error += Math.abs(back.data[i] - (all[((y + row) * width + x + column) * 4 + (i % 4)] ?? 0));
      }
      t.true(error / (w * h * 3) < (quality === 95 ? 6 : 14), `${error / (w * h * 3)}`);
    }
  }
});

test('E-04 bytes are compared to the last', t => {
  const a = Uint8Array.from({ length: 1000 }, (_, i) => i);
  t.true(codecs.sameBytes(a, a.slice()));
  t.false(codecs.sameBytes(a, a.with(999, 0)));
});

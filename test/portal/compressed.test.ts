import { randomBytes } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync } from 'node:zlib';
import test from 'ava';
import { type Compressed, compressed } from '../../appliance/portal/web/compressed.ts';
import { TempFolder } from '../support/temp-folder.ts';

const SCRIPT = Buffer.from(`console.log(${JSON.stringify(randomBytes(3000).toString('hex'))});`);

function opensTo({ brotli, gzip }: Compressed, plain: Buffer): boolean {
  return brotliDecompressSync(brotli).equals(plain) && gunzipSync(gzip).equals(plain);
}

test('A-06 what was compressed for one start is taken by the next', async t => {
  using folder = new TempFolder();
  const first = await compressed(SCRIPT, folder.path);
  t.true(opensTo(first, SCRIPT));
  t.is(readdirSync(folder.path).length, 2);
  // Another stream of the same bytes shows where the second start has it from.
  const [name = ''] = readdirSync(folder.path).filter(one => one.endsWith('.brotli'));
  const other = brotliCompressSync(SCRIPT, { params: { 1: 1 } });
  t.false(other.equals(first.brotli));
  writeFileSync(join(folder.path, name), other);
  const second = await compressed(SCRIPT, folder.path);
  t.true(second.brotli.equals(other));
  t.true(second.gzip.equals(first.gzip));
  t.true(opensTo(await compressed(SCRIPT, undefined), SCRIPT));
});

test('A-06 attack: a kept form that opens to anything else is not served', async t => {
  const evils = {
    'another script': brotliCompressSync('alert(1)'),
    'more than it should be': brotliCompressSync(Buffer.alloc(4 * 1024 * 1024)),
    'the same and more': brotliCompressSync(Buffer.concat([SCRIPT, Buffer.from('alert(1)')])),
    'no brotli at all': randomBytes(500),
    nothing: Buffer.alloc(0),
  };
  for (const [what, evil] of Object.entries(evils)) {
    using folder = new TempFolder();
    await compressed(SCRIPT, folder.path);
    for (const name of readdirSync(folder.path)) writeFileSync(join(folder.path, name), evil);
    t.true(opensTo(await compressed(SCRIPT, folder.path), SCRIPT), what);
    for (const name of readdirSync(folder.path)) t.false(readFileSync(join(folder.path, name)).equals(evil), what);
  }
});

test('A-06 a folder that is none keeps nobody from a start, and what is out of use goes', async t => {
  using folder = new TempFolder();
  writeFileSync(join(folder.path, 'a file'), '');
  t.true(opensTo(await compressed(SCRIPT, join(folder.path, 'a file')), SCRIPT));
  t.true(opensTo(await compressed(Buffer.alloc(0), folder.path), Buffer.alloc(0)));
  const long = new Date(Date.now() - 40 * 86_400_000);
  utimesSync(join(folder.path, 'a file'), long, long);
  await compressed(SCRIPT, folder.path);
  t.deepEqual(
    readdirSync(folder.path).filter(name => name === 'a file'),
    [],
  );
  chmodSync(folder.path, 0o500);
  t.true(opensTo(await compressed(SCRIPT, folder.path), SCRIPT));
  chmodSync(folder.path, 0o700);
});

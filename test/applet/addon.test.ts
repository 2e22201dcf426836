// The add-on that travels in the applet, put on the disk, loaded and taken away again.
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'ava';
import { loadJpegAddon } from '../../appliance/applet/jpeg-addon.ts';
import type { JpegTurbo } from '../../appliance/applet/picture-codecs.ts';
import { TempFolder } from '../support/temp-folder.ts';

const PREBUILT = resolve(import.meta.dirname, '../../node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-x64');
const SIDE = 16;
const NOW = Date.now();

/** As the template takes it. */
const read = (name: string) => readFileSync(join(PREBUILT, name.endsWith('.node') ? 'node-napi-v10.node' : name));

function load(folder: string, from = read): { addon: JpegTurbo | null; warnings: string[] } {
  const warnings: string[] = [];
  const addon = loadJpegAddon(from, { folder, now: NOW }, why => warnings.push(why));
  return { addon, warnings };
}

test('F-01 E-04 the add-on is loaded from the program’s own bytes, and nothing of it stays on the disk', async t => {
  using temp = new TempFolder();
  const { addon, warnings } = load(temp.path);
  t.deepEqual([warnings, readdirSync(temp.path)], [[], []]);
  if (addon === null) return t.fail();
  const form = { width: SIDE, height: SIDE, subsampling: addon.SAMP_444 };
  const pixels = Buffer.alloc(SIDE * SIDE * 4, 0x80);
  const into = Buffer.alloc(addon.bufferSize(form));
  const options = { ...form, format: addon.FORMAT_BGRX, stride: SIDE, quality: 90 };
  const jpeg = await addon.compress(pixels, into, options);
  t.regex(jpeg.toString('hex'), /^ffd8ff.*ffd9$/);
  t.truthy(load(temp.path).addon); // a second session of the same program
});

test('F-01 E-04 where the add-on does not run, there is none, and it is said why', t => {
  using temp = new TempFolder();
  for (const [folder, from] of [
    [temp.path, () => Buffer.from('no program')],
    [join(temp.path, 'missing'), read],
  ] as const) {
    const { addon, warnings } = load(folder, from);
    t.is(addon, null);
    t.is(warnings.length, 1);
    t.regex(warnings[0] ?? '', /jpeg-turbo\.node can't be loaded: .*noexec/s);
  }
  t.deepEqual(readdirSync(temp.path), []);
});

test('F-01 what a program of hours ago could not take away is swept; what one is loading just now is not', t => {
  using temp = new TempFolder();
  for (const [name, age] of [
    ['support-addon-old', 7_200_000],
    ['support-addon-new', 60_000],
    ['another', 7_200_000],
  ] as const) {
    mkdirSync(join(temp.path, name));
    writeFileSync(join(temp.path, name, 'file'), '');
    utimesSync(join(temp.path, name), (NOW - age) / 1000, (NOW - age) / 1000);
  }
  t.truthy(load(temp.path).addon);
  t.deepEqual(readdirSync(temp.path).sort(), ['another', 'support-addon-new']);
});

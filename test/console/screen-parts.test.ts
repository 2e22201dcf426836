// Small parts of the picture's pane that know no page.
import test from 'ava';
import { jpegSize } from '../../appliance/browser/jpeg-size.ts';
import { combination, endKeys, layoutName, usualCombinations } from '../../appliance/console/key-combinations.ts';
import { noRecording } from '../../appliance/console/link-messages.ts';
import { recordingHint, recordingSign } from '../../appliance/console/recording-words.ts';
import { monitorWords, rateWords } from '../../appliance/console/screen-words.ts';
import { keysymsOf } from '../../appliance/console/viewer/key-catcher.ts';
import { endWords } from '../../appliance/console/words.ts';
import { codecs } from '../support/rfb-session.ts';
import { jpegOf } from './hostile-rfb.ts';

test('E-04 a text becomes keysyms letter by letter, whatever its script; what is no letter is left out', t => {
  t.deepEqual(keysymsOf('aZ 9'), [0x61, 0x5a, 0x20, 0x39]);
  t.deepEqual(keysymsOf('äß'), [0xe4, 0xdf]);
  t.deepEqual(keysymsOf('€ж中🙂'), [0x0100_20ac, 0x0100_0436, 0x0100_4e2d, 0x0101_f642]);
  t.deepEqual(keysymsOf('a\r\nb\rc\n\t'), [0x61, 0xff0d, 0x62, 0xff0d, 0x63, 0xff0d, 0xff09]);
  t.deepEqual(keysymsOf('\u0000\u001b\u007f\u0085'), []);
});

test('E-04 combinations are pressed in their order, and each key has a name of its own', t => {
  const { words, keys } = combination(['Ctrl', 'Alt'], 'Delete');
  t.is(words, 'Ctrl + Alt + Delete');
  t.deepEqual(
    keys.map(({ keysym }) => keysym),
    [0xffe3, 0xffe9, 0xffff],
  );
  t.deepEqual(
    combination(['Win'], null).keys.map(({ code }) => code),
    ['MetaLeft'],
  );
  t.throws(() => combination([], 'No such key'), { instanceOf: TypeError });
  t.is(endKeys.get('F1')?.keysym, 0xffbe);
  t.is(endKeys.get('F12')?.keysym, 0xffc9);
  t.is(new Set(usualCombinations.map(one => one.words)).size, usualCombinations.length);
});

test('E-04 a keyboard is called by what stands on it, where the browser tells', t => {
  const layout = (row: string) => ({ get: (code: string) => row['QWERTY'.indexOf(code.slice(3))] });
  t.is(layoutName(layout('qwertz')), 'QWERTZ');
  t.is(layoutName(layout('azerty')), 'AZERTY');
  t.is(layoutName(null), null);
});

test('E-04 the size of a JPEG is read from its own head, and nothing else is taken for one', async t => {
  t.deepEqual(jpegSize(jpegOf(65_535, 1)), { width: 65_535, height: 1 });
  const pixels = new Uint8Array(48 * 32 * 4).fill(128);
  const made = await codecs.jpeg?.(pixels, { width: 48, height: 32, stride: 48 * 4 }, 80);
  t.deepEqual(made && jpegSize(made), { width: 48, height: 32 });
  const whole = jpegOf(10, 20);
  for (let length = 0; length < 11; length++) t.is(jpegSize(whole.subarray(0, length)), null, `${length} bytes`);
  t.is(jpegSize(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0, 1, 2, 3, 4, 5, 6, 7)), null, 'a segment of no length');
  t.is(jpegSize(new Uint8Array(100)), null);
});

test('E-04 rates, monitors and endings in words', t => {
  t.deepEqual([0, 999, 12_400, 3_440_000].map(rateWords), ['0 B/s', '999 B/s', '12 kB/s', '3.4 MB/s']);
  const monitor = { id: 2, name: '', x: 0, y: 0, width: 800, height: 600, primary: true };
  t.is(monitorWords(monitor), 'Monitor 2, 800 × 600, main');
  t.is(monitorWords({ ...monitor, name: 'DP-1', primary: false }), '2: DP-1, 800 × 600');
  t.is(endWords('customer', 'customer'), 'Stopped by the customer');
  t.is(endWords('appliance', 'viewing-first'), endWords(null, 'viewing-first'));
});

test('H-01 a paused recording is never shown as one that runs', t => {
  const paused = { ...noRecording, mayPause: true, pausedAt: new Date(2026, 5, 1, 14, 3).getTime() };
  for (const recorder of [null, 'recording', 'done'] as const) {
    const sign = recordingSign({ ...paused, recorder });
    t.regex(sign?.text ?? '', /^Recording paused since .*03/);
    t.false(sign?.isWell);
    t.regex(recordingHint({ ...paused, recorder }), /not recorded/);
  }
});

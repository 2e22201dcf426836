// What is said to Windows and what it says, byte by byte. Windows itself is asked where it runs (applet/README.md).
import test from 'ava';
import fc from 'fast-check';
import {
  BUTTON_COUNT,
  buttonInput,
  characterInputs,
  INPUT_BYTES,
  keyInput,
  moveInput,
  OURS,
  parseRawWindowsInput,
  scanCodeInput,
} from '../../appliance/applet/input/windows-events.ts';
import { characterOf, EXTENDED, virtualKeyOf } from '../../appliance/applet/input/windows-keys.ts';
import { KEYSYM, keysymOf } from './typist.ts';

const bytes = (input: Buffer | null) => [input?.readUInt16LE(8), input?.readUInt16LE(10), input?.readUInt32LE(12)];
const mouse = (input: Buffer | null) =>
  input && [input.readInt32LE(8), input.readInt32LE(12), input.readInt32LE(16), input.readUInt32LE(20)];

test('E-04 keys and characters for Windows carry what Windows reads, and our mark', t => {
  t.deepEqual(bytes(keyInput(true, 0x41, 0x1e)), [0x41, 0x1e, 0]);
  t.deepEqual(bytes(keyInput(false, EXTENDED | 0x25, 0x4b)), [0x25, 0x4b, 3]);
  t.deepEqual(bytes(scanCodeInput(true, 0xcb)), [0, 0x4b, 9]);
  t.deepEqual(characterInputs('é').map(bytes), [
    [0, 0xe9, 4],
    [0, 0xe9, 6],
  ]);
  t.deepEqual(
    characterInputs('😀').map(input => bytes(input)[1]),
    [0xd83d, 0xde00, 0xd83d, 0xde00],
  );
  for (const input of [keyInput(true, 0x41, 0), ...characterInputs('a')]) {
    t.is(input.length, INPUT_BYTES);
    t.is(input.readUInt32LE(24), OURS);
  }
});

test('E-04 a place on a Windows desktop arrives as the same pixel', t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16_384 }), fc.nat(), (width, at) => {
      const x = at % width;
      const [wire = 0] = mouse(moveInput(x, 0, width, 1)) ?? [];
      return Math.floor((wire * width) / 65_536) === x && wire <= 0xffff;
    }),
  );
  t.deepEqual(mouse(moveInput(9999, 9999, 100, 50)), mouse(moveInput(99, 49, 100, 50)));
});

test('E-04 buttons and wheels for Windows, of a left-handed mouse too', t => {
  const presses = (swapped: boolean) =>
    Array.from({ length: BUTTON_COUNT }, (_, at) => mouse(buttonInput(true, at, swapped))?.slice(2));
  const wheels = [
    [120, 0x800],
    [-120, 0x800],
    [-120, 0x1000],
    [120, 0x1000],
  ];
  t.deepEqual(presses(false), [[0, 2], [0, 0x20], [0, 8], ...wheels]);
  t.deepEqual(presses(true), [[0, 8], [0, 0x20], [0, 2], ...wheels]);
  t.is(mouse(buttonInput(false, 1, false))?.[3], 0x40);
  t.is(buttonInput(false, 3, false), null); // a wheel is not let go
});

function rawMouse(flags: number, buttons: number, x: number, y: number, extra: number): Buffer {
  const raw = Buffer.alloc(48);
  raw.writeUInt16LE(flags, 24);
  raw.writeUInt16LE(buttons, 28);
  raw.writeInt32LE(x, 36);
  raw.writeInt32LE(y, 40);
  raw.writeUInt32LE(extra, 44);
  return raw;
}

test('E-04 what Windows tells of mouse and keyboard is read, with whose it is', t => {
  const still = { type: 'mouse', isOurs: false, distance: 0, pressed: [], released: [] };
  t.deepEqual(parseRawWindowsInput(rawMouse(0, 0, -3, 4, 0)), { ...still, distance: 7 });
  t.deepEqual(parseRawWindowsInput(rawMouse(1, 0, 300, 4, OURS)), { ...still, isOurs: true, distance: Infinity });
  t.deepEqual(parseRawWindowsInput(rawMouse(0, 0x400, 0, 0, 0)), { ...still, distance: Infinity });
  t.deepEqual(parseRawWindowsInput(rawMouse(0, 0b1001, 0, 0, 0)), { ...still, pressed: ['left'], released: ['right'] });
  const key = Buffer.alloc(40);
  key.writeUInt32LE(1, 0);
  key.writeUInt16LE(0x77, 30);
  t.deepEqual(parseRawWindowsInput(key), { type: 'key', isOurs: false, virtualKey: 0x77, down: true });
  key.writeUInt16LE(1, 26);
  key.writeUInt32LE(OURS, 36);
  t.deepEqual(parseRawWindowsInput(key), { type: 'key', isOurs: true, virtualKey: 0x77, down: false });
  for (let length = 0; length < 40; length++) t.is(parseRawWindowsInput(key.subarray(0, length)), null);
  t.is(parseRawWindowsInput(rawMouse(0, 0, 1, 1, 0).subarray(0, 44)), null);
});

test('E-04 keysyms are keys or characters on Windows, those from before Unicode as well', t => {
  for (const character of 'aZ ~äß€ж中😀') t.is(characterOf(keysymOf(character)), character);
  t.is(characterOf(0x7e1), 'α');
  t.is(characterOf(0x1a3), 'Ł');
  t.is(characterOf(KEYSYM.return), undefined);
  t.is(virtualKeyOf(KEYSYM.left), EXTENDED | 0x25);
  t.is(virtualKeyOf(KEYSYM.f8), 0x77);
  t.is(virtualKeyOf(KEYSYM.keypad1), 0x61);
  t.is(virtualKeyOf(keysymOf('a')), undefined);
});

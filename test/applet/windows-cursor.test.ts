// The forms a cursor has on Windows. What Windows itself is asked for runs there alone.
import test from 'ava';
import { fromColours, fromMasks } from '../../appliance/applet/screen/windows-cursor.ts';

const pixels = (...values: number[]) => {
  const bytes = new Uint8Array(values.length * 4);
  for (const [at, value] of values.entries()) new DataView(bytes.buffer).setUint32(at * 4, value);
  return bytes;
};
const picture = (width: number, height: number, ...values: number[]) => ({ width, height, pixels: pixels(...values) });

test('E-04 a Windows cursor with alpha is shown with it', t => {
  const colours = picture(2, 1, 0x11_22_33_80, 0x44_55_66_00);
  t.deepEqual(fromColours(colours, picture(2, 1, 0, 0)), colours);
});

test('E-04 a Windows cursor without alpha is seen where its mask says so', t => {
  const colours = picture(2, 1, 0x11_22_33_00, 0x44_55_66_00);
  const mask = picture(2, 1, 0xff_ff_ff_00, 0);
  t.deepEqual(fromColours(colours, mask), picture(2, 1, 0x11_22_33_00, 0x44_55_66_ff));
  t.is(fromColours(null, mask), null);
});

test('E-04 a Windows cursor of two masks is black and white, and black where it would turn colours over', t => {
  const [set, not] = [0xff_ff_ff_00, 0];
  const masks = picture(4, 2, ...[not, not, set, set], ...[not, set, not, set]);
  t.deepEqual(fromMasks(masks), picture(4, 1, 0x00_00_00_ff, 0xff_ff_ff_ff, 0, 0x00_00_00_ff));
  t.is(fromMasks(picture(1, 1, 0)), null);
  t.is(fromMasks(null), null);
});

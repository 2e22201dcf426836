// Raw events of XInput 2 (XI2proto, "RawEvent"): what each device does, whoever has a grab, from version 2.1 on.
//   | 35 | extension | sequence 2 | length 4 | kind 2 | device 2 | time 4 | detail 4 | source 2 | words 2 | flags 4 | pad 4 |
//   | mask of axes: words × 4 | a value of 8 bytes for each, as the server uses it | and again, as the device tells it |
import type { RawEventName, XEvent, XInput } from 'x11';
import type { EventKind } from './own-events.ts';

const GENERIC = 35;
const HEAD_BYTES = 32;
const VALUE_BYTES = 8; // 32 bits and a fraction of 32

export const RAW_EVENTS: readonly RawEventName[] = [
  ...(['RawKeyPress', 'RawKeyRelease', 'RawButtonPress', 'RawButtonRelease', 'RawMotion'] as const),
  ...(['RawTouchBegin', 'RawTouchUpdate', 'RawTouchEnd'] as const),
];
const KINDS: Partial<Record<RawEventName, EventKind>> = {
  ...{ RawKeyPress: 'key-press', RawKeyRelease: 'key-release', RawMotion: 'motion' },
  ...{ RawButtonPress: 'button-press', RawButtonRelease: 'button-release' },
};

export interface RawInput {
  readonly kind: EventKind | 'touch';
  /** Keycode or button. */
  readonly detail: number;
  /** The device it came from. */
  readonly source: number;
  /** Of a motion: how far in its own units; where more than the pointer moves, without limit. */
  readonly distance: number;
}

/** @returns null for any other event */
export function parseRawInput({ rawData }: XEvent, xinput: XInput): RawInput | null {
  if ((rawData.readUInt8(0) & 0x7f) !== GENERIC || rawData.readUInt8(1) !== xinput.majorOpcode) return null;
  if (rawData.length < HEAD_BYTES) return null;
  const name = RAW_EVENTS.find(one => xinput.EventType[one] === rawData.readUInt16LE(8));
  if (name === undefined) return null;
  const kind = KINDS[name] ?? 'touch';
  const distance = kind === 'motion' ? distanceOf(rawData) : 0;
  return { kind, detail: rawData.readUInt32LE(16), source: rawData.readUInt16LE(20), distance };
}

function distanceOf(rawData: Buffer): number {
  const words = rawData.readUInt16LE(22);
  const masks = Array.from({ length: words }, (_, word) => rawData.readUInt32LE(HEAD_BYTES + 4 * word));
  const [first = 0] = masks;
  if (first & ~3 || masks.slice(1).some(mask => mask !== 0)) return Number.POSITIVE_INFINITY; // a wheel, a pen's pressure
  const count = (first & 1) + (first >> 1);
  const raw = HEAD_BYTES + 4 * words + count * VALUE_BYTES;
  const values = Array.from({ length: count }, (_, axis) => rawData.readInt32LE(raw + axis * VALUE_BYTES));
  return values.reduce((sum, value) => sum + Math.abs(value), 0);
}

// The monitors of a Windows desktop. Windows counts from the primary one's corner, with negative numbers left and above of it;
// we count from the corner of the whole.
import type { ScreenLayout } from '../../customer-core/screen-source.ts';
import { MAX_MONITORS, MAX_SIDE, type Monitor } from '../../protocol/screen.ts';
import type { Windows } from '../ffi-windows.ts';
import { intersect } from './damage.ts';

const METRIC = { left: 76, top: 77, width: 78, height: 79 } as const; // SM_XVIRTUALSCREEN and on
const CURRENT = 0xff_ff_ff_ff; // ENUM_CURRENT_SETTINGS
const ATTACHED = 1;
const PRIMARY = 4;
const MIRRORING = 8;
/** DISPLAY_DEVICEW and DEVMODEW (wingdi.h) */
const DEVICE = { size: 840, name: 4, nameEnd: 68, flags: 324 } as const;
const MODE = { size: 220, ownSize: 68, x: 76, y: 80, width: 172, height: 176 } as const;
const MAX_DEVICES = 64;

export interface WindowsLayout extends ScreenLayout {
  /** Where Windows has the corner of the whole. */
  readonly left: number;
  readonly top: number;
}

export function readWindowsLayout(windows: Windows): WindowsLayout {
  const [left, top] = [windows.GetSystemMetrics(METRIC.left), windows.GetSystemMetrics(METRIC.top)];
  const width = Math.min(windows.GetSystemMetrics(METRIC.width), MAX_SIDE);
  const height = Math.min(windows.GetSystemMetrics(METRIC.height), MAX_SIDE);
  const monitors: Monitor[] = [];
  for (let index = 0; index < MAX_DEVICES && monitors.length < MAX_MONITORS; index++) {
    const device = Buffer.alloc(DEVICE.size);
    device.writeUInt32LE(DEVICE.size, 0);
    if (windows.EnumDisplayDevicesW(null, index, device, 0) === 0) break;
    const flags = device.readUInt32LE(DEVICE.flags);
    if ((flags & ATTACHED) === 0 || (flags & MIRRORING) !== 0) continue;
    const name = device.subarray(DEVICE.name, DEVICE.nameEnd);
    const mode = Buffer.alloc(MODE.size);
    mode.writeUInt16LE(MODE.size, MODE.ownSize);
    if (windows.EnumDisplaySettingsExW(name, CURRENT, mode, 0) === 0) continue;
    const place = intersect(
      {
        ...{ x: mode.readInt32LE(MODE.x) - left, y: mode.readInt32LE(MODE.y) - top },
        ...{ width: mode.readUInt32LE(MODE.width), height: mode.readUInt32LE(MODE.height) },
      },
      { x: 0, y: 0, width, height },
    );
    if (place.width === 0 || place.height === 0) continue;
    const id = monitors.length + 1;
    monitors.push({ ...place, id, name: nameOf(name, id), primary: (flags & PRIMARY) !== 0 });
  }
  if (monitors.length === 0) monitors.push({ x: 0, y: 0, width, height, id: 1, name: 'Monitor 1', primary: true });
  return { left, top, width, height, monitors };
}

/** `\\.\DISPLAY1` is one. */
function nameOf(device: Buffer, id: number): string {
  const number = /DISPLAY(\d{1,3})/.exec(device.toString('utf16le'))?.[1] ?? id;
  return `Display ${number}`;
}

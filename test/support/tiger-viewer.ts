// Where TigerVNC's viewer shows a picture on a virtual display.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Rectangle } from '../../appliance/customer-core/screen-source.ts';
import type { Desktop } from '../applet/desktop.ts';

/** Its window, once there is one of the right size. */
export async function windowOf(desktop: Desktop, width: number, height: number): Promise<Rectangle> {
  const line = new RegExp(`TigerVNC.*${width}x${height}\\S+ {2}\\+(\\d+)\\+(\\d+)`);
  for (;;) {
    const tree = await promisify(execFile)('xwininfo', ['-root', '-tree'], { env: desktop.environment });
    const [, x, y] = line.exec(tree.stdout) ?? [];
    if (x !== undefined && y !== undefined) return { x: Number(x), y: Number(y), width, height };
    await delay(50);
  }
}

// The desktop of an X display as the applet opens it, in this process.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SystemDesktop } from '../../appliance/applet/system-desktop.ts';
import { systemClock } from '../../appliance/clock.ts';

const PREBUILT = resolve(import.meta.dirname, '../../node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-x64');

/** @param environment with DISPLAY */
export function systemDesktop(environment: Readonly<Record<string, string>>): SystemDesktop {
  return new SystemDesktop({
    ...{ clock: systemClock, environment },
    readAddon: name => readFileSync(join(PREBUILT, name.endsWith('.node') ? 'node-napi-v10.node' : name)),
    warn: why => {
      throw new Error(why);
    },
  });
}

// Whether a display has a window manager yet.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/**
 * Resolves when the display has one: a window that appears before may be missed by it, and never be shown or active. Asked again
 * and again, as `xprop -spy` says nothing of a property whose name the display does not know yet. The caller's time limit is the deadline.
 */
export async function windowManagerOn(environment: NodeJS.ProcessEnv): Promise<void> {
  for (let told = ''; !told.includes('window id'); ) {
    const args = ['-root', '_NET_SUPPORTING_WM_CHECK'];
    told = await text(spawn('xprop', args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] }).stdout);
  }
}

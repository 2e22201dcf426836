// Files that something else is about to write.

import { once } from 'node:events';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';

/** The text of a file, as soon as there is one that is as wanted. Its folder must be there. */
export async function textIn(folder: string, name: string, isWanted: (text: string) => boolean): Promise<string> {
  const watcher = watch(folder).on('error', () => undefined);
  try {
    for (;;) {
      const changed = once(watcher, 'change'); // before the look, so that no change falls between
      const text = existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '';
      if (isWanted(text)) return text;
      await changed;
    }
  } finally {
    watcher.close();
  }
}

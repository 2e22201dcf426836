// A real editor on a customer's desktop, and what stands in it once it has saved.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { textIn } from '../support/watched-file.ts';
import type { Desktop } from './desktop.ts';

const run = promisify(execFile);

export class Editor {
  readonly #desktop: Desktop;
  readonly #name: string;

  private constructor(desktop: Desktop, name: string) {
    this.#desktop = desktop;
    this.#name = name;
  }

  /** In front, with the keyboard's focus. */
  static async open(desktop: Desktop, name: string): Promise<Editor> {
    // Its settings stay in memory: there is no daemon to keep them.
    const { pid } = desktop.run('env', [
      'GSETTINGS_BACKEND=memory',
      'mousepad',
      '--disable-server',
      join(desktop.home, name),
    ]);
    const options = { env: { ...desktop.environment } };
    const search = ['search', '--sync', '--onlyvisible', '--pid', String(pid), '--name', name];
    await run('xdotool', [...search, 'windowactivate', '--sync'], options);
    return new Editor(desktop, name);
  }

  /** What it has saved, as soon as that is so long; the editor ends the last line with a line end of its own. */
  async saved(characters = 1): Promise<string> {
    const isWhole = (text: string) => [...text.replace(/\n$/, '')].length >= characters;
    return (await textIn(this.#desktop.home, this.#name, isWhole)).replace(/\n$/, '');
  }
}

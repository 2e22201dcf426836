// Icons of lucide: read once at the start, one symbol for each that a page uses.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defect } from '../../errors.ts';

const FOLDER = join(dirname(createRequire(import.meta.url).resolve('lucide-static/package.json')), 'icons');

export class Icons {
  readonly #symbols = new Map<string, string>();

  /** @throws ApplianceError `appliance.defect` for a name lucide has not */
  symbol(name: string): string {
    const known = this.#symbols.get(name);
    if (known !== undefined) return known;
    const text = readFileSync(join(FOLDER, `${name}.svg`), 'utf8');
    const inner = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(text)?.[1];
    if (inner === undefined) throw defect(`icon ${name} is no SVG`);
    const symbol = `<symbol id="i-${name}" viewBox="0 0 24 24">${inner.replace(/\s+/g, ' ').trim()}</symbol>`;
    this.#symbols.set(name, symbol);
    return symbol;
  }

  /** The hidden block with the symbols a page refers to. */
  block(html: string): string {
    const names = new Set([...html.matchAll(/href="#i-([a-z0-9-]+)"/g)].map(match => match[1] ?? ''));
    return `<svg class="symbols" aria-hidden="true">${[...names].map(name => this.symbol(name)).join('')}</svg>`;
  }
}

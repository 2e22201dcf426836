// Reads this checkout's sources, for tests that judge them.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { transformSync } from 'esbuild';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Source {
  /** From the root of the checkout, with slashes. */
  readonly path: string;
  readonly text: string;
  /** As it runs: without types and comments, strings in double quotes. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** What stands between `import` and `from`; empty for an import of nothing. */
  readonly clause: string;
  /** A path from the root for our own files, else the name as written. */
  readonly target: string;
}

/** Every file below `folder`, with its path from the root. */
export function listFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map(name =>
      relative(ROOT, join(ROOT, folder, name))
        .split(sep)
        .join('/'),
    )
    .filter(path => statSync(join(ROOT, path)).isFile());
}

export function readRoot(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function readSource(path: string): Source {
  const text = readRoot(path);
  const { code } = transformSync(text, { loader: 'ts', legalComments: 'none', tsconfigRaw: VERBATIM });
  return { path, text, code, imports: findImports(path, text) };
}

/** The TypeScript below these folders. */
export function readSources(...folders: string[]): Source[] {
  const paths = folders.flatMap(listFiles).filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts'));
  return paths.sort().map(readSource);
}

const VERBATIM = { compilerOptions: { verbatimModuleSyntax: true } };
const IMPORT = /^(?:import|export)\s([^;'"]*?)\bfrom\s*'([^']+)'|^import()\s*'([^']+)'|\bimport()\(\s*'([^']+)'/gm;

function findImports(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map(([, a, b, c, d, e, f]) => {
    const name = b ?? d ?? f ?? '';
    const target = name.startsWith('.') ? posix.join(dirname(path), name) : name;
    return { clause: (a ?? c ?? e ?? '').trim(), target };
  });
}

// Style and scripts of the pages: bundled and compressed once at the start, named by their content and kept for ever.
import { createHash } from 'node:crypto';
import { build } from 'esbuild';
import { type Compressed, compressed } from './compressed.ts';
import type { PortalContext, PortalMiddleware } from './context.ts';
import { notFound } from './paths.ts';

export interface Asset extends Compressed {
  readonly path: string;
  readonly type: string;
  readonly plain: Buffer;
}

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};
/** Chrome, Firefox and Safari as promised (E-11). */
export const TARGET = ['chrome133', 'firefox130', 'safari17'];

export class Assets {
  readonly #byName = new Map<string, Asset>();
  readonly #byPath = new Map<string, Asset>();

  readonly #cache: string | undefined;

  private constructor(cache: string | undefined) {
    this.#cache = cache;
  }

  /** @param sources name in templates → file, absolute; @param cache folder of what was compressed before */
  static async make(sources: Readonly<Record<string, string>>, cache?: string): Promise<Assets> {
    const assets = new Assets(cache);
    await assets.bundle(sources);
    return assets;
  }

  /** @param format `esm` where a package awaits at its top level; the page then loads it with `type="module"` */
  async bundle(sources: Readonly<Record<string, string>>, format: 'iife' | 'esm' = 'iife'): Promise<void> {
    const made = await build({
      entryPoints: Object.entries(sources).map(([name, path]) => ({ in: path, out: name.replace(/\.\w+$/, '') })),
      outdir: '/',
      bundle: true,
      minify: true,
      write: false,
      format,
      target: TARGET,
      logLevel: 'silent',
    });
    const files = made.outputFiles.map(file => [file.path.replace(/^.*\//, ''), Buffer.from(file.contents)] as const);
    await Promise.all(files.map(([name, contents]) => this.add(name, contents)));
  }

  /** Compressed in a thread beside: applets come back meanwhile. */
  async add(name: string, plain: Buffer): Promise<void> {
    const [stem = '', extension = ''] = name.split('.');
    const digest = createHash('sha256').update(plain).digest('base64url').slice(0, 12).replaceAll('_', '-');
    const path = `/assets/${stem}-${digest}.${extension}`;
    const type = TYPES[extension] ?? 'application/octet-stream';
    const asset = { path, type, plain, ...(await compressed(plain, this.#cache)) };
    this.#byName.set(name, asset);
    this.#byPath.set(path, asset);
  }

  /** Address of an asset, for templates. */
  path(name: string): string {
    const asset = this.#byName.get(name);
    if (asset === undefined) throw new TypeError(`no asset is named ${name}`);
    return asset.path;
  }

  serve(): PortalMiddleware {
    return ctx => {
      const asset = this.#byPath.get(ctx.path);
      if (asset === undefined) throw notFound();
      answer(ctx, asset);
    };
  }

  /** Answers with an asset that has a route of its own, under an address that names its content. */
  answer(ctx: PortalContext, name: string): void {
    const asset = this.#byName.get(name);
    if (asset === undefined) throw notFound();
    answer(ctx, asset);
  }
}

function answer(ctx: PortalContext, asset: Asset): void {
  ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
  ctx.vary('Accept-Encoding');
  const encoding = ctx.acceptsEncodings('br', 'gzip', 'identity');
  if (encoding === 'br') ctx.body = asset.brotli;
  else ctx.body = encoding === 'gzip' ? asset.gzip : asset.plain;
  if (encoding === 'br' || encoding === 'gzip') ctx.set('Content-Encoding', encoding);
  ctx.set('Content-Type', asset.type);
}

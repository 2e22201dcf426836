// The verifier as one file: page, style and script together, since it is opened from a disk. It may run that script and use
// that style, and reach nothing.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { TARGET } from '../web/assets.ts';

export async function makeVerifierPage(): Promise<Buffer> {
  const made = await build({
    ...{ entryPoints: [join(import.meta.dirname, 'verify.client.ts')], bundle: true, minify: true, write: false },
    ...{ format: 'iife', target: TARGET, logLevel: 'silent', charset: 'ascii' },
  });
  // `</script` can't stand in a script of a page, whatever it is to the script.
  const script = (made.outputFiles[0]?.text ?? '').trim().replaceAll('</script', '<\\/script');
  const style = (await readFile(join(import.meta.dirname, 'verify.css'), 'utf8')).trim();
  const page = await readFile(join(import.meta.dirname, 'verify.html'), 'utf8');
  const policy = [
    ...["default-src 'none'", `script-src '${digestOf(script)}'`, `style-src '${digestOf(style)}'`],
    ...["base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"],
  ].join('; ');
  // By functions: `$&` in a script is no pattern.
  return Buffer.from(
    page
      .replace('<!--policy-->', () => `<meta http-equiv="Content-Security-Policy" content="${policy}">`)
      .replace('<!--style-->', () => `<style>${style}</style>`)
      .replace('<!--script-->', () => `<script>${script}</script>`),
    'utf8',
  );
}

function digestOf(text: string): string {
  return `sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}`;
}

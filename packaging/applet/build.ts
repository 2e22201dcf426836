// `node packaging/applet/build.ts`: makes the applet's template where there is none for what stands in the checkout, and
// prints the folder it is in. Without the Windows runtime (no network) it is for Linux alone, and that is said.
import { resolve } from 'node:path';
import { ensureTemplate } from './template.ts';

const { folder } = await ensureTemplate(resolve(import.meta.dirname, '../..'), line =>
  process.stderr.write(`${line}\n`),
);
process.stdout.write(`${folder}\n`);

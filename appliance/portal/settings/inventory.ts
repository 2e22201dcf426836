// What this appliance is made of: the packages of the lock file that are installed, and the system's. As a page shows it, and
// as a bill of materials (CycloneDX 1.6, ECMA-424).
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const DPKG_MS = 10_000;
const MAX_DPKG_BYTES = 4 * 1024 * 1024;
/** Where Debian's packages say under what licences they are (Debian policy 12.5). */
const DOCUMENTS = '/usr/share/doc';
/** Programs of Debian's that we run, by their packages. */
const TOOLS: readonly string[] = ['ffmpeg', 'openssl', 'osslsigncode', 'samba', 'util-linux', 'iproute2'];

/** Old packages say it as a list, of names or of objects: any of them. */
const Licence = z.union([
  z.string(),
  z
    .array(z.union([z.string(), z.object({ type: z.string() }).transform(({ type }) => type)]))
    .transform(all => all.join(' OR ')),
]);
/** An SPDX expression, by its form; other words are names. */
const EXPRESSION = /^[(]*[A-Za-z0-9.+-]+[)]*(?: (?:OR|AND|WITH) [(]*[A-Za-z0-9.+-]+[)]*)*$/;

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().default(''),
      license: Licence.optional(),
      integrity: z.string().optional(),
      dev: z.boolean().default(false),
    }),
  ),
});
const Own = z.object({ name: z.string(), version: z.string(), license: z.string() });

export interface Component {
  readonly name: string;
  readonly version: string;
  /** As the package says it, an SPDX expression mostly, all that is in it for the system's; null where it doesn't. */
  readonly licence: string | null;
  /** Package URL. */
  readonly purl: string;
  /** SHA-512 of the archive it came in, hex; null where it is not known. */
  readonly sha512: string | null;
}

export interface Inventory {
  readonly product: Component;
  /** By name. */
  readonly packages: readonly Component[];
  /** All of the system's; none where the system has no dpkg. */
  readonly system: readonly Component[];
}

/** @param root with package.json and its lock file */
export async function takeInventory(root: string): Promise<Inventory> {
  const own = Own.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const { packages } = Lock.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  const found = new Map<string, Component>();
  for (const [path, { version, license, integrity, dev }] of Object.entries(packages)) {
    if (path === '' || dev || !existsSync(join(root, path))) continue; // of another system, or for our tests only
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const purl = npmUrl(name, version);
    found.set(purl, { name, version, licence: license ?? null, purl, sha512: sha512Of(integrity) });
  }
  return {
    product: { ...own, licence: own.license, purl: `pkg:generic/${own.name}@${own.version}`, sha512: null },
    packages: [...found.values()].toSorted((a, b) => (a.purl < b.purl ? -1 : 1)),
    system: await systemPackages(),
  };
}

/** Those of the system's packages whose programs we run. */
export function toolsOf({ system }: Inventory): readonly Component[] {
  return system.filter(({ name }) => TOOLS.includes(name));
}

/** @param now ms UTC */
export function billOfMaterials({ product, packages, system }: Inventory, now: number, serial: string): string {
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${serial}`,
    version: 1,
    metadata: { timestamp: new Date(now).toISOString(), component: { ...entryOf(product), type: 'application' } },
    components: [...packages, ...system].map(entryOf),
  };
  return `${JSON.stringify(bill)}\n`;
}

function entryOf({ name, version, licence, purl, sha512 }: Component) {
  const isExpression = licence !== null && purl.startsWith('pkg:npm/') && EXPRESSION.test(licence); // Debian has names of its own
  return {
    ...{ type: 'library', 'bom-ref': purl, name, version, purl },
    ...(licence !== null && {
      licenses: [isExpression ? { expression: licence } : { license: { name: licence } }],
    }),
    ...(sha512 !== null && { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
  };
}

async function systemPackages(): Promise<Component[]> {
  const format = ['Package', 'Version', 'Architecture'].map(field => `\${${field}}`).join('\\t');
  let output: string;
  try {
    const options = { timeout: DPKG_MS, maxBuffer: MAX_DPKG_BYTES };
    ({ stdout: output } = await promisify(execFile)('dpkg-query', ['-W', '-f', `${format}\\n`], options));
  } catch {
    return []; // no Debian: the page says that the system's packages are not known
  }
  const lines = output.split('\n').filter(line => line !== '');
  return Promise.all(
    lines.map(async line => {
      const [name = '', version = '', architecture = ''] = line.split('\t');
      const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
      return { name, version, licence: await licencesOf(name), purl, sha512: null };
    }),
  );
}

async function licencesOf(name: string): Promise<string | null> {
  try {
    return readLicences(await readFile(join(DOCUMENTS, name, 'copyright'), 'utf8'));
  } catch {
    return null; // no such document, or none that can be read
  }
}

/**
 * Of a copyright file in Debian's own form (copyright-format 1.0) the short names, each once.
 * @returns null for one in words alone
 */
export function readLicences(text: string): string | null {
  if (!/^Format:.*copyright-format/m.test(text.slice(0, 4096))) return null;
  const named = [...text.matchAll(/^License:[ \t]*(\S.*)$/gm)].map(([, name = '']) => name.trim());
  return named.length === 0 ? null : [...new Set(named)].toSorted().join(', ');
}

function npmUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
}

function sha512Of(integrity: string | undefined): string | null {
  const base64 = /(?:^|\s)sha512-([A-Za-z0-9+/=]+)/.exec(integrity ?? '')?.[1];
  return base64 === undefined ? null : Buffer.from(base64, 'base64').toString('hex');
}

// What the about page tells of: held against what is installed here.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { billOfMaterials, readLicences, takeInventory, toolsOf } from '../../appliance/portal/settings/inventory.ts';
import { ROOT } from '../support/appliance.ts';

test('A-05 each package that runs is named with its version, licence and hash, and no other', async t => {
  const { packages, product } = await takeInventory(ROOT);
  const { dependencies, version } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  t.is(product.version, version);
  for (const [name, wanted] of Object.entries(dependencies)) {
    const found = packages.find(one => one.name === name && one.version === wanted); // others may need another version
    t.is(found?.sha512?.length, 128, name);
  }
  t.false(
    packages.some(({ name }) => name === 'ava' || name.includes('aix')),
    'neither tests nor other systems',
  );
  t.is(packages.find(({ name }) => name === 'koa')?.licence, 'MIT');
  t.is(new Set(packages.map(({ purl }) => purl)).size, packages.length);
});

test('A-05 the bill of materials is CycloneDX, and has the system’s packages', async t => {
  const inventory = await takeInventory(ROOT);
  t.true(toolsOf(inventory).some(({ name }) => name === 'openssl'));
  const bill = JSON.parse(billOfMaterials(inventory, 0, '00000000-0000-4000-8000-000000000000'));
  t.like(bill, { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 });
  t.is(bill.metadata.timestamp, '1970-01-01T00:00:00.000Z');
  const scoped = bill.components.find(({ name }: { name: string }) => name === '@koa/router');
  t.regex(scoped.purl, /^pkg:npm\/%40koa\/router@\d/);
  t.deepEqual(Object.keys(scoped.licenses[0]), ['expression']);
  const openssl = bill.components.find(({ purl }: { purl: string }) => purl.startsWith('pkg:deb/debian/openssl@'));
  t.regex(openssl.licenses[0].license.name, /Apache-2\.0/, 'by Debian’s names, which are no SPDX');
  t.is(new Set(bill.components.map((one: { 'bom-ref': string }) => one['bom-ref'])).size, bill.components.length);
});

test('A-05 of a package of the system all licences are named that stand in its copyright file, each once', t => {
  const head = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n';
  const files = 'Files: *\nLicense: GPL-2+\n\nFiles: a\nLicense: Expat\n words\n\nLicense: GPL-2+\n words\n';
  t.is(readLicences(head + files), 'Expat, GPL-2+');
  t.is(readLicences(files), null, 'words alone say nothing to a program');
  t.is(readLicences(`${head}License:\n words\n`), null);
});

// Page and file are one truth: every key of the configuration has a field, or says why it has none.
import test from 'ava';
import { z } from 'zod';
import { Configuration, parseConfig } from '../../appliance/config.ts';
import { blocks, fieldsOf } from '../../appliance/portal/settings/blocks.ts';
import { allFields, fileOnly, presentValue } from '../../appliance/portal/settings/fields.ts';
import { overviewOf } from '../../appliance/portal/settings/overview.ts';
import { realmTable, routeTable } from './route-table.ts';

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly anyOf?: readonly Shape[];
}

/** `login.idleMinutes`; a list is one key. */
function keysOf({ properties, anyOf = [] }: Shape, above = ''): string[] {
  const branch = properties ?? anyOf.find(one => one.properties !== undefined)?.properties;
  if (branch === undefined) return [above];
  return Object.entries(branch).flatMap(([name, shape]) => keysOf(shape, above === '' ? name : `${above}.${name}`));
}

const keys = keysOf(z.toJSONSchema(Configuration, { io: 'input' }) as Shape);
const fields = [...allFields, ...blocks.flatMap(fieldsOf)];

test('A-05 every key of the configuration has a field on a page, or a reason why it stands in the file alone', t => {
  t.true(keys.length > 50 && keys.includes('alerts.mail.host') && keys.includes('directory.users.id'));
  const inForms = fields.filter(({ kind }) => kind !== 'secret').map(({ key }) => key);
  t.deepEqual([...inForms, ...Object.keys(fileOnly)].sort(), [...keys].sort());
});

test('A-05 every field says what is right and what it does, and has a name of its own on its page', t => {
  for (const { label, hint, kind, choices } of fields) {
    t.true(label !== '' && hint !== '');
    t.is(kind === 'choice', choices.length > 0, label);
  }
  for (const page of [allFields, ...blocks.map(fieldsOf)]) {
    t.is(new Set(page.map(({ name }) => name)).size, page.length);
  }
});

test('A-05 what a new field starts with is what the configuration itself starts with', t => {
  const least = {
    alerts: { mail: { host: 'a', from: 'a@b', to: ['a@b'] }, syslog: { host: 'a' } },
    directory: {
      ...{ servers: ['ldaps://a'], bindDn: 'a', bindPasswordFile: '/a', users: { base: 'a' }, groups: { base: 'a' } },
      mapping: [{ group: 'a', roles: ['admin'] }],
    },
  };
  const config = parseConfig(JSON.stringify({ version: 1, ...least }));
  const given = /host|from|to|servers|bindDn|bindPasswordFile|base|mapping/;
  for (const one of blocks.flatMap(fieldsOf).filter(({ key }) => !given.test(key.split('.').at(-1) ?? ''))) {
    if (one.kind !== 'secret') t.is(presentValue(config, one), one.initial, one.key);
  }
});

test('A-05 the overview leads to pages that are there, here and in the admin centre, and says what is on', t => {
  const config = parseConfig('version: 1\nalerts: {syslog: {host: logs.example.com}}');
  const { pages, elsewhere } = overviewOf(config, 'https://support.example.com');
  for (const { path } of pages) t.true(Object.values(realmTable).flat().includes(`GET ${path}`), path);
  for (const { path } of elsewhere) {
    t.true(Object.values(routeTable).flat().includes(path.replace('https://support.example.com/', 'GET /')), path);
  }
  t.deepEqual(
    pages.flatMap(({ label, isOn }) => (isOn === null ? [] : [[label, isOn]])),
    [
      ['Mail', false],
      ['Syslog', true],
      ['Directory', false],
    ],
  );
  t.is(pages.find(({ label }) => label === 'Syslog')?.about, 'alerts to logs.example.com');
});

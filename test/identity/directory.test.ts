// The same contract for both LDAP libraries, against a real slapd.
import { chmodSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { type DirectoryConfig, parseConfig } from '../../appliance/config.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import type { LdapClient, LdapQuery } from '../../appliance/identity/directory-client.ts';
import { normalDn } from '../../appliance/identity/directory-dn.ts';
import { membersOf } from '../../appliance/identity/directory-tasks.ts';
import { DirectoryThreads } from '../../appliance/identity/directory-threads.ts';
import { readStartTls } from '../../appliance/identity/directory-wire.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { groupDn, Slapd } from '../support/slapd.ts';
import { TestAuthority } from '../support/test-certificates.ts';

const EXTRA = Array.from({ length: 1100 }, (_, n) => ({ cn: `Extra ${n}`, mail: `extra-${n}@example.com` }));
/** Not text in any encoding. */
const GUID = Buffer.from('00ff80c32841e2818af0288cbcfeff0a', 'hex');
const people = [
  { cn: 'Ann Smith', mail: 'ann@example.com', password: 'magpie-orbit', guid: GUID },
  { cn: 'Smith, Zoë = "Z" (*)', mail: 'zoe@example.com', password: 'wälnut \\2a*)(' },
  { cn: 'Twin 1', mail: 'twin@example.com', password: 'twin' },
  { cn: 'Twin 2', mail: 'twin@example.com', password: 'twin' },
  ...EXTRA,
];
const groups = {
  support: ['@berlin', 'Extra 3'],
  berlin: ['@night', 'Ann Smith'],
  night: ['@support', 'Smith, Zoë = "Z" (*)', 'Extra 1099'], // a circle
  admins: ['Ann Smith'],
};
const mapping: DirectoryConfig['mapping'] = [
  { group: groupDn('support'), roles: ['technician'], technicianGroup: null },
  {
    group: `CN=Admins, ${groupDn('x').split(',').slice(1).join(' , ').toUpperCase()}`,
    roles: ['admin'],
    technicianGroup: null,
  },
];

let slapd: Slapd;
test.before(async () => {
  slapd = await Slapd.start({ people, groups });
});
test.after.always(() => slapd?.[Symbol.asyncDispose]());

async function ask<T>(config: DirectoryConfig, run: (directory: DirectoryThreads) => Promise<T>): Promise<T> {
  const directory = new DirectoryThreads(config, new Metrics());
  try {
    return await run(directory);
  } finally {
    await directory.close();
  }
}

async function faultOf(config: DirectoryConfig): Promise<string> {
  try {
    await ask(config, directory => directory.authenticate('ann@example.com', 'magpie-orbit'));
    return 'let in';
  } catch (error) {
    if (error instanceof ApplianceError) return `${error.code} ${error.message}`;
    throw error;
  }
}

for (const library of ['ldapjs', 'ldapts'] as const) {
  for (const scheme of ['ldaps', 'ldap'] as const) {
    const servers = () => [`${scheme}://localhost:${scheme === 'ldaps' ? slapd.ldapsPort : slapd.ldapPort}`];
    test.serial(
      `C-05 ${library} over ${scheme === 'ldap' ? 'StartTLS' : 'LDAPS'} finds one person, whatever is typed`,
      async t => {
        await ask(slapd.config({ library, mapping, servers: servers() }), async directory => {
          const ann = await directory.authenticate('ann@example.com', 'magpie-orbit');
          t.regex(ann?.id ?? '', /^[0-9a-f-]{36}$/);
          t.is(ann?.name, 'Ann Smith');
          t.deepEqual(
            ann?.groups,
            mapping.map(({ group }) => group),
          );
          const zoe = await directory.authenticate('zoe@example.com', 'wälnut \\2a*)(');
          t.is(zoe?.name, 'Smith, Zoë = "Z" (*)');
          t.deepEqual(zoe?.groups, [groupDn('support')]);
          for (const typed of ['ann@example.com', '*', 'ann*', 'x)(mail=*', 'nobody', '\\2a', 'zoe@example.com']) {
            t.is(await directory.authenticate(typed, 'wrong'), null, typed);
          }
          const twin = await t.throwsAsync(directory.authenticate('twin@example.com', 'twin'), {
            instanceOf: ApplianceError,
          });
          t.is(twin.code, 'directory.not-one');
          await t.throwsAsync(directory.authenticate('ann@example.com', ''), { message: /empty password/ });
          await directory.decoy();
        });
        const { users } = slapd.config();
        await ask(
          slapd.config({ library, mapping, servers: servers(), users: { ...users, id: 'audio' } }),
          async directory => {
            t.is((await directory.authenticate('ann@example.com', 'magpie-orbit'))?.id, GUID.toString('hex'));
            await t.throwsAsync(directory.authenticate('zoe@example.com', 'wälnut \\2a*)('), {
              message: /has no audio/,
            });
          },
        );
      },
    );
  }

  test.serial(`C-05 ${library} lists everyone by pages, with groups in whatever depth`, async t => {
    const list = await ask(slapd.config({ library, mapping }), directory => directory.list());
    t.is(list.length, people.length);
    const groupsOf = (name: string) => list.find(one => one.name === name)?.groups.length;
    t.deepEqual(
      ['Ann Smith', 'Smith, Zoë = "Z" (*)', 'Extra 1099', 'Extra 3', 'Extra 4'].map(groupsOf),
      [2, 1, 1, 1, 0],
    );
    t.is(new Set(list.map(({ id }) => id)).size, people.length);
  });

  test.serial(`C-05 ${library}: a server that is wrong is told in plain words, and the next one is asked`, async t => {
    const { ldapPort, ldapsPort } = slapd;
    const over = (more: Partial<DirectoryConfig>) => slapd.config({ library, mapping, ...more });
    const stranger = slapd.path('stranger.pem');
    writeFileSync(stranger, new TestAuthority('Directory CA').certificate);
    t.regex(await faultOf(over({ authorities: stranger })), /^directory.certificate .*authority that is not trusted/);
    t.regex(await faultOf(over({ authorities: null })), /^directory.certificate/);
    t.regex(
      await faultOf(over({ servers: [`ldaps://127.0.0.1:${ldapsPort}`] })),
      /^directory.certificate .*another name/,
    );
    t.regex(
      await faultOf(over({ servers: [`ldap://127.0.0.1:${ldapPort}`] })),
      /^directory.certificate .*another name/,
    );
    t.regex(await faultOf(over({ servers: [`ldaps://localhost:${ldapPort}`] })), /^directory\.(tls|ended)/);
    t.regex(await faultOf(over({ servers: ['ldaps://localhost:1'] })), /^directory.not-there .*nobody listens/);
    t.regex(await faultOf(over({ bindDn: 'cn=nobody,dc=example,dc=com' })), /^directory.bind-refused/);
    t.regex(
      await faultOf(over({ users: { ...over({}).users, base: 'ou=none,dc=example,dc=com' } })),
      /result 32: no such entry/,
    );
    const second = ['ldaps://localhost:1', `ldap://localhost:${ldapPort}`];
    t.is(await faultOf(over({ servers: second })), 'let in');
  });
}

test.serial('C-05 the test tells each step, and a password others can read is not used', async t => {
  const servers = [`ldaps://localhost:${slapd.ldapsPort}`, 'ldap://localhost:1'];
  const missing = { group: groupDn('gone'), roles: ['auditor' as const], technicianGroup: null };
  const config = slapd.config({ servers, mapping: [...mapping, missing] });
  const steps = await ask(config, directory => directory.test());
  t.deepEqual(
    steps.map(({ state }) => state),
    [...Array(6).fill('done'), 'failed', ...Array(3).fill('skipped')],
  );
  t.regex(steps[1]?.text ?? '', /TLSv1\.3, TLS_AES_256_GCM_SHA384/);
  t.regex(steps[3]?.text ?? '', /with mail, cn and entryUUID/);
  t.true(steps[4]?.text.endsWith(`not there: ${groupDn('gone')}`));
  t.regex(steps[6]?.text ?? '', /nobody listens there/);
  chmodSync(slapd.path('password'), 0o644);
  t.regex(await faultOf(config), /^directory.password-file .*chmod 600/);
  chmodSync(slapd.path('password'), 0o600);
  t.is(await faultOf(config), 'let in');
});

test('C-05 only a plain yes is a yes to StartTLS: nothing may stand behind it', t => {
  const yes = Buffer.from('300c02010178070a010004000400', 'hex');
  const longForm = Buffer.from('308400000010020101788400000007' + '0a010004000400', 'hex'); // as Active Directory writes it
  for (const answer of [yes, longForm]) {
    for (let cut = 0; cut < answer.length; cut += 1) t.is(readStartTls(answer.subarray(0, cut)), 'more', `${cut}`);
    t.is(readStartTls(answer), 'yes');
    t.is(readStartTls(Buffer.concat([answer, yes])), 'no');
  }
  for (const answer of ['300c02010178070a013504000400', '300c02010278070a010004000400', '16030300', '3080', '308500']) {
    t.is(readStartTls(Buffer.from(answer, 'hex')), 'no', answer);
  }
  t.is(readStartTls(Buffer.from('30847fffffff', 'hex')), 'no');
});

test('C-05 one name, however it is written', t => {
  const [first = '', ...others] = [
    'cn=Zo\u00eb\\, A,ou=people,dc=example',
    'CN = zo\\c3\\ab\\2c a , OU=People; DC=example',
    'cn=Zoe\u0308\\, A,OU=people,dc=Example',
  ].map(normalDn);
  for (const other of others) t.is(other, first);
  t.not(normalDn('cn=a\\,ou=b'), normalDn('cn=a,ou=b'));
  t.not(normalDn('cn=a\\ ,ou=b'), normalDn('cn=a,ou=b'));
  t.is(normalDn(''), '');
  t.is(normalDn('\\'), normalDn('\\5c'));
});

test('C-05 a group that is given in pieces, as Active Directory does, is read whole or not at all', async t => {
  const all = Array.from({ length: 3700 }, (_, n) => `cn=p${n},dc=x`);
  const piece = (from: number, most: number) => {
    const given = all.slice(from, from + most);
    const last = from + given.length >= all.length ? '*' : from + given.length - 1;
    return {
      dn: 'cn=g,dc=x',
      values: new Map([
        ['member', []],
        [`member;range=${from}-${last}`, given.map(one => Buffer.from(one))],
      ]),
    };
  };
  const group = { objectClass: 'group', member: 'member' };
  const asked: LdapQuery[] = [];
  const clientWith = (most: number): LdapClient => ({
    bind: async () => true,
    async *search(query) {
      asked.push(query);
      yield [piece(Number(/range=(\d+)-/.exec(query.attributes[0] ?? '')?.[1]), most)];
    },
    [Symbol.dispose]: () => undefined,
  });
  t.deepEqual(await membersOf(clientWith(1500), piece(0, 1500), group), all);
  t.deepEqual(
    asked.map(({ scope, attributes }) => [scope, ...attributes]),
    [
      ['base', 'member;range=1500-*'],
      ['base', 'member;range=3000-*'],
    ],
  );
  await t.throwsAsync(membersOf(clientWith(0), piece(0, 1500), group), { message: /did not give all members/ });
});

test('C-05 a server that would be spoken to in the clear can’t be set, nor one without a mapping', t => {
  const config = { ...slapdConfig, servers: ['http://localhost'], mapping: [] };
  const error = t.throws(() => parseConfig(JSON.stringify({ version: 1, directory: config })), {
    instanceOf: ApplianceError,
  });
  t.is(error.code, 'config.malformed');
  t.regex(error.message, /directory\.servers\.0: ldaps:\/\/host:port or ldap:\/\/host:port; directory\.mapping:/);
});

const slapdConfig = {
  bindDn: 'cn=a',
  bindPasswordFile: '/etc/appliance/directory-password',
  users: { base: 'dc=x' },
  groups: { base: 'dc=x' },
};

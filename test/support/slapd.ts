// A real slapd (OpenLDAP) of a test's own: a folder, loopback ports, a certificate of the test's authority, and people.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DirectoryConfig } from '../../appliance/config.ts';
import { freePort } from './appliance.ts';
import { TempFolder } from './temp-folder.ts';
import { TestAuthority } from './test-certificates.ts';

export const SERVICE_DN = 'cn=appliance,dc=example,dc=com';
export const SERVICE_PASSWORD = 'reads-people-only';
const PEOPLE = 'ou=people,dc=example,dc=com';
const GROUPS = 'ou=groups,dc=example,dc=com';

export interface SlapdPerson {
  /** Relative name: `Ann Smith`. */
  readonly cn: string;
  readonly mail: string;
  readonly password?: string;
  /** 16 bytes of an id that is not text, as objectGUID; in `audio`. */
  readonly guid?: Buffer;
}

export interface SlapdOptions {
  readonly people: readonly SlapdPerson[];
  /** Names of people and groups (`@name`) in each group. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Names in the certificate; localhost unless told. */
  readonly names?: readonly string[];
}

export class Slapd implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly authority = new TestAuthority('Directory CA');
  ldapPort = 0;
  ldapsPort = 0;
  #process: ChildProcess | null = null;

  static async start(options: SlapdOptions): Promise<Slapd> {
    const slapd = new Slapd();
    slapd.#write(options);
    [slapd.ldapPort, slapd.ldapsPort] = [await freePort(), await freePort()];
    await slapd.resume();
    return slapd;
  }

  path(...names: string[]): string {
    return join(this.folder.path, ...names);
  }

  /** As in appliance.yaml. */
  config(over: Partial<DirectoryConfig> = {}): DirectoryConfig {
    return {
      servers: [`ldaps://localhost:${this.ldapsPort}`],
      library: 'ldapjs',
      authorities: this.path('ca.pem'),
      bindDn: SERVICE_DN,
      bindPasswordFile: this.path('password'),
      timeoutSeconds: 5,
      users: { base: PEOPLE, objectClass: 'inetOrgPerson', loginId: 'mail', name: 'cn', id: 'entryUUID' },
      groups: { base: GROUPS, objectClass: 'groupOfNames', member: 'member' },
      createMembers: true,
      syncHours: 0,
      mapping: [{ group: groupDn('support'), roles: ['technician'], technicianGroup: null }],
      ...over,
    };
  }

  /** Changes it while it runs: LDIF for ldapmodify. */
  modify(ldif: string): void {
    const args = [
      '-x',
      '-H',
      `ldap://127.0.0.1:${this.ldapPort}`,
      '-D',
      'cn=root,dc=example,dc=com',
      '-w',
      'root-password',
    ];
    execFileSync('ldapmodify', args, { input: ldif, stdio: ['pipe', 'ignore', 'pipe'] });
  }

  async resume(): Promise<void> {
    const urls = `ldap://127.0.0.1:${this.ldapPort} ldaps://127.0.0.1:${this.ldapsPort}`;
    const slapd = spawn('/usr/sbin/slapd', ['-f', this.path('slapd.conf'), '-h', urls, '-d', 'stats'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = slapd;
    const lines = createInterface({ input: slapd.stderr });
    const told: string[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    lines.on('line', line => {
      if (told.length < 50) told.push(line);
      if (line.includes('slapd starting')) resolve();
    });
    slapd.once('exit', () => reject(new Error(`slapd ended: ${told.join('\n')}`)));
    await promise;
    for (const port of [this.ldapPort, this.ldapsPort]) await listening(port); // it says so a moment before it does
  }

  async stop(): Promise<void> {
    const slapd = this.#process;
    if (slapd === null) return;
    this.#process = null;
    slapd.removeAllListeners('exit');
    const exited = once(slapd, 'exit');
    slapd.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.folder[Symbol.dispose]();
  }

  #write({ people, groups, names = ['localhost'] }: SlapdOptions): void {
    const pair = this.authority.issue({ names });
    const files = { 'ca.pem': this.authority.certificate, 'cert.pem': pair.certificate, 'key.pem': pair.key };
    for (const [name, text] of Object.entries({ ...files, password: `${SERVICE_PASSWORD}\n` })) {
      writeFileSync(this.path(name), text, { mode: 0o600 });
    }
    mkdirSync(this.path('data'));
    writeFileSync(this.path('slapd.conf'), this.#conf());
    writeFileSync(this.path('data.ldif'), toLdif(people, groups));
    execFileSync('/usr/sbin/slapadd', ['-q', '-f', this.path('slapd.conf'), '-l', this.path('data.ldif')], {
      stdio: 'pipe',
    });
  }

  #conf(): string {
    const schemas = ['core', 'cosine', 'inetorgperson'].map(name => `include /etc/ldap/schema/${name}.schema`);
    return [
      ...schemas,
      'modulepath /usr/lib/ldap',
      'moduleload back_mdb',
      `pidfile ${this.path('slapd.pid')}`,
      `TLSCACertificateFile ${this.path('ca.pem')}`,
      `TLSCertificateFile ${this.path('cert.pem')}`,
      `TLSCertificateKeyFile ${this.path('key.pem')}`,
      'sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited', // more come by paging alone
      'database mdb',
      'suffix "dc=example,dc=com"',
      'rootdn "cn=root,dc=example,dc=com"',
      'rootpw root-password',
      `directory ${this.path('data')}`,
      'maxsize 268435456',
      'dbnosync',
      'index objectClass,mail,member,entryUUID eq',
      'access to attrs=userPassword by anonymous auth by * none',
      `access to * by dn.exact="${SERVICE_DN}" read by * none`,
      '',
    ].join('\n');
  }
}

export function personDn(cn: string): string {
  return `cn=${cn.replace(/[,+"\\<>;=]/g, one => `\\${one}`)},${PEOPLE}`;
}

export function groupDn(name: string): string {
  return `cn=${name},${GROUPS}`;
}

function toLdif(people: readonly SlapdPerson[], groups: SlapdOptions['groups']): string {
  const entry = (dn: string, ...lines: (readonly [string, string | Buffer])[]) =>
    [['dn', dn] as const, ...lines]
      .map(([name, value]) => `${name}:: ${Buffer.from(value as string).toString('base64')}`)
      .join('\n');
  const unit = (name: string) =>
    entry(`ou=${name},dc=example,dc=com`, ['objectClass', 'organizationalUnit'], ['ou', name]);
  const dnOf = (name: string) => (name.startsWith('@') ? groupDn(name.slice(1)) : personDn(name));
  const domain = [
    ['objectClass', 'dcObject'],
    ['objectClass', 'organization'],
    ['o', 'Example'],
  ] as const;
  const service = [
    ['objectClass', 'person'],
    ['cn', 'appliance'],
    ['sn', 'appliance'],
    ['userPassword', SERVICE_PASSWORD],
  ] as const;
  const entries = [
    entry('dc=example,dc=com', ...domain),
    unit('people'),
    unit('groups'),
    entry(SERVICE_DN, ...service),
  ];
  for (const { cn, mail, password, guid } of people) {
    const secret = password === undefined ? [] : [['userPassword', password] as const];
    const binary = guid === undefined ? [] : [['audio', guid] as const];
    entries.push(
      entry(
        personDn(cn),
        ['objectClass', 'inetOrgPerson'],
        ['cn', cn],
        ['sn', 'x'],
        ['mail', mail],
        ...secret,
        ...binary,
      ),
    );
  }
  for (const [name, members] of Object.entries(groups)) {
    entries.push(
      entry(
        groupDn(name),
        ['objectClass', 'groupOfNames'],
        ['cn', name],
        ...members.map(one => ['member', dnOf(one)] as const),
      ),
    );
  }
  return `${entries.join('\n\n')}\n`;
}

/** Resolves when a connection is taken there. */
async function listening(port: number): Promise<void> {
  for (let isTaken = false; !isTaken; ) {
    const socket = connect({ port, host: '127.0.0.1' });
    isTaken = await new Promise(resolve => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
  }
}

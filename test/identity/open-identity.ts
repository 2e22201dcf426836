import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Actor, applianceActor } from '../../appliance/audit/entry.ts';
import { type DirectoryConfig, parseConfig } from '../../appliance/config.ts';
import { Identity } from '../../appliance/identity/identity.ts';
import { JudgeThread } from '../../appliance/identity/judge-thread.ts';
import type { IssuedLogin } from '../../appliance/identity/login.ts';
import type { Member, Role } from '../../appliance/identity/member.ts';
import { PasswordHasher } from '../../appliance/identity/password-hasher.ts';
import { createLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { openTestAudit, type TestAudit } from '../support/audit.ts';

export const PASSWORD = 'magpie-orbit-cellar-41';
export const NEXT_PASSWORD = 'walnut-trumpet-sleigh-77';
export const MINUTE_MS = 60_000;
export const ORIGIN = 'https://support.example.com';
export const SECOND_ORIGIN = 'https://help.example.com:8443';

/** Word lists are read once for all tests of a file. */
const judge = new JudgeThread();

/** The real hasher; lets a test act in the time a slow hash takes. */
class PausingHasher extends PasswordHasher {
  pause: () => Promise<void> = () => Promise.resolve();

  override async verify(password: string, stored: string): Promise<boolean> {
    const isRight = await super.verify(password, stored);
    await this.pause();
    return isRight;
  }
}

export interface TestIdentity extends TestAudit {
  readonly identity: Identity;
  readonly metrics: Metrics;
  /** Lines of the log for IT. */
  readonly lines: string[];
  /** What `afterVerify` is set to happens once, between the next hash and what is made of it. */
  readonly hooks: { afterVerify: (() => Promise<unknown>) | null };
  /** How many password hashes were computed. */
  hashes(): number;
  /** A master admin, there from the start. */
  readonly root: Member;
  readonly asRoot: Actor;
  /** A member with PASSWORD, who need not change it. */
  member(loginId: string, roles?: readonly Role[]): Promise<Member>;
  /** Gives an admin the whole tree, or parts of it. */
  giveParts(adminId: string, groupIds?: readonly string[]): Promise<void>;
  /** From a source of its own, so that only the rule under test limits it. */
  signIn(loginId: string, password?: string): Promise<IssuedLogin>;
  /** Events of the audit log, with reason or stage where there is one. */
  events(prefix?: string): Promise<string[]>;
}

/** Identity on a real store and log; only the price of a hash is lower. */
export async function openTestIdentity({
  log2N = 4,
  directory = null,
}: {
  log2N?: number;
  directory?: DirectoryConfig | null;
} = {}): Promise<TestIdentity> {
  const hooks: { afterVerify: (() => Promise<unknown>) | null } = { afterVerify: null };
  const at = await openTestAudit();
  const metrics = new Metrics();
  const lines: string[] = [];
  const log = createLog('test', { least: 'debug', write: line => lines.push(line) });
  const config = parseConfig('version: 1').login;
  const hasher = new PausingHasher(metrics, log2N);
  hasher.pause = async () => {
    const { afterVerify } = hooks;
    hooks.afterVerify = null;
    await afterVerify?.();
  };
  const options = { store: at.store, audit: at.audit, clock: at.clock, log, metrics, config, hasher, judge, directory };
  const identity = new Identity({ ...options, organisation: 'Kestrel Works', origins: [ORIGIN, SECOND_ORIGIN] });
  const create = async (loginId: string, roles: readonly Role[]) =>
    (await identity.members.create(applianceActor, { loginId, name: `${loginId} name`, roles, password: PASSWORD }))
      .member;
  const root = await create('root', ['master-admin']);
  let sources = 0;
  return {
    ...at,
    identity,
    hooks,
    metrics,
    lines,
    hashes: () => Number(/identity_password_hashes_total (\d+)/.exec(metrics.text())?.[1] ?? 0),
    root,
    asRoot: { kind: 'member', id: root.id, name: root.name, address: '192.0.2.1' },
    member: (loginId, roles = ['technician']) => create(loginId, roles),
    giveParts: (adminId, groupIds = [ROOT_GROUP_ID]) =>
      identity.groups.setParts({ actor: applianceActor, roles: ['master-admin'] }, adminId, groupIds),
    signIn: (loginId, password = PASSWORD) => {
      sources += 1;
      const source = `198.51.${Math.floor(sources / 250)}.${sources % 250}`;
      return identity.logins.signIn({ loginId, password, source, userAgent: 'test browser' });
    },
    events: async (prefix = '') => {
      const entries = (await at.entries()).filter(entry => entry.event.startsWith(prefix));
      return entries.map(({ event, detail }) => [event, detail.reason ?? detail.stage].filter(Boolean).join(' '));
    },
    close: async () => {
      await identity.close();
      await at.close();
    },
  };
}

export function asMember({ id, name }: Member): Actor {
  return { kind: 'member', id, name, address: '192.0.2.9' };
}

/** The code an authenticator app would show: oathtool is another's implementation of RFC 6238. */
export async function codeOf(secret: string, at: number): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run('oathtool', ['--totp', '-b', secret, '-N', `@${Math.floor(at / 1000)}`]);
  return stdout.trim();
}

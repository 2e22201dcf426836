// Who one is: members, passwords, the second step, logins. Puts the parts together; the portal gets this.
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { ApplianceConfig, DirectoryConfig } from '../config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { Groups } from '../permissions/groups.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { AllowLists } from './allow-lists.ts';
import { requireMayPut as mayPut } from './authority.ts';
import { DirectoryDoor } from './directory-door.ts';
import { DirectoryMembers } from './directory-members.ts';
import { DirectoryThreads } from './directory-threads.ts';
import { JudgeThread } from './judge-thread.ts';
import { LockOut } from './lock-out.ts';
import { LoginBook } from './login-book.ts';
import { LoginLimiter } from './login-limiter.ts';
import { Logins } from './logins.ts';
import { MemberExchange } from './member-exchange.ts';
import { findMember } from './member-store.ts';
import { Members } from './members.ts';
import { PasskeyCheck } from './passkey-check.ts';
import { Passkeys } from './passkeys.ts';
import { PasswordHasher } from './password-hasher.ts';
import { Passwords } from './passwords.ts';
import { SamlDoor } from './saml-door.ts';
import { SamlIdps } from './saml-idps.ts';
import { SamlMembers } from './saml-members.ts';
import { SsoRules } from './saml-rule.ts';
import { SamlService } from './saml-service.ts';
import { SecondStep } from './second-step.ts';
import { SettingsAccounts } from './settings-accounts.ts';
import { SettingsLogins } from './settings-logins.ts';
import { StepUp } from './step-up.ts';
import { TwoStep } from './two-step.ts';

export interface IdentityOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly config: ApplianceConfig['login'];
  /** Of our pages, for passkeys: `https://support.example.com`. */
  readonly origins?: readonly string[];
  /** The directory whose people may sign in too; none unless told. */
  readonly directory?: DirectoryConfig | null;
  /** Shown by authenticator apps; a password made of it is weak. */
  readonly organisation?: string;
  /** Cheaper hashes, in tests of what is not the hash. */
  readonly hasher?: PasswordHasher;
  /** A thread that is there already; whoever made it closes it. */
  readonly judge?: JudgeThread;
}

export class Identity {
  readonly members: Members;
  readonly exchange: MemberExchange;
  readonly logins: Logins;
  readonly passwords: Passwords;
  readonly twoStep: TwoStep;
  readonly passkeys: Passkeys;
  readonly stepUp: StepUp;
  /** Where the directory puts technicians; the same that support shows. */
  readonly groups: Groups;
  readonly directory: DirectoryDoor | null;
  readonly allowLists: AllowLists;
  readonly singleSignOn: SamlDoor;
  /** Its settings. */
  readonly idps: SamlIdps;
  readonly ssoRules: SsoRules;
  /** Not members: who sets the appliance up. */
  readonly settingsAccounts: SettingsAccounts;
  readonly #ownJudge: JudgeThread | null;

  constructor({ store, audit, clock, log, metrics, config, ...options }: IdentityOptions) {
    const { organisation = '', origins = [], hasher = new PasswordHasher(metrics) } = options;
    const judge = options.judge ?? new JudgeThread();
    this.#ownJudge = options.judge === undefined ? judge : null;
    const base = { store, audit, clock, log };
    const book = new LoginBook(base);
    const lockOut = new LockOut({ audit, clock, metrics, rules: config });
    const limiter = new LoginLimiter(metrics, config.lockAfterFailures);
    const secondStep = new SecondStep(clock, audit);
    const passkeyCheck = new PasskeyCheck({ ...base, origins });
    const parts = { ...base, book, lockOut, hasher, secondStep, passkeyCheck };
    const allowLists = new AllowLists({ ...base, book });
    this.allowLists = allowLists;
    const memberOf = async (tx: Transaction, id: string) => (await findMember(tx, id))?.member;
    const stays = (tx: Transaction, actor: Actor) => allowLists.requireActorIn(tx, actor);
    this.groups = new Groups({ ...base, memberOf, stays, mayPut });
    this.directory = openDirectory(options.directory ?? null, { ...parts, groups: this.groups, metrics });
    const { directory } = this;
    const stepUp = new StepUp({ ...parts, directory });
    this.stepUp = stepUp;
    const ssoRules = new SsoRules(parts);
    this.ssoRules = ssoRules;
    const service = new SamlService(origins[0] ?? 'https://localhost', store, clock);
    const samlMembers = new SamlMembers({ ...parts, groups: this.groups, ssoRules });
    this.singleSignOn = new SamlDoor({ ...parts, limiter, allowLists, stepUp, members: samlMembers, service });
    this.idps = new SamlIdps({ ...parts, ssoRules });
    const shared = { ...parts, stepUp, allowLists, ssoRules, organisation };
    const passwords = new Passwords({ ...shared, judge });
    this.passwords = passwords;
    this.members = new Members({ ...shared, passwords });
    this.exchange = new MemberExchange({ ...shared, members: this.members, groups: this.groups });
    this.twoStep = new TwoStep({ ...shared, passwords });
    this.passkeys = new Passkeys({ ...shared, passwords });
    const settingsLogins = new SettingsLogins({ ...parts, limiter, rules: config });
    this.settingsAccounts = new SettingsAccounts({ ...shared, passwords, logins: settingsLogins });
    this.logins = new Logins({ ...shared, limiter, passwords, rules: config, directory });
  }

  async close(): Promise<void> {
    await this.logins.close();
    await this.directory?.close();
    await this.#ownJudge?.close();
  }
}

type DirectoryParts = Omit<ConstructorParameters<typeof DirectoryMembers>[0], 'config'> & { readonly metrics: Metrics };

function openDirectory(config: DirectoryConfig | null, parts: DirectoryParts): DirectoryDoor | null {
  if (config === null) return null;
  const members = new DirectoryMembers({ ...parts, config });
  return new DirectoryDoor({ ...parts, config, directory: new DirectoryThreads(config, parts.metrics), members });
}

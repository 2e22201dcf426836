// `node appliance/bin/demo-accounts.ts --data DIR`: an account per role with a random password, printed once as JSON.
// For `packaging/run --demo`, before the portal starts. Setup is done with it: its one-time code is removed.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { Identity } from '../identity/identity.ts';
import type { Role } from '../identity/member.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { ROOT_GROUP_ID } from '../permissions/group-store.ts';
import { SETUP_CODE_FILE } from '../pki/make-keys.ts';
import { readStoreKeys } from '../pki/store-keys.ts';
import { SessionFacts } from '../sessions/session-facts.ts';
import { Store } from '../store/store.ts';

const accounts: Record<Role, string> = {
  'master-admin': 'Demo master admin',
  admin: 'Demo admin',
  technician: 'Demo technician',
  auditor: 'Demo auditor',
};
const source = { source: '127.0.0.1', userAgent: 'demo-accounts' };

/** Makes the account, or gives the one of an earlier demo a new password. @returns what to sign in with */
async function settle(identity: Identity, role: Role, name: string): Promise<{ loginId: string; password: string }> {
  const loginId = `${role}@demo.example`;
  const password = randomBytes(15).toString('base64url');
  const member = await identity.members.findByLoginId(loginId);
  if (member === undefined) {
    await identity.members.create(applianceActor, { loginId, name, roles: [role], password });
    return { loginId, password };
  }
  // As a member would: sign in with the temporary password, then change it.
  const { temporaryPassword } = await identity.members.resetPassword(applianceActor, member.id);
  const { login } = await identity.logins.signIn({ loginId, password: temporaryPassword, ...source });
  const changed = await identity.passwords.change(login, { current: temporaryPassword, next: password, ...source });
  await identity.logins.signOut(changed.token);
  return { loginId, password };
}

/** Of the settings: no member, so no role. */
async function settleSettings({ settingsAccounts }: Identity): Promise<{ loginId: string; password: string }> {
  const name = 'settings@demo.example';
  const password = randomBytes(15).toString('base64url');
  const code = await settingsAccounts.makeLink();
  await settingsAccounts.openLink(code, { name, password, source: source.source });
  return { loginId: name, password };
}

function signLater(): Promise<never> {
  return Promise.reject(new ApplianceError('unavailable', 'signer.stopped', 'the signer signs at the next start'));
}

async function run(dataFolder: string): Promise<void> {
  const config = readConfig(dataFolder);
  const log = createLog('demo-accounts', { least: 'error', write: line => process.stderr.write(line) });
  const shared = { clock: systemClock, log, metrics: new Metrics() };
  const store = await Store.open({
    folder: join(dataFolder, 'store'),
    keys: readStoreKeys(dataFolder),
    migrations: join(import.meta.dirname, '../../migrations'),
    ...shared,
  });
  const audit = new AuditLog({
    sessions: new SessionFacts(store),
    store,
    signer: { signLogHead: signLater },
    config: config.audit,
    ...shared,
  });
  await audit.start();
  const identity = new Identity({ store, audit, config: config.login, ...shared });
  try {
    const made: [string, { loginId: string; password: string }][] = [];
    for (const [role, name] of Object.entries(accounts)) {
      made.push([role, await settle(identity, role as Role, name)]);
    }
    made.push(['settings', await settleSettings(identity)]);
    const admin = await identity.members.findByLoginId('admin@demo.example');
    const editor = { actor: applianceActor, roles: ['master-admin'] as const };
    await identity.groups.setParts(editor, admin?.id ?? '', [ROOT_GROUP_ID]); // an admin without a part changes nothing
    rmSync(join(dataFolder, 'keys', SETUP_CODE_FILE), { force: true });
    process.stdout.write(`${JSON.stringify(Object.fromEntries(made))}\n`);
  } finally {
    await identity.close();
    await audit.close();
    await store.close();
  }
}

try {
  const { values } = parseArgs({ options: { data: { type: 'string', default: '.data' } } });
  await run(resolve(values.data));
} catch (error) {
  process.stderr.write(`demo-accounts: ${describeError(error)}\n`);
  process.exitCode = 1;
}

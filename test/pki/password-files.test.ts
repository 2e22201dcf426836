// Where a file with another machine's password may be: nothing else of the appliance's user is ever sent to a server.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseConfig } from '../../appliance/config.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { CREDENTIALS, checkPasswordFiles, checkPrivatePassword } from '../../appliance/pki/password-files.ts';
import { TempFolder } from '../support/temp-folder.ts';

const KEPT = 'mail-password-0123456789abcdef';

function open(t: ExecutionContext) {
  const folder = new TempFolder();
  t.teardown(() => folder[Symbol.dispose]());
  const at = (...names: string[]) => join(folder.path, 'data', ...names);
  const lay = (path: string, mode = 0o600) => {
    writeFileSync(path, 'one line\n', { mode });
    chmodSync(path, mode);
    return path;
  };
  for (const name of ['keys', 'secrets/below', 'day-keys', 'secrets-old']) mkdirSync(at(name), { recursive: true });
  mkdirSync(join(folder.path, 'credentials'));
  const verdict = (passwordFile: string) => {
    const mail = { host: 'mail.example.com', from: 'a@example.com', to: ['a@example.com'], passwordFile };
    return faultOf(() => checkPasswordFiles(at(), parseConfig(JSON.stringify({ version: 1, alerts: { mail } }))));
  };
  return { folder: folder.path, at, lay, verdict };
}

function faultOf(act: () => void): string {
  try {
    act();
    return 'taken';
  } catch (error) {
    if (error instanceof ApplianceError) return `${error.code} ${error.message} ${error.hint}`;
    throw error;
  }
}

test.serial(
  'A-05 B-05 attack: a password file is in keys, secrets or where systemd lays it, and no path or link leads elsewhere',
  t => {
    const { folder, at, lay, verdict } = open(t);
    t.is(verdict(lay(at('keys', KEPT))), 'taken');
    t.is(verdict(lay(at('secrets', 'mail'))), 'taken');
    t.is(verdict(lay(at('secrets', 'below', 'mail'))), 'taken');
    t.is(verdict(at('secrets', 'not-there-yet')), 'taken');
    symlinkSync(at('secrets', 'below'), at('secrets', 'within'));
    t.is(verdict(at('secrets', 'within', 'mail')), 'taken');
    for (const name of ['store.key', 'directory-password-0123456789abcdef', 'mail-password-x'])
      t.regex(verdict(lay(at('keys', name))), /^config\.key-as-password/, name);
    const key = lay(join(folder, 'id_ed25519'));
    symlinkSync(key, at('secrets', 'link'));
    symlinkSync(folder, at('secrets', 'out'));
    symlinkSync(at('keys', 'store.key'), at('secrets', 'key'));
    t.regex(verdict(at('secrets', 'key')), /^config\.key-as-password/);
    const stolen = [
      key,
      at('secrets', 'link'),
      at('secrets', 'out', 'id_ed25519'),
      at('secrets', '..', 'appliance.yaml'),
    ];
    const others = [
      at('secrets'),
      at('secrets-old', 'mail'),
      at('day-keys', '20260601.key'),
      '/proc/self/environ',
      '/',
    ];
    for (const path of [...stolen, ...others]) t.regex(verdict(path), /^config\.password-place/, path);
  },
);

test.serial('A-05 B-05 attack: a folder secrets that is itself a link leads nowhere', t => {
  const { folder, at, lay, verdict } = open(t);
  mkdirSync(join(folder, 'other'));
  mkdirSync(join(folder, 'other', 'keys'));
  symlinkSync(at(), join(folder, 'other', 'secrets'));
  lay(at('day-keys', '20260601.key'));
  const stolen = join(folder, 'other', 'secrets', 'day-keys', '20260601.key');
  const mail = { host: 'mail.example.com', from: 'a@example.com', to: ['a@example.com'], passwordFile: stolen };
  const config = parseConfig(JSON.stringify({ version: 1, alerts: { mail } }));
  t.regex(
    faultOf(() => checkPasswordFiles(join(folder, 'other'), config)),
    /^config\.password-place/,
  );
  t.regex(verdict('/etc/appliance/mail-password'), /\/etc\/appliance\/mail-password is not where .*data\/secrets /);
});

test.serial('A-05 what systemd lays is taken as it lays it, where it says so', t => {
  const { folder, lay, verdict } = open(t);
  const laid = lay(join(folder, 'credentials', 'mail'), 0o440); // of root, with an access list for the user
  t.regex(verdict(laid), /^config\.password-place/);
  t.regex(
    faultOf(() => checkPrivatePassword(laid)),
    /^keys\.exposed/,
  );
  process.env[CREDENTIALS] = join(folder, 'credentials');
  t.teardown(() => Reflect.deleteProperty(process.env, CREDENTIALS));
  t.is(verdict(laid), 'taken');
  t.is(
    faultOf(() => checkPrivatePassword(laid)),
    'taken',
  );
  t.regex(verdict('/etc/appliance/mail-password'), /LoadCredential= in .*credentials/);
  chmodSync(laid, 0o444);
  t.regex(
    faultOf(() => checkPrivatePassword(laid)),
    /^keys\.exposed/,
  );
});

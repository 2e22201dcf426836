import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ROOT } from '../support/appliance.ts';
import { runBin } from '../support/run-bin.ts';
import { TempFolder } from '../support/temp-folder.ts';

interface Finding {
  readonly check: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly detail: string;
}

function examine(dataFolder: string): { code: number | null; of: (check: string) => Finding | undefined } {
  const args = ['appliance/bin/doctor.ts', '--data', dataFolder, '--json'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  const { findings }: { findings: Finding[] } = JSON.parse(stdout);
  return { code: status, of: check => findings.find(finding => finding.check === check) };
}

test('A-03, B-05 the doctor proves runtime and encryption, and finds an exposed key and a changed page', async t => {
  using folder = new TempFolder();
  t.is(examine(folder.path).of('data folder')?.verdict, 'warn');
  copyFileSync(join(ROOT, 'config', 'appliance.yaml'), join(folder.path, 'appliance.yaml'));
  await runBin('make-keys', folder.path);
  await runBin('demo-accounts', folder.path);

  const healthy = examine(folder.path);
  t.is(healthy.code, 0);
  for (const check of [
    'runtime',
    'runtime binary',
    'encryption',
    'configuration',
    'key files',
    'password files',
    'store',
    'tool openssl',
  ]) {
    t.is(healthy.of(check)?.verdict, 'ok', check);
  }
  t.regex(healthy.of('encryption')?.detail ?? '', /^SQLCipher 4\..*wrong key refused/);
  t.regex(healthy.of('signer apart')?.detail ?? '', /share one user/); // the honest limit

  chmodSync(join(folder.path, 'keys', 'ca.key'), 0o644);
  const exposed = examine(folder.path);
  t.is(exposed.code, 1);
  t.regex(exposed.of('key files')?.detail ?? '', /ca\.key can be read by other users/);
  chmodSync(join(folder.path, 'keys', 'ca.key'), 0o600);

  const store = join(folder.path, 'store', 'core.db');
  const at = 4096 * 2 + 100;
  const changed = (readFileSync(store)[at] ?? 0) ^ 1;
  writeSync(openSync(store, 'r+'), Uint8Array.of(changed), 0, 1, at);
  t.is(examine(folder.path).of('store')?.verdict, 'fail');
});

test('A-03 A-05 the doctor finds a password where none may be, and one that others read; what systemd lays it can’t see, and says so', t => {
  using folder = new TempFolder();
  const verdictOn = (passwordFile: string) => {
    const mail = { host: 'mail.example.com', from: 'a@example.com', to: ['a@example.com'], passwordFile };
    writeFileSync(join(folder.path, 'appliance.yaml'), JSON.stringify({ version: 1, alerts: { mail } }));
    const { verdict, detail = '' } = examine(folder.path).of('password files') ?? {};
    return `${verdict}: ${detail}`;
  };
  t.regex(
    verdictOn('/etc/appliance/mail-password'),
    /^fail: .*mail-password is not where a password file may be\..*alerts\.mail\.passwordFile: it may be in .*secrets/,
  );
  t.regex(
    verdictOn('/run/credentials/remote-support.service/mail'),
    /^warn: alerts\.mail\.passwordFile.*\$CREDENTIALS_DIRECTORY can’t be seen from a shell/,
  );
  mkdirSync(join(folder.path, 'secrets'));
  const laid = join(folder.path, 'secrets', 'mail');
  writeFileSync(laid, 'one line\n');
  chmodSync(laid, 0o644);
  t.regex(verdictOn(laid), /^fail: .*can be read by other users/);
});

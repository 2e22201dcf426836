import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, openSync, readFileSync, writeSync } from 'node:fs';
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

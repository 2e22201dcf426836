// An auditor takes the evidence bundle of a session and verifies it where there is no appliance: by the page in it, opened from
// his disk, and by the command.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { dataOf, readZip } from '../../appliance/protocol/zip.ts';
import { signInAs } from '../portal/ask-as.ts';
import { type Appliance, ROOT } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { look } from './portal-steps.ts';

/** @param id of a session with one finished recording */
export async function verifiesEvidence(t: ExecutionContext, appliance: Appliance, id: string): Promise<void> {
  using folder = new TempFolder();
  const [zip, tampered, key] = ['bundle.zip', 'tampered.zip', 'manifest.pub'].map(name => join(folder.path, name));
  const headers = { cookie: await signInAs(appliance, appliance.accounts?.auditor) };
  const taken = await appliance.fetch(`/auditor/sessions/${id}/evidence.zip`, { headers });
  t.is(taken.status, 200);
  writeFileSync(zip ?? '', taken.body);
  writeFileSync(key ?? '', (await appliance.fetch('/auditor/manifest.pub', { headers })).body);
  const contents = await contentsOf(new Uint8Array(taken.body));
  t.true(contents.has('recording-1.rcrec'));
  const changed = Buffer.from(taken.body);
  const film = contents.get('recording-1.rcrec')?.at ?? 0;
  changed[film + 1000] = (changed[film + 1000] ?? 0) ^ 1;
  writeFileSync(tampered ?? '', changed);
  const page = join(folder.path, 'verify.html');
  writeFileSync(page, contents.get('verify.html')?.bytes ?? '');
  t.regex(await command(zip ?? '', key ?? ''), /^Everything holds/m);
  t.regex(await command(tampered ?? '', key ?? ''), /^WRONG recording-1\.rcrec: it was changed/m);
  await onThePage(t, appliance, { page, key: key ?? '', zip: zip ?? '', tampered: tampered ?? '' });
}

type Files = Record<'page' | 'key' | 'zip' | 'tampered', string>;

async function onThePage(t: ExecutionContext, appliance: Appliance, files: Files): Promise<void> {
  await using browser = await openBrowser(appliance);
  const { page } = browser;
  await page.goto(pathToFileURL(files.page).href);
  await page.getByLabel('The zip').setInputFiles(files.zip);
  await page.getByText('whose it is is not known').waitFor();
  await page.getByLabel('Key file').setInputFiles(files.key);
  await page.getByRole('heading', { name: 'Everything holds' }).waitFor();
  await page.getByText('1 recording: what is signed of it').waitFor();
  await look(t, browser, 'verifier-holds');
  await page.getByLabel('The zip').setInputFiles(files.tampered);
  await page.getByText('recording-1.rcrec: it was changed').waitFor();
  await look(t, browser, 'verifier-tampered');
  await page.getByLabel('The zip').setInputFiles(files.zip);
  await page.getByRole('heading', { name: 'Everything holds' }).waitFor();
  const digits = 'ab'.repeat(32);
  await page.getByLabel('or fingerprint').fill(digits);
  await page.getByLabel('or fingerprint').press('Tab');
  await page.getByText('not by the one you trust').waitFor();
  await page.getByText(`You trusted the key ${digits}`).waitFor();
  t.deepEqual(browser.complaints, []);
  t.regex(readFileSync(files.page, 'utf8'), /default-src 'none'; script-src 'sha256-/);
}

async function command(zip: string, key: string): Promise<string> {
  const args = ['appliance/bin/verify-bundle.ts', zip, '--key', key];
  const run = promisify(execFile)(process.execPath, args, { cwd: ROOT });
  return (await run.catch((failed: { stdout: string }) => failed)).stdout;
}

async function contentsOf(zip: Uint8Array<ArrayBuffer>) {
  const read = async (offset: number, length: number) => zip.slice(offset, offset + length);
  const { entries } = await readZip({ size: zip.length, read });
  return new Map(
    entries.map(entry => {
      const at = dataOf(entry);
      return [entry.name, { at, bytes: zip.slice(at, at + entry.bytes) }];
    }),
  );
}

// The applets as a running appliance makes them: ordered, built by the signer's child, downloaded over TLS.
import { execFile } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { readOwnTag } from '../../appliance/applet/own-tag.ts';
import { readConfig } from '../../appliance/config.ts';
import { publicKeyInfo } from '../../appliance/pki/signature.ts';
import { SignerClient } from '../../appliance/pki/signer-client.ts';
import { writeAppletOrder } from '../../packaging/applet/order.ts';
import { ensureTemplate } from '../../packaging/applet/template.ts';
import { own, post, signInAs } from '../portal/ask-as.ts';
import { type Appliance, ROOT, startAppliance } from '../support/appliance.ts';
import { TempFolder } from '../support/temp-folder.ts';

const LOOK_EVERY_MS = 100;
/** Of the time the build takes, however busy the machine is; in itself a signature takes a few ms. */
const MOST_OF_BUILD = 0.15;

/** Waits until both programs are there, asking for a signature all the while. */
async function slowestSignatureUntilBuilt({ dataFolder }: Appliance) {
  const began = performance.now();
  const signer = new SignerClient({ socketPath: join(dataFolder, 'run/signer.sock') });
  let [slowestMs, asked] = [0, 0];
  const isBuilt = () =>
    ['support', 'support.exe'].every(name => existsSync(join(dataFolder, 'applet', `${name}.json`)));
  while (!isBuilt()) {
    const from = performance.now();
    await signer.signManifest({ asked });
    slowestMs = Math.max(slowestMs, performance.now() - from);
    asked++;
    await new Promise(done => setTimeout(done, LOOK_EVERY_MS));
  }
  signer.close();
  return { slowestMs, asked, builtMs: performance.now() - began };
}

async function invite(appliance: Appliance): Promise<string> {
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  const headers = { ...own(appliance), cookie, 'content-type': 'application/json', accept: 'application/json' };
  const body = JSON.stringify({ customerName: 'Carl', language: null });
  const made = await appliance.fetch('/technician/api/sessions', { method: 'POST', headers, body });
  return (made.json() as { link: string }).link.replace(appliance.url, '');
}

test('F-01 F-03 ordered, built and signed by the signer while it signs other things, and downloaded by a link', async t => {
  t.timeout(280_000);
  const template = await ensureTemplate(ROOT, line => t.log(line));
  await using appliance = await startAppliance({ accounts: true });
  const { dataFolder } = appliance;
  const link = await invite(appliance);
  t.regex((await appliance.fetch(link)).text(), /being prepared/);

  const config = readConfig(dataFolder);
  writeAppletOrder(dataFolder, config, template);
  const { slowestMs, asked, builtMs } = await slowestSignatureUntilBuilt(appliance);
  t.log(`${asked} signatures in ${builtMs.toFixed(0)} ms, the slowest took ${slowestMs.toFixed(1)} ms`);
  t.true(asked > 5);
  t.true(slowestMs < builtMs * MOST_OF_BUILD, `${slowestMs} of ${builtMs} ms`);
  t.deepEqual(
    readdirSync(join(dataFolder, 'applet')).filter(name => name.startsWith('.build')),
    [],
  );
  t.notRegex((await appliance.fetch(link)).text(), /being prepared/);

  using folder = new TempFolder();
  const run = promisify(execFile);
  const tagKey = publicKeyInfo(createPublicKey(readFileSync(join(dataFolder, 'public/tag.pub'))));
  const ca = join(dataFolder, 'public/ca.crt');
  for (const platform of ['linux-x64', 'win-x64'] as const) {
    const answer = await post(appliance, `${link}/download`, { platform });
    t.is(answer.status, 200);
    const path = join(folder.path, platform);
    writeFileSync(path, answer.body);
    t.not(readOwnTag(path, { platform, keys: [tagKey.spki], now: Date.now() }).tag, null);
    if (platform === 'win-x64') {
      await t.notThrowsAsync(run('osslsigncode', ['verify', '-CAfile', ca, '-in', path]));
    } else {
      // As the help page tells IT to do it.
      writeFileSync(`${path}.signed`, answer.body.subarray(0, -94));
      const signature = ['-inform', 'DER', '-in', join(dataFolder, 'applet/support.p7s'), '-content', `${path}.signed`];
      const rest = ['-CAfile', ca, '-purpose', 'any', '-out', '/dev/null'];
      await t.notThrowsAsync(run('openssl', ['cms', '-verify', '-binary', ...signature, ...rest]));
    }
  }
  const genuine = (await appliance.fetch('/help/genuine')).text();
  const certificate = new X509Certificate(readFileSync(join(dataFolder, 'public/code-signing.crt')));
  t.true(genuine.includes(certificate.fingerprint256));
});

test('F-01 attack: an order that others could have written is not built from', async t => {
  t.timeout(120_000);
  const template = await ensureTemplate(ROOT, line => t.log(line));
  await using appliance = await startAppliance();
  const { dataFolder } = appliance;
  writeAppletOrder(dataFolder, readConfig(dataFolder), template);
  await promisify(execFile)('chmod', ['0666', join(dataFolder, 'applet.json')]);
  const signer = new SignerClient({ socketPath: join(dataFolder, 'run/signer.sock') });
  t.teardown(() => signer.close());
  await t.throwsAsync(signer.buildApplet(), { code: 'applet.order-exposed' });
  t.false(existsSync(join(dataFolder, 'applet')));
});

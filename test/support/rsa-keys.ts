// RSA keys take seconds of processor time to make. Tests that aren't about making them get a set made once per checkout;
// `make-keys` then finds them and makes what is missing.
import { generateKeyPair } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { prepareKeysFolder } from '../../appliance/pki/key-files.ts';
import { RSA_BITS } from '../../appliance/pki/make-keys.ts';

const CACHE = resolve(import.meta.dirname, '../../.cache');

/** Puts the RSA keys of the test set into a data folder that has no keys yet. */
export async function lendRsaKeys(dataFolder: string): Promise<void> {
  const kept = join(CACHE, 'test-rsa-keys');
  if (!existsSync(kept)) await makeSet(kept);
  const keys = prepareKeysFolder(dataFolder);
  for (const name of readdirSync(kept)) copyFileSync(join(kept, name), join(keys, name));
}

/** Beside it first, then in its place: several test processes may be at it, and the first one's set stays. */
async function makeSet(kept: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const made = mkdtempSync(`${kept}.`);
  const pairs = Object.entries(RSA_BITS).map(async ([name, modulusLength]) => {
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(made, `${name}.key`), pem, { mode: 0o600 });
  });
  await Promise.all(pairs);
  try {
    renameSync(made, kept);
  } catch (error) {
    rmSync(made, { recursive: true });
    if (!existsSync(kept)) throw error;
  }
}

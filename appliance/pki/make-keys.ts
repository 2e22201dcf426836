// What the installer makes: every key and certificate of this appliance, each only where it isn't there yet.
import { createPublicKey, generateKeyPair, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { generateIdentity } from 'age-encryption';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import {
  certificateNames,
  writeCaCertificate,
  writeCodeSigningCertificate,
  writeServerCertificate,
} from './certificates.ts';
import {
  damagedKey,
  KEYS_FOLDER,
  loadPrivateKey,
  PUBLIC_FOLDER,
  prepareKeysFolder,
  readSecretFile,
  sweepParts,
  writeNewFile,
} from './key-files.ts';
import { finishServerCertificate } from './server-certificate.ts';
import { keyId, PURPOSES } from './signature.ts';
import { readBackupIdentity } from './store-keys.ts';

export interface MakeKeysOptions {
  readonly dataFolder: string;
  /** DNS names and addresses of the server certificate. */
  readonly names: readonly string[];
  /** May be empty before first setup. */
  readonly organisation: string;
  readonly clock: Clock;
}

export const RSA_BITS = { ca: 3072, 'ca-next': 3072, server: 2048, 'code-signing': 2048 } as const;
type RsaName = keyof typeof RSA_BITS;
const SECRETS = ['store', 'key-encryption', 'pin'] as const;
const SECRET_BYTES = 32;
export const SETUP_CODE_FILE = 'setup-code';
const SETUP_MARK = 'setup-code-made';
const generate = promisify(generateKeyPair);

/**
 * Idempotent: the second run makes nothing. RSA keys are made side by side.
 * @returns names of the files made now: `keys/ca.key`
 * @throws ApplianceError `keys.exposed`; `keys.damaged` and `keys.lost` naming the file. Nothing that exists is changed
 */
export async function makeKeys(options: MakeKeysOptions): Promise<string[]> {
  const { dataFolder, clock } = options;
  const keys = prepareKeysFolder(dataFolder);
  const public_ = join(dataFolder, PUBLIC_FOLDER);
  mkdirSync(public_, { recursive: true, mode: 0o755 });
  sweepParts(keys, clock.now());
  sweepParts(public_, clock.now());
  finishServerCertificate(dataFolder);
  checkNothingLost(dataFolder);
  const made: string[] = [];
  const write = (folder: string, name: string, content: string | Uint8Array, mode = 0o600) => {
    const shown = `${folder === keys ? KEYS_FOLDER : PUBLIC_FOLDER}/${name}`;
    if (writeNewFile(folder, name, content, mode)) made.push(shown);
  };
  await makePrivateKeys(keys, write);
  makeCertificates(options, (name, pem) => write(public_, name, pem, 0o644));
  for (const purpose of PURPOSES) {
    const publicKey = createPublicKey(loadPrivateKey(dataFolder, `${purpose}.key`));
    write(public_, `${purpose}.pub`, publicKey.export({ type: 'spki', format: 'pem' }).toString(), 0o644);
  }
  for (const secret of SECRETS) write(keys, `${secret}.key`, randomBytes(SECRET_BYTES));
  if (!existsSync(join(keys, 'backup.key'))) write(keys, 'backup.key', await backupKeyText());
  // The mark comes last: killed between the two, the next run finds the code and only sets the mark.
  const isNew = !existsSync(join(keys, SETUP_MARK)) && !existsSync(join(dataFolder, 'store', 'core.db'));
  if (isNew) write(keys, SETUP_CODE_FILE, setupCode());
  write(keys, SETUP_MARK, 'The one-time setup code was made once; deleting it ends first setup for good.\n');
  checkWhole(dataFolder);
  return made;
}

/** A key made anew under a name that is already trusted, or over a store it can't open, would hide a loss. */
function checkNothingLost(dataFolder: string): void {
  const has = (path: string) => existsSync(join(dataFolder, path));
  const pairs = [
    ...Object.keys(RSA_BITS).map(name => [`public/${name}.crt`, `keys/${name}.key`]),
    ...PURPOSES.map(name => [`public/${name}.pub`, `keys/${name}.key`]),
    ...SECRETS.map(name => ['store/core.db', `keys/${name}.key`]),
  ] as const;
  for (const [witness, key] of pairs) {
    if (!has(witness ?? '') || has(key ?? '')) continue;
    throw new ApplianceError('unavailable', 'keys.lost', `${witness} is there, but ${key} is gone`, {
      hint: 'Nothing was changed. Bring the key back from a backup.',
    });
  }
}

/** Reads back all that was made or found, so that a damaged file is known before anything is served. */
function checkWhole(dataFolder: string): void {
  for (const name of Object.keys(RSA_BITS)) {
    const key = loadPrivateKey(dataFolder, `${name}.key`);
    const path = join(dataFolder, PUBLIC_FOLDER, `${name}.crt`);
    if (!loadCertificate(path).checkPrivateKey(key)) throw damagedKey(path, `it does not belong to ${name}.key`);
  }
  for (const purpose of PURPOSES) {
    const path = join(dataFolder, PUBLIC_FOLDER, `${purpose}.pub`);
    const isHalf = keyId(createPublicKey(loadPrivateKey(dataFolder, `${purpose}.key`))) === keyIdOf(path);
    if (!isHalf) throw damagedKey(path, `it does not belong to ${purpose}.key`);
  }
  for (const secret of SECRETS) readSecretFile(dataFolder, `${secret}.key`, SECRET_BYTES);
  readBackupIdentity(dataFolder);
}

function loadCertificate(path: string): X509Certificate {
  try {
    return new X509Certificate(readFileSync(path));
  } catch (cause) {
    throw damagedKey(path, 'it holds no certificate', cause);
  }
}

function keyIdOf(path: string): string {
  try {
    return keyId(createPublicKey(readFileSync(path)));
  } catch (cause) {
    throw damagedKey(path, 'it holds no public key', cause);
  }
}

type Write = (folder: string, name: string, content: string | Uint8Array) => void;

async function makePrivateKeys(keys: string, write: Write): Promise<void> {
  const isMissing = (name: string) => !existsSync(join(keys, `${name}.key`));
  const rsa = (Object.keys(RSA_BITS) as RsaName[]).filter(isMissing).map(async name => {
    const { privateKey } = await generate('rsa', { modulusLength: RSA_BITS[name] });
    write(keys, `${name}.key`, pem(privateKey));
  });
  const signing = PURPOSES.filter(isMissing).map(async purpose => {
    const pair = purpose === 'tag' ? generate('ed25519') : generate('ec', { namedCurve: 'P-256' });
    write(keys, `${purpose}.key`, pem((await pair).privateKey));
  });
  await Promise.all([...rsa, ...signing]);
}

function makeCertificates(options: MakeKeysOptions, write: (name: string, pem: string) => void): void {
  const { dataFolder, names, organisation, clock } = options;
  const now = clock.now();
  const read = (name: string) => readFileSync(join(dataFolder, PUBLIC_FOLDER, name), 'utf8');
  const isMissing = (name: string) => !existsSync(join(dataFolder, PUBLIC_FOLDER, name));
  const load = (name: string) => loadPrivateKey(dataFolder, name);
  const cas: [string, string, string][] = [
    ['ca.crt', 'ca.key', 'Remote support CA 1'],
    ['ca-next.crt', 'ca-next.key', 'Remote support CA 2'],
  ];
  for (const [file, key, name] of cas) {
    if (isMissing(file)) write(file, writeCaCertificate(name, organisation, load(key), now));
  }
  const issuer = () => ({ certificate: read('ca.crt'), privateKey: load('ca.key') });
  if (isMissing('server.crt')) {
    const publicKey = createPublicKey(load('server.key'));
    write('server.crt', writeServerCertificate(certificateNames(names), publicKey, issuer(), now));
  }
  if (isMissing('code-signing.crt')) {
    const publicKey = createPublicKey(load('code-signing.key'));
    write('code-signing.crt', writeCodeSigningCertificate(organisation, publicKey, issuer(), now));
  }
}

function pem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function backupKeyText(): Promise<string> {
  const identity = await generateIdentity();
  return `# The backup key. Keep a copy off this machine: without it no backup can be opened.\n${identity}\n`;
}

/** 160 random bits in groups of four: typed from a console screen if need be. No 0, 1, I, O. */
function setupCode(): string {
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  const characters = [...randomBytes(32)].map(byte => alphabet[byte & 31] ?? '');
  return `${characters.join('').match(/.{4}/g)?.join('-')}\n`;
}

// Keys of the encrypted store and its backups.
import { join } from 'node:path';
import { damagedKey, KEYS_FOLDER, readKeyFile, readSecretFile } from './key-files.ts';

/** @returns 32 bytes each; throws ApplianceError `keys.missing`, `keys.damaged`, `keys.exposed` */
export function readStoreKeys(dataFolder: string): { store: Uint8Array; keyEncryption: Uint8Array } {
  return {
    store: readSecretFile(dataFolder, 'store.key', 32),
    keyEncryption: readSecretFile(dataFolder, 'key-encryption.key', 32),
  };
}

/** @returns `AGE-SECRET-KEY-1…` */
export function readBackupIdentity(dataFolder: string): string {
  const lines = readKeyFile(dataFolder, 'backup.key').toString('utf8').split('\n');
  const identity = lines.find(line => line.startsWith('AGE-SECRET-KEY-1'));
  if (identity !== undefined) return identity.trim();
  throw damagedKey(join(dataFolder, KEYS_FOLDER, 'backup.key'), 'it holds no age identity');
}

/** Key of the digests of PINs; 32 bytes, outside of the store. */
export function readPinKey(dataFolder: string): Uint8Array {
  return readSecretFile(dataFolder, 'pin.key', 32);
}

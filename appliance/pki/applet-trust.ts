// Whom an applet trusts (TRUST: keys and signatures): both CAs and the public halves of the signing keys, by purpose. Taken
// from the private keys, which the signer alone reads, and not from what lies in `public/`, where others write.
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { damagedKey, KEYS_FOLDER, loadPrivateKey, PUBLIC_FOLDER } from './key-files.ts';
import { type PublicKeyInfo, publicKeyInfo } from './signature.ts';

const PINNED = ['session', 'receipts', 'gateway-list', 'tag', 'log-head'] as const;

export interface AppletTrust {
  /** PEM: the CA in use and the next one. */
  readonly anchors: string[];
  /** One key each; a successor comes with key rollover. */
  readonly keys: Record<(typeof PINNED)[number], PublicKeyInfo[]>;
}

/** @throws ApplianceError `keys.missing`, `keys.exposed`, `keys.damaged` */
export function readAppletTrust(dataFolder: string): AppletTrust {
  const pinned = (purpose: (typeof PINNED)[number]) => [
    publicKeyInfo(createPublicKey(loadPrivateKey(dataFolder, `${purpose}.key`))),
  ];
  return {
    anchors: ['ca', 'ca-next'].map(name => readAnchor(dataFolder, name)),
    keys: {
      session: pinned('session'),
      receipts: pinned('receipts'),
      'gateway-list': pinned('gateway-list'),
      tag: pinned('tag'),
      'log-head': pinned('log-head'),
    },
  };
}

/** What the signer hands to the tools that sign programs: paths, the key itself is read by them. */
export function codeSigningPaths(dataFolder: string) {
  return {
    keyPath: join(dataFolder, KEYS_FOLDER, 'code-signing.key'),
    certificatePath: join(dataFolder, PUBLIC_FOLDER, 'code-signing.crt'),
    chainPath: join(dataFolder, PUBLIC_FOLDER, 'ca.crt'),
  };
}

function readAnchor(dataFolder: string, name: string): string {
  const path = join(dataFolder, PUBLIC_FOLDER, `${name}.crt`);
  const pem = readFileSync(path, 'utf8');
  if (!new X509Certificate(pem).checkPrivateKey(loadPrivateKey(dataFolder, `${name}.key`))) {
    throw damagedKey(path, `it does not belong to ${name}.key`);
  }
  return pem;
}

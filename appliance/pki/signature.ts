// Signatures over `domain ‖ 0x00 ‖ payload`: a signature made for one purpose is worth nothing for another (TRUST).
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { defect } from '../errors.ts';
import { toBase64Url } from '../guid.ts';

/** What each signing key is for. ES256, but the tag: Ed25519, whose 64 bytes fit into a download's tag. */
export const PURPOSES = ['session', 'receipts', 'gateway-list', 'tag', 'log-head', 'manifest'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** What each signature begins with, so that none is worth anything for another purpose. */
export const DOMAINS = {
  session: 'appliance/session/v1',
  receipts: 'appliance/receipts/v1',
  'gateway-list': 'appliance/gateway-list/v1',
  tag: 'appliance/tag/v1',
  'log-head': 'appliance/log-head/v1',
  manifest: 'appliance/manifest/v1',
} as const satisfies Record<Purpose, string>;
export type Domain = (typeof DOMAINS)[Purpose];

export interface Signature {
  /** Which key: the first 16 characters of the base64url SHA-256 of its SPKI. */
  readonly kid: string;
  /** base64url, 64 bytes: r ‖ s (IEEE P1363) or Ed25519. */
  readonly signature: string;
}

export interface PublicKeyInfo {
  readonly kid: string;
  /** base64url, SPKI DER */
  readonly spki: string;
}

const SIGNATURE_BYTES = 64;

export function keyId(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64url').slice(0, 16);
}

export function publicKeyInfo(publicKey: KeyObject): PublicKeyInfo {
  return { kid: keyId(publicKey), spki: toBase64Url(publicKey.export({ type: 'spki', format: 'der' })) };
}

export function publicKeyFrom({ spki }: PublicKeyInfo): KeyObject {
  return createPublicKey({ key: Buffer.from(spki, 'base64url'), type: 'spki', format: 'der' });
}

/** @returns base64url, 64 bytes */
export function signPayload(domain: Domain, payload: Uint8Array, privateKey: KeyObject): string {
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  const signature = sign(digestFor(privateKey), signedBytes(domain, payload), key);
  if (signature.length !== SIGNATURE_BYTES) throw defect(`a signature of ${signature.length} bytes`);
  return toBase64Url(signature);
}

/**
 * @param signature base64url
 * @returns false for anything but that key's signature in that domain over these bytes
 */
export function verifySigned(domain: Domain, payload: Uint8Array, signature: string, publicKey: KeyObject): boolean {
  const bytes = Buffer.from(signature, 'base64url');
  if (bytes.length !== SIGNATURE_BYTES || toBase64Url(bytes) !== signature) return false;
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  return verify(digestFor(publicKey), signedBytes(domain, payload), key, bytes);
}

function signedBytes(domain: Domain, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${domain}\0`, 'utf8'), payload]);
}

function digestFor(key: KeyObject): string | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

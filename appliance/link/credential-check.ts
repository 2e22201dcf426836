// Whether the peer's credential is the appliance's word for this session, this role and this key.
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import {
  type Credential,
  type LinkRole,
  MAX_CREDENTIAL_MS,
  parseCredential,
  SESSION_DOMAIN,
  type Signed,
  signedMessage,
} from '../protocol/signed.ts';
import type { LinkCrypto } from './crypto.ts';
import { CLOCK_SKEW_MS } from './limits.ts';

/** A pinned session-signing key of the appliance: the present one, and at most one successor. */
export interface PinnedKey {
  readonly kid: string;
  /** SPKI (DER), P-256. */
  readonly publicKey: Bytes;
}

export interface CredentialExpectation {
  readonly sid: SessionId;
  readonly role: LinkRole;
  /** The Noise static key just received. */
  readonly staticKey: Bytes;
  readonly keys: readonly PinnedKey[];
  /** The appliance's time, ms UTC; never the computer's own clock. */
  readonly now: number;
}

/** @throws ApplianceError `link.credential`, or `protocol.malformed` */
export async function checkCredential(
  crypto: LinkCrypto,
  { payload, signature }: Signed,
  expected: CredentialExpectation,
): Promise<Credential> {
  const credential = parseCredential(payload);
  const key = expected.keys.find(({ kid }) => kid === credential.kid);
  if (key === undefined) throw refused('a key that is not pinned');
  const message = signedMessage(SESSION_DOMAIN, payload);
  if (!(await crypto.verifyEs256(key.publicKey, message, signature))) throw refused('a signature that is wrong');
  if (credential.sid !== expected.sid) throw refused('another session');
  if (credential.role !== expected.role) throw refused('another role');
  if (!equalBytes(credential.spk, expected.staticKey)) throw refused('another key');
  const { nbf, exp } = credential;
  if (exp <= nbf || exp - nbf > MAX_CREDENTIAL_MS) throw refused('a lifetime that is none or too long');
  if (expected.now < nbf - CLOCK_SKEW_MS || expected.now > exp + CLOCK_SKEW_MS) throw refused('another time');
  return credential;
}

function refused(what: string): ApplianceError {
  return new ApplianceError('unauthenticated', 'link.credential', `the peer's credential names ${what}`);
}

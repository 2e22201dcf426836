// What a browser answers on behalf of an authenticator: read with bounds, then checked by @simplewebauthn/server against
// what we asked. Here a stranger's bytes become a proof, or an error.
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import type { PasskeyPlace } from './passkey.ts';
import type { StoredPasskey } from './passkey-store.ts';

/** COSE numbers of ES256, EdDSA and RS256, in the order we ask for them. */
export const ALGORITHMS = [-7, -8, -257];
const MAX_ANSWER_CHARACTERS = 16_384;
const MAX_CREDENTIAL_CHARACTERS = 1364; // 1023 bytes
const MAX_PUBLIC_KEY_BYTES = 2048; // RS256 with 8192 bits fits

const base64Url = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/);
const shared = {
  id: base64Url(MAX_CREDENTIAL_CHARACTERS),
  rawId: base64Url(MAX_CREDENTIAL_CHARACTERS),
  type: z.literal('public-key'),
};
const Registration = z.object({
  ...shared,
  response: z.object({
    clientDataJSON: base64Url(4096),
    attestationObject: base64Url(12_288),
    transports: z
      .array(z.enum(['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']))
      .max(7)
      .catch([]),
  }),
});
const Assertion = z.object({
  ...shared,
  response: z.object({
    clientDataJSON: base64Url(4096),
    authenticatorData: base64Url(4096),
    signature: base64Url(2048),
    userHandle: base64Url(88).nullish(),
  }),
});
export type Assertion = z.infer<typeof Assertion>;
export type Registration = z.infer<typeof Registration>;

/** What was asked of the authenticator, and where. */
export interface Asked extends PasskeyPlace {
  readonly challenge: string;
}

export interface MadePasskey {
  readonly credentialId: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly transports: readonly string[];
}

/** @param text JSON as our page made it @throws ApplianceError `passkey.no-answer`, `passkey.answer-malformed` */
export function parseAssertion(text: string): Assertion {
  return parseAnswer(text, Assertion);
}

/** @param text JSON as our page made it @throws ApplianceError `passkey.no-answer`, `passkey.answer-malformed` */
export function parseRegistration(text: string): Registration {
  return parseAnswer(text, Registration);
}

/**
 * Which member's passkey it is isn't looked at here, and of the attestation only that there is none: we don't ask who
 * made an authenticator.
 * @throws ApplianceError `passkey.answer-malformed`
 */
export async function checkRegistration({ response, ...rest }: Registration, asked: Asked): Promise<MadePasskey> {
  // Loaded when somebody has a passkey at all: 30 MB of certificate parsers.
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server');
  try {
    await requireNoAttestation(response.attestationObject);
    const answer: RegistrationResponseJSON = { ...rest, response, clientExtensionResults: {} };
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: answer,
      expectedChallenge: asked.challenge,
      expectedOrigin: asked.origin,
      expectedRPID: asked.rpId,
      requireUserVerification: false, // asked for again whenever it is to stand alone
      supportedAlgorithmIDs: ALGORITHMS,
    });
    const made = registrationInfo?.credential;
    if (!verified || made?.id !== rest.id) throw new Error('not verified');
    if (made.publicKey.byteLength > MAX_PUBLIC_KEY_BYTES) throw new Error('the public key is too long');
    const credentialId = Buffer.from(made.id, 'base64url');
    return { credentialId, publicKey: made.publicKey, counter: made.counter, transports: response.transports };
  } catch (cause) {
    throw malformed(cause);
  }
}

/**
 * Checks challenge, origin, name, flags and signature. The counter is the caller's affair: only one that stands under a
 * right signature says anything.
 * @returns the counter, or undefined when the answer proves nothing
 */
export async function checkAssertion(
  { response, ...rest }: Assertion,
  stored: StoredPasskey,
  { challenge, origin, rpId }: Asked,
  requireUserVerification: boolean,
): Promise<number | undefined> {
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
  const { userHandle, ...signed } = response;
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: { ...rest, response: signed, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification,
      credential: { id: rest.id, publicKey: new Uint8Array(stored.publicKey), counter: 0 },
    });
    return verified ? authenticationInfo.newCounter : undefined;
  } catch {
    return undefined; // the library throws for whatever is not as asked; the refusal is counted and logged by the caller
  }
}

function parseAnswer<T>(text: string, schema: z.ZodType<T>): T {
  if (text === '') {
    throw new ApplianceError('malformed', 'passkey.no-answer', 'the browser sent no passkey', {
      hint: 'Passkeys need scripts in the browser. Take another way, or allow scripts for this page.',
    });
  }
  try {
    if (text.length > MAX_ANSWER_CHARACTERS) throw new Error('too long');
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw malformed(cause);
  }
}

/** Certificates of makers of authenticators are never read: they would only be bytes of strangers to take apart. */
async function requireNoAttestation(attestationObject: string): Promise<void> {
  const { decodeAttestationObject } = await import('@simplewebauthn/server/helpers');
  const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')));
  const format: string = decoded.get('fmt');
  // An authenticator may sign with the new key itself though we asked for nothing (§5.4.7).
  const isOwn = format === 'packed' && decoded.get('attStmt').get('x5c') === undefined;
  if (format !== 'none' && !isOwn) throw new Error(`attestation ${format} was not asked for`);
}

function malformed(cause: unknown): ApplianceError {
  return new ApplianceError('malformed', 'passkey.answer-malformed', 'that passkey could not be checked', {
    hint: 'Try again on a page freshly opened under the name of the appliance.',
    cause,
  });
}

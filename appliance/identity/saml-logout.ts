// A logout an identity provider asks for (SAML core §3.7): by a signed POST, checked as strictly as a login.
import { SAML as SamlLibrary } from '@node-saml/node-saml';
import { describeError } from '../errors.ts';
import { samlFault } from './saml-fault.ts';
import {
  type Expected,
  MAX_AGE_MS,
  requireDestination,
  requireIssuer,
  requireKind,
  type SamlMessage,
  SKEW_MS,
} from './saml-response.ts';
import { checkSignatureShapes } from './saml-signature.ts';
import { childrenOf, instantOf, malformed, onlyChild, SAML, SAMLP } from './saml-xml.ts';

export interface LogoutWish {
  readonly id: string;
  readonly nameId: string;
  /** Empty: all of that person. */
  readonly sessionIndexes: readonly string[];
  /** By the provider's clock, ms UTC. */
  readonly madeAt: number;
  /** Until when it must not be taken a second time; ms UTC. */
  readonly goodUntil: number;
}

/** @throws ApplianceError `saml.…` */
export async function judgeLogout(
  { root, base64 }: SamlMessage,
  expected: Omit<Expected, 'acsUrl' | 'inResponseTo' | 'signedInSince'> & { readonly logoutUrl: string },
): Promise<LogoutWish> {
  requireKind(root, 'LogoutRequest');
  if (!checkSignatureShapes(root, [root]).has(root)) throw samlFault('saml.unsigned', 'the logout is not signed');
  requireIssuer(root, expected.issuer, true);
  requireDestination(root, expected.logoutUrl, true);
  const madeAt = instantOf(root, 'IssueInstant');
  const id = root.attributes.get('ID') ?? '';
  if (madeAt === undefined || id === '') throw malformed('the logout has no id or time');
  const until = Math.min(madeAt + MAX_AGE_MS, instantOf(root, 'NotOnOrAfter') ?? Number.POSITIVE_INFINITY);
  if (madeAt > expected.now + SKEW_MS)
    throw samlFault('saml.not-yet', 'the logout was made in the future: compare the clocks of both sides');
  if (until <= expected.now - SKEW_MS)
    throw samlFault('saml.expired', 'the logout is good no longer: compare the clocks of both sides');
  if (childrenOf(root, SAML, 'EncryptedID').length > 0)
    throw samlFault('saml.encrypted', 'the logout is encrypted, which is not supported');
  const nameId = onlyChild(root, SAML, 'NameID').text.trim();
  await requireSigned(base64, expected);
  const sessionIndexes = childrenOf(root, SAMLP, 'SessionIndex').map(({ text }) => text.trim());
  return { id, madeAt, nameId, sessionIndexes, goodUntil: madeAt + MAX_AGE_MS + 2 * SKEW_MS };
}

/** The one signature covers the whole message, as its shape says, so that what was read above is what was signed. */
async function requireSigned(
  base64: string,
  {
    issuer,
    certificates,
    audience,
    logoutUrl,
  }: Pick<Expected, 'issuer' | 'certificates' | 'audience'> & { readonly logoutUrl: string },
): Promise<void> {
  const library = new SamlLibrary({
    idpCert: [...certificates],
    issuer: audience,
    idpIssuer: issuer,
    callbackUrl: logoutUrl,
    acceptedClockSkewMs: -1,
  });
  try {
    await library.validatePostRequestAsync({ SAMLRequest: base64 });
  } catch (cause) {
    throw samlFault(
      'saml.signature',
      `the logout’s signature is not right: ${describeError(cause).slice(0, 200)}`,
      cause,
    );
  }
}

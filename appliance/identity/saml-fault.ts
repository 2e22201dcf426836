// Why a message of an identity provider was refused. The person is told that it did not work and a reference; the code and
// the reason stand in the audit log.
import { ApplianceError } from '../errors.ts';

type SamlCode =
  | 'saml.algorithm'
  | 'saml.audience'
  | 'saml.destination'
  | 'saml.encrypted'
  | 'saml.expired'
  | 'saml.issuer'
  | 'saml.no-role'
  | 'saml.not-asked'
  | 'saml.not-yet'
  | 'saml.other-browser'
  | 'saml.refused-there'
  | 'saml.replay'
  | 'saml.signature'
  | 'saml.stale-login'
  | 'saml.subject'
  | 'saml.too-many-groups'
  | 'saml.two-assertions'
  | 'saml.unsigned'
  | 'saml.wrapped';

export function samlFault(code: SamlCode, message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('refused', code, message, { cause });
}

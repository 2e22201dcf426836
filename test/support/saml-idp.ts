// An identity provider of a test's own: it signs whatever a test wants said, with real keys, right or wrong.
import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { signXml } from '@node-saml/node-saml/lib/xml.js';
import type { Sending } from '../../appliance/identity/saml-service.ts';
import { TestAuthority } from './test-certificates.ts';

const authority = new TestAuthority();
const MINUTE_MS = 60_000;

export interface Wish {
  readonly issuer: string;
  readonly audience: string;
  readonly recipient: string;
  readonly destination: string;
  readonly inResponseTo: string | null;
  /** Markup. */
  readonly nameId: string;
  readonly nameIdFormat: string;
  /** Markup; one value or several. */
  readonly attributes: Readonly<Record<string, string | readonly string[]>>;
  readonly assertionId: string;
  readonly sessionIndex: string;
  /** ms UTC */
  readonly at: number;
  readonly signedInAt: number;
  readonly sign: readonly ('Assertion' | 'Response')[];
  readonly algorithm: 'sha1' | 'sha256' | 'sha512';
  /** Changes it before it is signed. */
  readonly draft: (xml: string) => string;
}

export class TestIdp {
  readonly entityId: string;
  readonly certificate: string;
  readonly #key: string;

  constructor(name = 'idp.example.com') {
    this.entityId = `https://${name}/metadata`;
    const pair = authority.issue({ names: [name] });
    this.certificate = pair.certificate;
    this.#key = pair.key;
  }

  metadata(certificates = [this.certificate]): string {
    const keys = certificates.map(pem => {
      const der = pem.replace(/-----[A-Z ]+-----/g, '').trim();
      return `<KeyDescriptor use="signing"><d:KeyInfo xmlns:d="http://www.w3.org/2000/09/xmldsig#"><d:X509Data><d:X509Certificate>${der}</d:X509Certificate></d:X509Data></d:KeyInfo></KeyDescriptor>`;
    });
    const bind = 'urn:oasis:names:tc:SAML:2.0:bindings';
    const { origin } = new URL(this.entityId);
    return [
      `<?xml version="1.0"?>\n<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${this.entityId}">`,
      '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">',
      ...keys,
      `<SingleLogoutService Binding="${bind}:HTTP-POST" Location="${origin}/logout"/>`,
      `<SingleSignOnService Binding="${bind}:HTTP-Redirect" Location="${origin}/sign-in"/>`,
      '</IDPSSODescriptor></EntityDescriptor>',
    ].join('');
  }

  /** A response as XML. */
  response(wish: Partial<Wish> & Pick<Wish, 'audience' | 'recipient' | 'at'>): string {
    const { at, issuer = this.entityId, inResponseTo = null, sign = ['Assertion'], draft = xml => xml } = wish;
    const { algorithm = 'sha256', destination = wish.recipient } = wish;
    const answers = inResponseTo === null ? '' : ` InResponseTo="${inResponseTo}"`;
    const head = `Version="2.0" IssueInstant="${time(at)}"`;
    const xml = draft(
      [
        `<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="${newId()}" ${head} Destination="${destination}"${answers}>`,
        `<a:Issuer>${issuer}</a:Issuer><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>`,
        this.#assertion(wish, issuer, head, answers),
        '</p:Response>',
      ].join(''),
    );
    return sign.reduce((text, name) => this.#sign(text, name, algorithm), xml);
  }

  logout(nameId: string, destination: string, at: number, isSigned = true, algorithm: Wish['algorithm'] = 'sha256') {
    const xml = `<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="${newId()}" Version="2.0" IssueInstant="${time(at)}" Destination="${destination}"><a:Issuer>${this.entityId}</a:Issuer><a:NameID>${nameId}</a:NameID></p:LogoutRequest>`;
    return isSigned ? this.#sign(xml, 'LogoutRequest', algorithm) : xml;
  }

  #assertion(
    wish: Partial<Wish> & Pick<Wish, 'audience' | 'recipient' | 'at'>,
    issuer: string,
    head: string,
    answers: string,
  ) {
    const { at, nameId = 'ann-4711', nameIdFormat = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' } = wish;
    const { attributes = { mail: 'ann@example.com', name: 'Ann Example' }, assertionId = newId() } = wish;
    const { sessionIndex = 's1', signedInAt = at } = wish;
    const window = `NotOnOrAfter="${time(at + 5 * MINUTE_MS)}"`;
    const values = Object.entries(attributes).map(
      ([name, value]) =>
        `<a:Attribute Name="${name}">${[value]
          .flat()
          .map(one => `<a:AttributeValue>${one}</a:AttributeValue>`)
          .join('')}</a:Attribute>`,
    );
    return [
      `<a:Assertion ID="${assertionId}" ${head}><a:Issuer>${issuer}</a:Issuer>`,
      `<a:Subject><a:NameID Format="${nameIdFormat}">${nameId}</a:NameID><a:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`,
      `<a:SubjectConfirmationData Recipient="${wish.recipient}" ${window}${answers}/></a:SubjectConfirmation></a:Subject>`,
      `<a:Conditions NotBefore="${time(at - MINUTE_MS)}" ${window}><a:AudienceRestriction><a:Audience>${wish.audience}</a:Audience></a:AudienceRestriction></a:Conditions>`,
      `<a:AuthnStatement AuthnInstant="${time(signedInAt)}" SessionIndex="${sessionIndex}"><a:AuthnContext><a:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</a:AuthnContextClassRef></a:AuthnContext></a:AuthnStatement>`,
      `<a:AttributeStatement>${values.join('')}</a:AttributeStatement></a:Assertion>`,
    ].join('');
  }

  #sign(xml: string, name: string, algorithm: Wish['algorithm']): string {
    const path = `//*[local-name(.)="${name}"]`;
    const location = { reference: `${path}/*[local-name(.)="Issuer"]`, action: 'after' } as const;
    const key = { privateKey: this.#key, publicCert: this.certificate }; // named in its KeyInfo
    const options = { ...key, signatureAlgorithm: algorithm, digestAlgorithm: algorithm };
    return signXml(xml, path, location, options);
  }
}

export function toField(xml: string): string {
  return Buffer.from(xml).toString('base64');
}

/** What a browser was sent with. */
export function readSending(sending: Sending): { id: string; relayState: string; xml: string } {
  if (sending.kind !== 'redirect') throw new Error('it was to go by redirect');
  const { searchParams } = new URL(sending.url);
  const xml = inflateRawSync(Buffer.from(searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
  const id = /ID="([^"]+)"/.exec(xml)?.[1] ?? '';
  return { id, relayState: searchParams.get('RelayState') ?? '', xml };
}

function newId(): string {
  return `_${randomBytes(16).toString('hex')}`;
}

function time(at: number): string {
  return new Date(at).toISOString();
}

// An identity provider as it is set here (C-04), and its metadata file. The file is uploaded, never fetched: an address in
// it is a browser's to visit, not ours.
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { ROLES } from './member.ts';
import { childrenOf, DSIG, instantOf, parseXml, SAMLP, type XmlElement } from './saml-xml.ts';

const METADATA = 'urn:oasis:names:tc:SAML:2.0:metadata';
const BINDINGS = 'urn:oasis:names:tc:SAML:2.0:bindings:';
/** The present one and the next: a roll-over. */
const MAX_CERTIFICATES = 2;
export const MAX_MAPPED = 100;
const MIN_RSA_BITS = 2048;
const DOMAIN = /^(?=.{1,253}$)[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;

const url = z.string().max(1024).refine(isOwnPageAddress);
const attribute = z.string().max(256);
/** Compared to the letter: who names groups there could else make one that looks like another. */
const groupValue = z.string().regex(/^(?!\s)[^\p{C}]{1,256}(?<!\s)$/u);

export const IdpSettings = z.strictObject({
  /** On the button. */
  name: z.string().min(1).max(80),
  signInUrl: url,
  signInBinding: z.enum(['redirect', 'post']),
  /** Where logout is told by a signed POST; null where it isn't. */
  logoutUrl: url.nullable(),
  /** base64 of DER, the newest first. */
  certificates: z.array(z.string().max(8192)).min(1).max(MAX_CERTIFICATES),
  /** Mail domains of its people; empty: of any. */
  domains: z.array(z.string().regex(DOMAIN)).max(50),
  /** Whether it may send people who did not ask here (IdP-initiated). */
  mayStart: z.boolean(),
  /** Whether a person gets an account at the first login. */
  createMembers: z.boolean(),
  /** Attributes; '' is the name id. */
  idAttribute: attribute,
  loginIdAttribute: attribute,
  nameAttribute: attribute,
  /** Of accounts that are made. */
  roles: z.array(z.enum(ROLES).exclude(['master-admin'])).min(1),
  groupId: z.string().max(64),
  /** Attribute that holds a person's groups. */
  groupsAttribute: attribute.default(''),
  /** What groups give, and take away, at each login; none: roles and group are as admins set them. */
  mapping: z
    .array(
      z.strictObject({
        group: groupValue,
        roles: z.array(z.enum(ROLES)).min(1),
        /** Its id; the first one that matches counts. */
        technicianGroup: z.string().length(22).nullable(),
      }),
    )
    .max(MAX_MAPPED)
    .default([]),
});
export type IdpSettings = z.infer<typeof IdpSettings>;

export interface Idp extends IdpSettings {
  readonly id: string;
  readonly entityId: string;
  readonly isOn: boolean;
  readonly revision: number;
}

interface IdpMetadata extends Pick<IdpSettings, 'signInUrl' | 'signInBinding' | 'logoutUrl' | 'certificates'> {
  readonly entityId: string;
}

/** @throws ApplianceError `saml.metadata`, `saml.malformed` */
export function parseIdpMetadata(text: string, now: number): IdpMetadata {
  const { root } = parseXml(Buffer.from(text.trim()));
  if (root.name !== 'EntityDescriptor' || root.namespace !== METADATA) throw unfit('it describes no single entity');
  const until = instantOf(root, 'validUntil');
  if (until !== undefined && until <= now) throw unfit('it is valid no longer; get a new one');
  const entityId = root.attributes.get('entityID') ?? '';
  const [idp, ...others] = childrenOf(root, METADATA, 'IDPSSODescriptor');
  if (idp === undefined || others.length > 0 || entityId === '' || entityId.length > 1024) {
    throw unfit('it describes no identity provider');
  }
  if (!(idp.attributes.get('protocolSupportEnumeration') ?? '').split(/\s+/).includes(SAMLP)) {
    throw unfit('it speaks no SAML 2.0');
  }
  const redirect = locationOf(idp, 'SingleSignOnService', 'HTTP-Redirect');
  const signInUrl = redirect ?? locationOf(idp, 'SingleSignOnService', 'HTTP-POST');
  if (signInUrl === undefined) throw unfit('it names no address to sign in at');
  return {
    entityId,
    signInUrl,
    signInBinding: redirect === undefined ? 'post' : 'redirect',
    logoutUrl: locationOf(idp, 'SingleLogoutService', 'HTTP-POST') ?? null,
    certificates: certificatesOf(idp, now),
  };
}

/** PEM or base64 of DER. @returns base64 of DER; throws ApplianceError `saml.certificate` */
function parseIdpCertificate(text: string): string {
  const base64 = text.replace(/-----(?:BEGIN|END) CERTIFICATE-----/g, '').replace(/\s/g, '');
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(Buffer.from(base64, 'base64'));
  } catch (cause) {
    throw new ApplianceError('malformed', 'saml.certificate', 'that is no certificate', { cause });
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS) {
    return certificate.raw.toString('base64');
  }
  throw new ApplianceError('malformed', 'saml.certificate', `its key is no RSA key of ${MIN_RSA_BITS} bits or more`);
}

/** @param certificate base64 of DER */
export function toPem(certificate: string): string {
  return `-----BEGIN CERTIFICATE-----\n${(certificate.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** What an admin compares. @param certificate base64 of DER */
export function certificateFacts(certificate: string): { subject: string; until: number; print: string } {
  const { validTo, fingerprint256, subject } = new X509Certificate(Buffer.from(certificate, 'base64'));
  const name = subject.replaceAll('\n', ', ').slice(0, 120);
  return { subject: name, until: Date.parse(validTo), print: fingerprint256.slice(0, 23) };
}

/** Addresses people are sent to carry who they are: over TLS only. */
function isOwnPageAddress(text: string): boolean {
  const parsed = URL.parse(text);
  return parsed?.protocol === 'https:' && parsed.username === '' && parsed.password === '' && parsed.hash === '';
}

function locationOf(idp: XmlElement, service: string, binding: string): string | undefined {
  const found = childrenOf(idp, METADATA, service).find(one => one.attributes.get('Binding') === BINDINGS + binding);
  const location = found?.attributes.get('Location');
  if (location === undefined || isOwnPageAddress(location)) return location;
  throw unfit(`${location.slice(0, 100)} is no https address`);
}

/** Those that are good now first; a third one is not of a roll-over. */
function certificatesOf(idp: XmlElement, now: number): string[] {
  const found = new Set<string>();
  for (const key of childrenOf(idp, METADATA, 'KeyDescriptor')) {
    if ((key.attributes.get('use') ?? 'signing') !== 'signing') continue;
    for (const info of childrenOf(key, DSIG, 'KeyInfo').flatMap(one => childrenOf(one, DSIG, 'X509Data'))) {
      for (const { text } of childrenOf(info, DSIG, 'X509Certificate')) found.add(parseIdpCertificate(text));
    }
  }
  const good = [...found].filter(one => Date.parse(new X509Certificate(Buffer.from(one, 'base64')).validTo) > now);
  if (good.length > 0 && good.length <= MAX_CERTIFICATES) return good;
  throw unfit(good.length === 0 ? 'it names no certificate that is good now' : 'it names more than two certificates');
}

function unfit(why: string): ApplianceError {
  return new ApplianceError('malformed', 'saml.metadata', `this is no metadata file of an identity provider: ${why}`);
}

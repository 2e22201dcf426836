// A response of an identity provider (SAML core §3.3.3, profiles §4.1.4): our own checks before and after the library
// (DESIGN §6). The library only says whether the signatures are right; every value is taken out of what they cover.
import { type Profile, SAML as SamlLibrary } from '@node-saml/node-saml';
import { describeError } from '../errors.ts';
import { samlFault } from './saml-fault.ts';
import { checkSignatureShapes } from './saml-signature.ts';
import {
  childrenOf,
  instantOf,
  MAX_XML_BYTES,
  malformed,
  onlyChild,
  parseXml,
  SAML,
  SAMLP,
  walk,
  type XmlElement,
} from './saml-xml.ts';

/** Clocks of both sides may differ by so much. */
export const SKEW_MS = 60_000;
/** No assertion is taken later than this after it was made, whatever it says of itself. */
export const MAX_AGE_MS = 10 * 60_000;
const MAX_VALUES = 500;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const MAX_BASE64_CHARACTERS = Math.ceil(MAX_XML_BYTES / 3) * 4;
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const ENTITY = 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity';

export interface SamlMessage {
  readonly root: XmlElement;
  /** The very text that was parsed, as base64: what the library gets. */
  readonly base64: string;
}

/** What a response has to fit. */
export interface Expected {
  /** Entity id of the identity provider. */
  readonly issuer: string;
  /** PEM; one is enough. */
  readonly certificates: readonly string[];
  /** Entity id of the appliance. */
  readonly audience: string;
  /** Where responses are to be sent. */
  readonly acsUrl: string;
  /** Id of the request it answers; null when nobody asked. */
  readonly inResponseTo: string | null;
  /** The person must have signed in there since then, ms UTC; null when any login there is good. */
  readonly signedInSince: number | null;
  /** ms UTC */
  readonly now: number;
}

export interface Assertion {
  readonly id: string;
  /** By the provider's clock, ms UTC. */
  readonly madeAt: number;
  /** Until when it must not be taken a second time; ms UTC. */
  readonly goodUntil: number;
  readonly nameId: string;
  readonly nameIdFormat: string;
  readonly sessionIndex: string | null;
  /** To the letter, space around them too. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** Reads a form field within its limits. It is never inflated. @throws ApplianceError `saml.malformed` */
export function readMessage(field: string): SamlMessage {
  const given = field.replace(/[\r\n ]/g, '');
  if (given.length > MAX_BASE64_CHARACTERS) throw malformed(`it is larger than ${MAX_XML_BYTES} bytes`);
  if (!BASE64.test(given) || given.length % 4 !== 0) throw malformed('it is no base64');
  const { root, text } = parseXml(Buffer.from(given, 'base64'));
  return { root, base64: Buffer.from(text).toString('base64') };
}

/** Entity id a message says it is from: to find whom to ask, believed only once its signature is right. */
export function issuerOf({ root }: SamlMessage): string {
  const [inMessage] = childrenOf(root, SAML, 'Issuer');
  const [assertion] = childrenOf(root, SAML, 'Assertion');
  const [inside] = assertion === undefined ? [] : childrenOf(assertion, SAML, 'Issuer');
  return (inMessage ?? inside)?.text.trim() ?? '';
}

/** @throws ApplianceError `saml.…` */
export async function judgeResponse(message: SamlMessage, expected: Expected): Promise<Assertion> {
  const { root } = message;
  requireKind(root, 'Response');
  requireSuccess(root);
  const assertion = onlyAssertion(root);
  const signed = checkSignatureShapes(root, [root, assertion]);
  if (signed.size === 0) throw samlFault('saml.unsigned', 'neither response nor assertion is signed');
  requireIssuer(root, expected.issuer, false);
  requireDestination(root, expected.acsUrl, signed.has(root));
  const answers = root.attributes.get('InResponseTo') ?? null;
  if (answers !== null || signed.has(root)) requireAnswer(answers, expected.inResponseTo);
  const isSigned = { response: signed.has(root), assertion: signed.has(assertion) };
  return judgeAssertion(await openSigned(message, expected, isSigned), expected);
}

/** @throws ApplianceError `saml.malformed` */
export function requireKind(root: XmlElement, name: string): void {
  const { attributes } = root;
  if (root.namespace !== SAMLP || root.name !== name) throw malformed(`it is no ${name}`);
  if (attributes.get('Version') !== '2.0') throw malformed('it is not of SAML 2.0');
}

/** @throws ApplianceError `saml.destination` */
export function requireDestination({ attributes }: XmlElement, url: string, isNeeded: boolean): void {
  const destination = attributes.get('Destination');
  if (destination === url || (destination === undefined && !isNeeded)) return;
  throw samlFault('saml.destination', 'it is meant for another address than ours');
}

/** @throws ApplianceError `saml.issuer` */
export function requireIssuer(element: XmlElement, issuer: string, isNeeded: boolean): void {
  const found = childrenOf(element, SAML, 'Issuer');
  if (found.length === 0 && !isNeeded) return;
  const [one, ...others] = found;
  const format = one?.attributes.get('Format') ?? ENTITY;
  if (one?.text.trim() === issuer && others.length === 0 && format === ENTITY) return;
  throw samlFault('saml.issuer', 'it is from another identity provider than the one that was asked');
}

function requireSuccess(root: XmlElement): void {
  const code = onlyChild(onlyChild(root, SAMLP, 'Status'), SAMLP, 'StatusCode');
  if (code.attributes.get('Value') === SUCCESS) return;
  const [inner] = code.children;
  const said = [code, ...(inner === undefined ? [] : [inner])].map(
    one => /[A-Za-z]*$/.exec(one.attributes.get('Value') ?? '')?.[0],
  );
  throw samlFault(
    'saml.refused-there',
    `the identity provider refused: ${said.filter(Boolean).join(', ').slice(0, 200)}`,
  );
}

/** Whatever namespace it is written in, there is one element of that name, directly below the response. */
function onlyAssertion(root: XmlElement): XmlElement {
  let found: XmlElement | undefined;
  for (const [element, parent] of walk(root)) {
    if (/^Encrypted/.test(element.name)) {
      throw samlFault(
        'saml.encrypted',
        'it is encrypted, which is not supported; TLS protects it already. Switch encryption off at the identity provider',
      );
    }
    if (element.name === 'Response' && parent !== null)
      throw samlFault('saml.wrapped', 'a response stands within another');
    if (element.name !== 'Assertion') continue;
    if (found !== undefined) throw samlFault('saml.two-assertions', 'it holds more than one assertion');
    if (element.namespace !== SAML || parent !== root)
      throw samlFault('saml.wrapped', 'the assertion stands where none may');
    found = element;
  }
  if (found === undefined) throw malformed('it holds no assertion');
  return found;
}

function requireAnswer(given: string | null, wanted: string | null): void {
  if (given === wanted) return;
  throw samlFault(
    'saml.not-asked',
    wanted === null ? 'it answers a request nobody made here' : 'it answers another request',
  );
}

/** The library checks the signatures, each that is there, and gives back the bytes they cover. */
async function openSigned(
  { base64 }: SamlMessage,
  { issuer, certificates, audience, acsUrl }: Expected,
  isSigned: { readonly response: boolean; readonly assertion: boolean },
): Promise<XmlElement> {
  const library = new SamlLibrary({
    idpCert: [...certificates],
    issuer: audience,
    idpIssuer: issuer,
    callbackUrl: acsUrl,
    wantAuthnResponseSigned: isSigned.response,
    wantAssertionsSigned: isSigned.assertion,
    audience: false, // these two are ours to judge, by our clock
    acceptedClockSkewMs: -1,
  });
  let profile: Profile | null;
  try {
    ({ profile } = await library.validatePostResponseAsync({ SAMLResponse: base64 }));
  } catch (cause) {
    throw samlFault('saml.signature', `its signature is not right: ${describeError(cause).slice(0, 200)}`, cause);
  }
  const covered = profile?.getAssertionXml?.();
  if (covered === undefined) throw samlFault('saml.signature', 'its signature covers no assertion');
  const { root } = parseXml(Buffer.from(covered));
  if (root.namespace !== SAML || root.name !== 'Assertion')
    throw samlFault('saml.wrapped', 'its signature covers no assertion');
  return root;
}

function judgeAssertion(assertion: XmlElement, expected: Expected): Assertion {
  const { attributes } = assertion;
  const id = attributes.get('ID') ?? '';
  const madeAt = instantOf(assertion, 'IssueInstant');
  if (attributes.get('Version') !== '2.0' || id === '' || madeAt === undefined)
    throw malformed('the assertion has no id or time');
  requireIssuer(assertion, expected.issuer, true);
  const { now } = expected;
  if (madeAt > now + SKEW_MS)
    throw samlFault('saml.not-yet', 'it was made in the future: compare the clocks of both sides');
  if (madeAt + MAX_AGE_MS <= now - SKEW_MS)
    throw samlFault('saml.expired', 'it was made too long ago: compare the clocks of both sides');
  const subject = onlyChild(assertion, SAML, 'Subject');
  const until = judgeConfirmation(subject, expected);
  judgeConditions(onlyChild(assertion, SAML, 'Conditions'), expected);
  const nameId = onlyChild(subject, SAML, 'NameID');
  const value = nameId.text.trim();
  if (value === '' || value.length > 512 || /\p{C}/u.test(value))
    throw samlFault('saml.subject', 'its name id is empty or too long');
  return {
    ...{ id, madeAt },
    goodUntil: Math.max(until, madeAt + MAX_AGE_MS) + 2 * SKEW_MS,
    nameId: value,
    nameIdFormat: nameId.attributes.get('Format') ?? '',
    sessionIndex: judgeLogin(assertion, expected),
    attributes: readAttributes(assertion),
  };
}

/** @returns until when it is good, ms UTC */
function judgeConfirmation(subject: XmlElement, { acsUrl, inResponseTo, now }: Expected): number {
  const confirmation = onlyChild(subject, SAML, 'SubjectConfirmation');
  if (confirmation.attributes.get('Method') !== BEARER)
    throw samlFault('saml.subject', 'it is not confirmed as bearer');
  const data = onlyChild(confirmation, SAML, 'SubjectConfirmationData');
  if (data.attributes.get('Recipient') !== acsUrl)
    throw samlFault('saml.destination', 'its recipient is another address than ours');
  requireAnswer(data.attributes.get('InResponseTo') ?? null, inResponseTo);
  const until = instantOf(data, 'NotOnOrAfter');
  if (until === undefined) throw malformed('its confirmation never ends');
  requireWithin(data, now);
  return until;
}

function judgeConditions(conditions: XmlElement, { audience, now }: Expected): void {
  requireWithin(conditions, now);
  const restrictions = childrenOf(conditions, SAML, 'AudienceRestriction');
  const isOurs = (one: XmlElement) => childrenOf(one, SAML, 'Audience').some(({ text }) => text.trim() === audience);
  if (restrictions.length === 0 || !restrictions.every(isOurs))
    throw samlFault('saml.audience', 'it is meant for another service than us');
  const known = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction'];
  if (conditions.children.some(({ name, namespace }) => namespace !== SAML || !known.includes(name))) {
    throw malformed('it has a condition nobody here knows');
  }
}

/** @returns its session index, for logout */
function judgeLogin(assertion: XmlElement, { signedInSince, now }: Expected): string | null {
  const statement = onlyChild(assertion, SAML, 'AuthnStatement');
  const ends = instantOf(statement, 'SessionNotOnOrAfter');
  if (ends !== undefined && ends <= now - SKEW_MS) throw samlFault('saml.expired', 'the login there has ended');
  const at = instantOf(statement, 'AuthnInstant');
  if (signedInSince !== null && (at === undefined || at < signedInSince - SKEW_MS)) {
    throw samlFault('saml.stale-login', 'the person was to sign in there once more and did not');
  }
  return statement.attributes.get('SessionIndex')?.slice(0, 256) ?? null;
}

/** @throws ApplianceError `saml.not-yet`, `saml.expired` */
function requireWithin(element: XmlElement, now: number): void {
  const from = instantOf(element, 'NotBefore');
  const until = instantOf(element, 'NotOnOrAfter');
  if (from !== undefined && from > now + SKEW_MS)
    throw samlFault('saml.not-yet', 'it is not yet good: compare the clocks of both sides');
  if (until !== undefined && until <= now - SKEW_MS)
    throw samlFault('saml.expired', 'it is good no longer: compare the clocks of both sides');
}

function readAttributes(assertion: XmlElement): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let count = 0;
  for (const statement of childrenOf(assertion, SAML, 'AttributeStatement')) {
    for (const attribute of childrenOf(statement, SAML, 'Attribute')) {
      const name = attribute.attributes.get('Name') ?? '';
      const values = found.get(name) ?? [];
      for (const { children, text } of childrenOf(attribute, SAML, 'AttributeValue')) {
        count += 1;
        if (count > MAX_VALUES) throw malformed(`it has more than ${MAX_VALUES} attribute values`);
        if (children.length === 0) values.push(text);
      }
      found.set(name, values);
    }
  }
  return found;
}

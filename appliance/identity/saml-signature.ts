// The shape of the signatures in a message, before the library computes anything: where each stands, what it covers and by
// which algorithms (XML Signature wrapping, SHA-1, foreign transforms). Whether it is right the library says afterwards.
import { samlFault } from './saml-fault.ts';
import { DSIG, onlyChild, walk, type XmlElement } from './saml-xml.ts';

const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const TRANSFORMS = ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', EXCLUSIVE];
const SIGNATURES = [
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
];
const DIGESTS = ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512'];
const PARTS = ['SignedInfo', 'SignatureValue', 'KeyInfo'];
const ID = /^[A-Za-z_][\w.-]{0,255}$/;

/**
 * @param mayBeSigned elements that may carry a signature of themselves, one each
 * @returns those of them that do
 * @throws ApplianceError `saml.wrapped`, `saml.algorithm`, `saml.malformed`
 */
export function checkSignatureShapes(root: XmlElement, mayBeSigned: readonly XmlElement[]): ReadonlySet<XmlElement> {
  const signed = new Set<XmlElement>();
  const ids = new Set<string>();
  for (const [element, parent] of walk(root)) {
    for (const id of idsOf(element)) {
      if (ids.has(id)) throw samlFault('saml.wrapped', 'two elements have one id');
      ids.add(id);
    }
    if (element.name !== 'Signature') continue;
    const isInPlace = parent !== null && mayBeSigned.includes(parent) && !signed.has(parent);
    if (element.namespace !== DSIG || !isInPlace) throw samlFault('saml.wrapped', 'a signature stands where none may');
    checkShape(element, parent);
    signed.add(parent);
  }
  return signed;
}

/** However written: what a library takes for an id differs. */
function idsOf({ attributes }: XmlElement): string[] {
  return [...attributes].filter(([name]) => /^(?:\{.*\})?id$/i.test(name)).map(([, value]) => value);
}

function checkShape(signature: XmlElement, signs: XmlElement): void {
  if (signature.children.some(({ name, namespace }) => namespace !== DSIG || !PARTS.includes(name))) {
    throw samlFault('saml.wrapped', 'a signature holds more than a signature');
  }
  const info = onlyChild(signature, DSIG, 'SignedInfo');
  onlyChild(signature, DSIG, 'SignatureValue');
  requireAlgorithm(onlyChild(info, DSIG, 'CanonicalizationMethod'), [EXCLUSIVE]);
  const method = onlyChild(info, DSIG, 'SignatureMethod');
  requireAlgorithm(method, SIGNATURES);
  const reference = onlyChild(info, DSIG, 'Reference');
  const id = signs.attributes.get('ID') ?? '';
  if (info.children.length !== 3 || method.children.length > 0 || !ID.test(id)) throw wrongCover();
  if (reference.attributes.get('URI') !== `#${id}`) throw wrongCover();
  requireAlgorithm(onlyChild(reference, DSIG, 'DigestMethod'), DIGESTS);
  const transforms = onlyChild(reference, DSIG, 'Transforms').children;
  if (transforms.length !== TRANSFORMS.length)
    throw samlFault('saml.algorithm', 'a signature transforms what it signs');
  for (const [at, transform] of transforms.entries()) requireAlgorithm(transform, TRANSFORMS.slice(at, at + 1));
}

function requireAlgorithm({ attributes }: XmlElement, allowed: readonly string[]): void {
  const given = attributes.get('Algorithm') ?? 'none';
  if (allowed.includes(given)) return;
  throw samlFault('saml.algorithm', `the algorithm ${given.slice(0, 100)} is not accepted; SHA-256 or SHA-512 is`);
}

function wrongCover(): Error {
  return samlFault('saml.wrapped', 'a signature covers something else than where it stands');
}

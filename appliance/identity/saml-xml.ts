// XML as SAML needs it, and nothing else: before any library sees a message it is read here. No document type, entity,
// processing instruction, comment or CDATA; text beside elements is refused, so that two readers can't see two values; size,
// depth and counts are bounded. UTF-8 only.
import { ApplianceError } from '../errors.ts';

export const MAX_XML_BYTES = 256 * 1024;
const MAX_DEPTH = 32;
const MAX_ELEMENTS = 5000;
const MAX_ATTRIBUTES = 64;
const QNAME = '[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?';
const DECLARATION = /<\?xml version=["']1\.0["'](?: encoding=["']utf-8["'])?(?: standalone=["'](?:yes|no)["'])? ?\?>/iy;
const OPEN = new RegExp(`<(${QNAME})`, 'y');
const CLOSE = new RegExp(`</(${QNAME})\\s*>`, 'y');
const ATTRIBUTE = new RegExp(`\\s+(${QNAME})\\s*=\\s*("[^<"]*"|'[^<']*')`, 'y');
const TAG_END = /\s*(\/?)>/y;
const NO_XML_CHARACTER = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const ENTITY = /&(?:(lt|gt|amp|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));|&/g;
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';

export const SAML = 'urn:oasis:names:tc:SAML:2.0:assertion';
export const SAMLP = 'urn:oasis:names:tc:SAML:2.0:protocol';
export const DSIG = 'http://www.w3.org/2000/09/xmldsig#';

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  readonly namespace: string;
  /** By name; those with a prefix by `{namespace}name`. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Of an element without children; else ''. */
  readonly text: string;
}

/** @throws ApplianceError `saml.malformed` */
export function parseXml(bytes: Uint8Array): { readonly root: XmlElement; readonly text: string } {
  if (bytes.length > MAX_XML_BYTES) throw malformed(`it is larger than ${MAX_XML_BYTES} bytes`);
  const text = decode(bytes);
  return { root: new Reader(text).read(), text };
}

export function childrenOf(element: XmlElement, namespace: string, name: string): readonly XmlElement[] {
  return element.children.filter(one => one.namespace === namespace && one.name === name);
}

/** @throws ApplianceError `saml.malformed` unless there is exactly one */
export function onlyChild(element: XmlElement, namespace: string, name: string): XmlElement {
  const [found, ...others] = childrenOf(element, namespace, name);
  if (found !== undefined && others.length === 0) return found;
  throw malformed(`it must hold one ${name}, and holds ${found === undefined ? 'none' : others.length + 1}`);
}

/** The element and all below it, each with its parent. */
export function* walk(
  element: XmlElement,
  parent: XmlElement | null = null,
): Generator<readonly [XmlElement, XmlElement | null]> {
  yield [element, parent];
  for (const child of element.children) yield* walk(child, element);
}

/** @returns ms UTC; undefined when it is not there. @throws ApplianceError `saml.malformed` */
export function instantOf({ attributes, name }: XmlElement, attribute: string): number | undefined {
  const text = attributes.get(attribute);
  if (text === undefined) return undefined;
  const at = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw malformed(`${attribute} of ${name} is no time in UTC`);
  return at;
}

export function malformed(why: string): ApplianceError {
  return new ApplianceError('malformed', 'saml.malformed', `this is no SAML as it should be: ${why}`);
}

function decode(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw malformed('it is no UTF-8 text');
  }
  if (NO_XML_CHARACTER.test(text)) throw malformed('it holds characters XML has not');
  return text.replace(/\r\n?/g, '\n');
}

/** Of an element that is being read. */
interface Open {
  readonly qname: string;
  readonly name: string;
  readonly namespace: string;
  readonly attributes: Map<string, string>;
  readonly scope: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  text: string;
}

class Reader {
  readonly #xml: string;
  readonly #open: Open[] = [];
  #at = 0;
  #elements = 0;
  #root: XmlElement | null = null;

  constructor(xml: string) {
    this.#xml = xml;
  }

  read(): XmlElement {
    this.#take(DECLARATION);
    while (this.#at < this.#xml.length) {
      this.#readText();
      if (this.#at === this.#xml.length) break;
      const closed = this.#take(CLOSE);
      if (closed === undefined) this.#readOpen();
      else this.#close(closed[1] ?? '');
    }
    if (this.#root === null || this.#open.length > 0) throw malformed('it ends too early');
    return this.#root;
  }

  #readText(): void {
    const next = this.#xml.indexOf('<', this.#at);
    const end = next === -1 ? this.#xml.length : next;
    const text = this.#xml.slice(this.#at, end);
    this.#at = end;
    const open = this.#open.at(-1);
    if (open === undefined) {
      if (text.trim() !== '') throw malformed('there is text outside of its element');
      return;
    }
    if (text.includes(']]>')) throw malformed('it holds a CDATA section’s end');
    open.text += resolveEntities(text);
  }

  #readOpen(): void {
    const tag = this.#take(OPEN);
    if (tag === undefined) throw malformed('it holds a document type, comment, instruction, CDATA or a broken tag');
    if (this.#root !== null) throw malformed('it has two roots');
    this.#elements += 1;
    if (this.#elements > MAX_ELEMENTS) throw malformed(`it has more than ${MAX_ELEMENTS} elements`);
    if (this.#open.length >= MAX_DEPTH) throw malformed(`it is nested deeper than ${MAX_DEPTH}`);
    const raw = new Map<string, string>();
    for (let found = this.#take(ATTRIBUTE); found !== undefined; found = this.#take(ATTRIBUTE)) {
      const [, name = '', quoted = ''] = found;
      if (raw.has(name)) throw malformed('an element has an attribute twice');
      if (raw.size >= MAX_ATTRIBUTES) throw malformed(`an element has more than ${MAX_ATTRIBUTES} attributes`);
      raw.set(name, resolveEntities(quoted.slice(1, -1).replace(/[\t\n]/g, ' ')));
    }
    const end = this.#take(TAG_END);
    if (end === undefined) throw malformed('it holds a broken tag');
    const qname = tag[1] ?? '';
    this.#open.push(begin(qname, raw, this.#open.at(-1)?.scope ?? new Map([['xml', XML_NAMESPACE]])));
    if (end[1] === '/') this.#close(qname);
  }

  #close(qname: string): void {
    const open = this.#open.pop();
    if (open?.qname !== qname) throw malformed('its tags are not closed in their order');
    const { name, namespace, attributes, children, text } = open;
    if (children.length > 0 && text.trim() !== '') throw malformed('there is text beside elements');
    const element = { name, namespace, attributes, children, text: children.length > 0 ? '' : text };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = element;
    else parent.children.push(element);
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#xml) ?? undefined;
    if (found !== undefined) this.#at = pattern.lastIndex;
    return found;
  }
}

function begin(qname: string, raw: ReadonlyMap<string, string>, outer: ReadonlyMap<string, string>): Open {
  const scope = new Map(outer);
  for (const [name, value] of raw) {
    if (name === 'xmlns') scope.set('', value);
    else if (name.startsWith('xmlns:')) scope.set(name.slice(6), value);
  }
  const attributes = new Map<string, string>();
  for (const [name, value] of raw) {
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue;
    const [namespace, local] = name.includes(':') ? resolveName(name, scope) : ['', name];
    const key = namespace === '' ? local : `{${namespace}}${local}`;
    if (attributes.has(key)) throw malformed('an element has an attribute twice');
    attributes.set(key, value);
  }
  const [namespace, name] = resolveName(qname, scope);
  return { qname, name, namespace, attributes, scope, children: [], text: '' };
}

function resolveName(qname: string, scope: ReadonlyMap<string, string>): readonly [namespace: string, name: string] {
  const colon = qname.indexOf(':');
  const prefix = colon === -1 ? '' : qname.slice(0, colon);
  const namespace = scope.get(prefix) ?? (prefix === '' ? '' : undefined);
  if (namespace === undefined || (prefix !== '' && namespace === '')) throw malformed('a prefix stands for nothing');
  return [namespace, qname.slice(colon + 1)];
}

function resolveEntities(text: string): string {
  return text.replace(ENTITY, (_whole, named?: string, decimal?: string, hex?: string) => {
    if (named !== undefined) return NAMED[named] ?? '';
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    const character = code <= 0x10ffff ? String.fromCodePoint(code) : '';
    if (character === '' || NO_XML_CHARACTER.test(character)) throw malformed('it holds an entity of its own');
    return character;
  });
}

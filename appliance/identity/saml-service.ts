// The appliance as a SAML service provider: its entity id and addresses, the key it signs requests with, its metadata, and
// the messages it sends. That key opens nothing: whoever had it could ask an identity provider in our name, no more. So it
// is kept in the encrypted store.
import { createPrivateKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { generateServiceProviderMetadata, SAML as SamlLibrary } from '@node-saml/node-saml';
import { signSamlPost } from '@node-saml/node-saml/lib/saml-post-signing.js';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { writeOwnCertificate } from '../pki/certificates.ts';
import { escapeXml } from '../protocol/xml-text.ts';
import type { Store } from '../store/store.ts';
import { type Idp, toPem } from './saml-idp.ts';
import type { SamlRequest } from './saml-requests.ts';
import type { SamlLogin } from './saml-store.ts';
import { SAML, SAMLP } from './saml-xml.ts';

const KEY_SETTING = 'identity.saml-key';
const Key = z.strictObject({ privateKey: z.string(), certificate: z.string() });
type Key = z.infer<typeof Key>;
const SHA_256 = { signatureAlgorithm: 'sha256', digestAlgorithm: 'sha256' } as const;

/** Where a browser takes a message: by going there, or by sending a form. */
export type Sending =
  | { readonly kind: 'redirect'; readonly url: string }
  | { readonly kind: 'post'; readonly url: string; readonly fields: Readonly<Record<string, string>> };

export class SamlService {
  readonly entityId: string;
  readonly acsUrl: string;
  readonly logoutUrl: string;
  readonly origin: string;
  readonly #store: Store;
  readonly #clock: Clock;

  /** @param origin of our pages: `https://support.example.com` */
  constructor(origin: string, store: Store, clock: Clock) {
    this.origin = origin;
    this.entityId = `${origin}/saml/metadata`;
    this.acsUrl = `${origin}/saml/acs`;
    this.logoutUrl = `${origin}/saml/logout`;
    this.#store = store;
    this.#clock = clock;
  }

  /** Our metadata file, for the identity provider. */
  async metadata(): Promise<string> {
    const { privateKey, certificate } = await this.#key();
    return generateServiceProviderMetadata({
      issuer: this.entityId,
      callbackUrl: this.acsUrl,
      logoutCallbackUrl: this.logoutUrl,
      identifierFormat: null,
      wantAssertionsSigned: true,
      privateKey,
      publicCerts: certificate,
      ...SHA_256,
    });
  }

  /** Asks a person to sign in there, again if he is to prove that it is he. */
  async request(idp: Idp, { id, confirms }: SamlRequest, relayState: string): Promise<Sending> {
    const { privateKey, certificate } = await this.#key();
    const isPost = idp.signInBinding === 'post';
    const library = new SamlLibrary({
      idpCert: idp.certificates.map(toPem),
      issuer: this.entityId,
      callbackUrl: this.acsUrl,
      entryPoint: idp.signInUrl,
      identifierFormat: null,
      disableRequestedAuthnContext: true, // how people sign in there is that provider's affair
      forceAuthn: confirms !== null,
      generateUniqueId: () => id,
      skipRequestCompression: isPost, // bindings §3.5.4: a form holds it as it is
      privateKey,
      publicCert: certificate,
      ...SHA_256,
    });
    if (!isPost) return { kind: 'redirect', url: await library.getAuthorizeUrlAsync(relayState, undefined, {}) };
    const fields = await library.getAuthorizeMessageAsync(relayState, undefined, {});
    return { kind: 'post', url: idp.signInUrl, fields: fields as Record<string, string> }; // all of its values are texts
  }

  logoutRequest(idp: Idp, login: SamlLogin): Promise<Sending | null> {
    const format = login.nameIdFormat === '' ? '' : ` Format="${escapeXml(login.nameIdFormat)}"`;
    const index =
      login.sessionIndex === null ? '' : `<p:SessionIndex>${escapeXml(login.sessionIndex)}</p:SessionIndex>`;
    const body = `<a:NameID${format}>${escapeXml(login.nameId)}</a:NameID>${index}`;
    return this.#logout(idp, 'SAMLRequest', 'LogoutRequest', '', body, null);
  }

  /** @param requestId ID of what is answered */
  logoutResponse(idp: Idp, requestId: string, relayState: string | null): Promise<Sending | null> {
    const body = '<p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>';
    const answers = ` InResponseTo="${escapeXml(requestId)}"`;
    return this.#logout(idp, 'SAMLResponse', 'LogoutResponse', answers, body, relayState);
  }

  async #logout(idp: Idp, field: string, name: string, more: string, body: string, relayState: string | null) {
    const url = idp.logoutUrl;
    if (url === null) return null;
    const { privateKey } = await this.#key();
    const at = new Date(this.#clock.now()).toISOString();
    const id = `_${randomBytes(20).toString('hex')}`;
    const head = `ID="${id}" Version="2.0" IssueInstant="${at}" Destination="${escapeXml(url)}"${more}`;
    const xml = [
      `<p:${name} xmlns:p="${SAMLP}" xmlns:a="${SAML}" ${head}>`,
      `<a:Issuer>${escapeXml(this.entityId)}</a:Issuer>${body}</p:${name}>`,
    ].join('');
    const signed = signSamlPost(xml, `/*[local-name(.)="${name}"]`, { privateKey, ...SHA_256 });
    const fields = { [field]: Buffer.from(signed).toString('base64'), ...(relayState && { RelayState: relayState }) };
    return { kind: 'post', url, fields } as const;
  }

  /** Made when it is first needed. */
  async #key(): Promise<Key> {
    const { settings, core } = this.#store;
    const stored = await settings.get(KEY_SETTING, Key);
    if (stored !== undefined) return stored;
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 3072 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const certificate = writeOwnCertificate('Single sign-on', createPrivateKey(pem), this.#clock.now());
    return core.transaction(async tx => {
      const meanwhile = await settings.get(KEY_SETTING, Key, tx);
      if (meanwhile !== undefined) return meanwhile;
      const made = { privateKey: pem, certificate };
      await settings.set(tx, KEY_SETTING, made);
      return made;
    });
  }
}

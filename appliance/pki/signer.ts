// The signer: the one process that opens the CA, code-signing, session-signing and log-head keys. Others ask it for fixed
// verbs over a Unix socket; it knows them by the kernel's word, counts and logs each use, and never signs given bytes
// outside of a purpose.
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { canonicalBytes } from '../protocol/canonical-json.ts';
import { AppletKeys } from './applet-keys.ts';
import { certificateNames, writeCertificateRequest, writeServerCertificate } from './certificates.ts';
import { loadPrivateKey, PUBLIC_FOLDER } from './key-files.ts';
import { LogHeads } from './log-heads.ts';
import { makeRequestKey } from './own-certificate.ts';
import { completeReceipt, completeSessionObject, type SignedObject } from './session-objects.ts';
import {
  DOMAINS,
  keyId,
  PURPOSES,
  type PublicKeyInfo,
  type Purpose,
  publicKeyInfo,
  type Signature,
  signPayload,
} from './signature.ts';
import { CALLS_PER_MINUTE, type Request, requests, type Verb } from './signer-verbs.ts';

export interface SignerOptions {
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Starts a build of the applets where one is due. @returns how things stand */
  readonly buildApplet?: () => Promise<string>;
}

type Keys = ReadonlyMap<
  Purpose,
  { readonly privateKey: KeyObject; readonly kid: string; readonly info: PublicKeyInfo }
>;
/** A signature and what it is over: base64url of the canonical bytes, with the key's id in them. */
export interface SignedPayload extends Signature {
  readonly payload: string;
}

const MINUTE_MS = 60_000;
const TAG_START = Buffer.from('RSATAG\x01', 'latin1'); // all that the tag key ever signs begins so
const generate = promisify(generateKeyPair);

export class Signer {
  readonly #dataFolder: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #uses: Counter;
  readonly #keys: Keys;
  readonly #heads: LogHeads;
  readonly #calls = new Map<Verb, { since: number; count: number }>();
  readonly #appletKeys: AppletKeys;
  readonly #buildApplet: () => Promise<string>;

  /** @throws ApplianceError `keys.missing`, `keys.damaged`, `keys.exposed` */
  constructor({ dataFolder, clock, log, metrics, buildApplet = noBuilds }: SignerOptions) {
    this.#dataFolder = dataFolder;
    this.#clock = clock;
    this.#log = log;
    this.#uses = metrics.counter('signer_uses_total', 'Uses of private keys by verb and outcome.');
    this.#keys = loadKeys(dataFolder);
    this.#heads = new LogHeads(dataFolder);
    this.#appletKeys = new AppletKeys(dataFolder, clock.now());
    this.#buildApplet = buildApplet;
  }

  close(): void {
    this.#appletKeys.close();
  }

  /**
   * @param body parsed JSON, not yet checked
   * @throws ApplianceError `signer.malformed`, `signer.limited`, `signer.log-not-continued`, `signer.second-applet-key`
   */
  async do(verb: Verb, body: unknown): Promise<unknown> {
    try {
      this.#count(verb);
      const answer = await this.#verbs[verb](body);
      this.#uses.add({ verb, outcome: 'done' });
      return answer;
    } catch (error) {
      const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
      this.#uses.add({ verb, outcome: code });
      this.#log.warn('signer.refused', { verb, code });
      throw error;
    }
  }

  readonly #verbs: Record<Verb, (body: unknown) => unknown> = {
    'sign-log-head': body => this.#signLogHead(parse('sign-log-head', body)),
    'sign-session-object': body => this.#signSessionObject(parse('sign-session-object', body)),
    'sign-receipt': body => this.#signReceipt(parse('sign-receipt', body).payload),
    'sign-gateway-list': body =>
      this.#signObject('sign-gateway-list', 'gateway-list', parse('sign-gateway-list', body).payload),
    'sign-manifest': body => this.#signObject('sign-manifest', 'manifest', parse('sign-manifest', body).payload),
    'sign-tag': body => this.#signTag(parse('sign-tag', body).payload),
    'issue-server-certificate': body => this.#issue(parse('issue-server-certificate', body)),
    'write-certificate-request': body => this.#request(parse('write-certificate-request', body)),
    'public-keys': body => {
      parse('public-keys', body);
      return Object.fromEntries([...this.#keys].map(([purpose, { info }]) => [purpose, info]));
    },
    'build-applet': async body => {
      parse('build-applet', body);
      return { state: await this.#buildApplet() };
    },
  };

  #signLogHead({ log, seq, hash }: Request<'sign-log-head'>): SignedPayload {
    this.#heads.check({ log, seq, hash });
    const signed = this.#signObject('sign-log-head', 'log-head', { log, seq, hash });
    this.#heads.remember({ log, seq, hash });
    return signed;
  }

  #signSessionObject({ type, payload, restart }: Request<'sign-session-object'>): SignedPayload {
    const now = this.#clock.now();
    const object = completeSessionObject(type, payload, this.#key('session').kid, now);
    if (object.applet !== null) {
      this.#appletKeys.register(object.applet.sid, object.applet.keys, restart === true, now);
    }
    return this.#sign('sign-session-object', 'session', object.payload);
  }

  /** The key's id is part of what is signed. */
  #signObject(verb: Verb, purpose: Purpose, object: SignedObject): SignedPayload {
    const { kid } = this.#key(purpose);
    if (object.kid !== undefined && object.kid !== kid) throw malformed('kid is another one');
    return this.#sign(verb, purpose, canonicalBytes({ ...object, kid }));
  }

  /** Of the recorder: only what an applet reads as a receipt of now. */
  #signReceipt(receipt: SignedObject): SignedPayload {
    const { kid } = this.#key('receipts');
    if (receipt.kid !== undefined && receipt.kid !== kid) throw malformed('kid is another one');
    return this.#sign('sign-receipt', 'receipts', completeReceipt(receipt, kid, this.#clock.now()));
  }

  #signTag(payload: string): SignedPayload {
    const bytes = fromBase64Url(payload);
    if (!TAG_START.equals(bytes.subarray(0, TAG_START.length))) throw malformed('that is not the head of a tag');
    return this.#sign('sign-tag', 'tag', bytes);
  }

  #sign(verb: Verb, purpose: Purpose, payload: Uint8Array): SignedPayload {
    const { privateKey, kid } = this.#key(purpose);
    const signature = signPayload(DOMAINS[purpose], payload, privateKey);
    this.#log.info('signer.used', { verb, purpose, kid });
    return { kid, signature, payload: toBase64Url(payload) };
  }

  async #issue({ names, addresses }: Request<'issue-server-certificate'>) {
    const { privateKey, publicKey } = await generate('rsa', { modulusLength: 2048 });
    const issuer = {
      certificate: readFileSync(join(this.#dataFolder, PUBLIC_FOLDER, 'ca.crt'), 'utf8'),
      privateKey: loadPrivateKey(this.#dataFolder, 'ca.key'),
    };
    const all = certificateNames([...names, ...addresses]);
    const certificate = writeServerCertificate(all, publicKey, issuer, this.#clock.now());
    const kid = keyId(createPublicKey(issuer.privateKey));
    this.#log.info('signer.used', { verb: 'issue-server-certificate', purpose: 'ca', kid, names: all });
    return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  async #request({ names, organisation }: Request<'write-certificate-request'>): Promise<{ request: string }> {
    const { label, privateKey } = await makeRequestKey(this.#dataFolder);
    const kid = keyId(createPublicKey(privateKey));
    this.#log.info('signer.used', { verb: 'write-certificate-request', purpose: label, kid, names });
    return { request: writeCertificateRequest(names, organisation, privateKey) };
  }

  #key(purpose: Purpose) {
    const key = this.#keys.get(purpose);
    if (key === undefined) throw new ApplianceError('missing', 'keys.missing', `no key for ${purpose}`);
    return key;
  }

  #count(verb: Verb): void {
    const now = this.#clock.monotonic();
    const calls = this.#calls.get(verb);
    if (calls === undefined || now - calls.since >= MINUTE_MS) {
      this.#calls.set(verb, { since: now, count: 1 });
    } else if (++calls.count > CALLS_PER_MINUTE[verb]) {
      throw new ApplianceError('limited', 'signer.limited', `${verb} is used more often than it ever needs to be`);
    }
  }
}

function loadKeys(dataFolder: string): Keys {
  const entries = PURPOSES.map(purpose => {
    const privateKey = loadPrivateKey(dataFolder, `${purpose}.key`);
    const publicKey = createPublicKey(privateKey);
    return [purpose, { privateKey, kid: keyId(publicKey), info: publicKeyInfo(publicKey) }] as const;
  });
  return new Map(entries);
}

function parse<V extends Verb>(verb: V, body: unknown): Request<V> {
  const schema: z.ZodType = requests[verb];
  const result = schema.safeParse(body);
  if (result.success) return result.data as Request<V>;
  const { path, message } = result.error.issues[0] ?? { path: [], message: '' };
  throw malformed(`${verb}: ${path.join('.')} ${message}`);
}

async function noBuilds(): Promise<string> {
  throw new ApplianceError('missing', 'signer.no-builds', 'this signer builds no applets');
}

function malformed(what: string): ApplianceError {
  return new ApplianceError('malformed', 'signer.malformed', what);
}

// Checks an evidence bundle without the appliance (K-03 G-03 H-05): the zip, each file, the signatures, the part of the log, what
// the applet signed, the recordings. It goes on after what it finds wrong, so that everything wrong is named.
import { describeError } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import { type Bytes, malformed, utf8Text } from './bytes.ts';
import {
  type EvidenceManifest,
  MANIFEST_DOMAIN,
  MANIFEST_FILE,
  MAX_EVIDENCE_MANIFEST_BYTES,
  readObject,
  SIGNATURE_FILE,
} from './evidence.ts';
import { checkChain, checkRecordings, checkStatements } from './evidence-facts.ts';
import { signedMessage } from './signed.ts';
import { type ByteSource, dataOf, readZip, type ZipEntry } from './zip.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;
const MAX_SIGNATURE_FILE_BYTES = 64 * 1024;
const MAX_PROBLEMS = 100;

export interface EvidenceCrypto {
  newHash(): { add(bytes: Bytes): void; digest(): Bytes };
  /** May throw for a key that is none. */
  verifyEs256(spki: Bytes, message: Bytes, signature: Bytes): Promise<boolean>;
}

export interface EvidenceProblem {
  /** A file of the bundle, `zip`, `signature`, or what of the manifest: `entry 17`. */
  readonly where: string;
  readonly what: string;
}

export interface EvidenceVerdict {
  /** Nothing is wrong, and it is signed by the key that was trusted. */
  readonly holds: boolean;
  readonly problems: readonly EvidenceProblem[];
  /** What holds, in plain words. */
  readonly facts: readonly string[];
  /** What is no fault and must be known all the same. */
  readonly notes: readonly string[];
  /** Fingerprint of the key the bundle says it is signed with; null where it can't be read. */
  readonly signedBy: string | null;
  readonly manifest: EvidenceManifest | null;
}

export interface EvidenceOptions {
  readonly crypto: EvidenceCrypto;
  /** Fingerprint of the appliance's key, from elsewhere: SHA-256 of its SPKI, 64 hexadecimal digits. */
  readonly trusted: string;
  /** Bytes looked at so far, of all. */
  readonly onProgress?: (done: number, all: number) => void;
}

export async function checkEvidence(source: ByteSource, options: EvidenceOptions): Promise<EvidenceVerdict> {
  const check = new EvidenceCheck(source, options);
  await check.attempt('zip', () => check.run());
  return check.verdict();
}

/** @param spki DER @returns 64 hexadecimal digits */
export function keyFingerprint({ newHash }: EvidenceCrypto, spki: Bytes): string {
  const hash = newHash();
  hash.add(spki);
  return Array.from(hash.digest(), byte => byte.toString(16).padStart(2, '0')).join('');
}

/** @param text PEM of a public key, or its fingerprint with or without colons and spaces @returns the fingerprint; undefined for anything else */
export function trustedFingerprint(crypto: EvidenceCrypto, text: string): string | undefined {
  const digits = text.replace(/[\s:]/g, '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  const [, base64 = ''] = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*$/.exec(text) ?? [];
  const url = base64.replace(/[\s=]/g, '').replaceAll('+', '-').replaceAll('/', '_');
  return url === '' ? undefined : keyFingerprint(crypto, fromBase64Url(url));
}

/** What the parts of a check have in common. */
export class EvidenceCheck {
  readonly crypto: EvidenceCrypto;
  readonly facts: string[] = [];
  readonly notes: string[] = [];
  readonly #source: ByteSource;
  readonly #options: EvidenceOptions;
  readonly #problems: EvidenceProblem[] = [];
  #signedBy: string | null = null;
  #manifest: EvidenceManifest | null = null;
  /** Also of those there is no room for. */
  #wrong = 0;
  #isRun = false;
  #done = 0;

  constructor(source: ByteSource, options: EvidenceOptions) {
    this.#source = source;
    this.#options = options;
    this.crypto = options.crypto;
  }

  problem(where: string, what: string): void {
    this.#wrong++;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ where, what });
  }

  /** What can't be read is a fault of the bundle, not of the verifier. */
  async attempt(where: string, part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.problem(where, `it can't be read: ${describeError(error)}`);
    }
  }

  /** Adds a fact where the part found nothing wrong. */
  async fact(where: string, part: () => Promise<string | null>): Promise<void> {
    const before = this.#wrong;
    await this.attempt(where, async () => {
      const fact = await part();
      if (fact !== null && this.#wrong === before) this.facts.push(fact);
    });
  }

  sha256(...parts: readonly Bytes[]): string {
    const hash = this.crypto.newHash();
    for (const part of parts) hash.add(part);
    return toBase64Url(hash.digest());
  }

  /** All in base64url. */
  isSigned(domain: string, spki: string, payload: Bytes, signature: string): Promise<boolean> {
    const message = signedMessage(domain, payload);
    return this.crypto.verifyEs256(fromBase64Url(spki), message, fromBase64Url(signature));
  }

  async run(): Promise<void> {
    const { entries, faults } = await readZip(this.#source);
    for (const { name, what } of faults) this.problem(name ?? 'zip', what);
    const bytes = await this.#small(entries, MANIFEST_FILE, MAX_EVIDENCE_MANIFEST_BYTES);
    if (bytes === null) return;
    const manifest = readManifest(bytes);
    if (manifest === null)
      return this.problem(MANIFEST_FILE, 'it can’t be read: it was changed, or is of another version');
    this.#manifest = manifest;
    await this.fact(SIGNATURE_FILE, () => this.#checkSignature(entries, bytes, manifest));
    await this.fact(MANIFEST_FILE, () => this.#checkFiles(entries, manifest));
    await this.fact('log', () => checkChain(this, manifest));
    await this.fact('consents', () => checkStatements(this, manifest));
    await this.fact('recordings', () => checkRecordings(this, manifest));
    this.#isRun = true;
  }

  verdict(): EvidenceVerdict {
    const isTrusted = this.#signedBy !== null && this.#signedBy === this.#options.trusted;
    const holds = this.#isRun && isTrusted && this.#wrong === 0;
    const [problems, signedBy, manifest] = [this.#problems, this.#signedBy, this.#manifest];
    return { holds, problems, facts: this.facts, notes: this.notes, signedBy, manifest };
  }

  async #checkSignature(
    entries: readonly ZipEntry[],
    bytes: Bytes,
    manifest: EvidenceManifest,
  ): Promise<string | null> {
    const spki = fromBase64Url(manifest.keys.manifest);
    this.#signedBy = keyFingerprint(this.crypto, spki);
    if (this.#signedBy !== this.#options.trusted)
      this.problem('signature', `it is signed by the key ${this.#signedBy}, not by the one you trust`);
    const file = await this.#small(entries, SIGNATURE_FILE, MAX_SIGNATURE_FILE_BYTES);
    if (file === null) return null;
    const { kid, payload, signature } = readObject(file);
    if (typeof payload !== 'string' || typeof signature !== 'string') throw malformed('no signature');
    const said = readObject(fromBase64Url(payload));
    if (said.sha256 !== this.sha256(bytes) || said.bytes !== bytes.length || said.sid !== manifest.sid)
      this.problem(MANIFEST_FILE, 'it is not the manifest the appliance signed: it was changed');
    const isSigned = await this.isSigned(MANIFEST_DOMAIN, manifest.keys.manifest, fromBase64Url(payload), signature);
    if (!isSigned || said.type !== 'evidence' || said.v !== 1 || said.kid !== kid)
      this.problem(SIGNATURE_FILE, 'the appliance’s signature does not hold: it was changed, or is another key’s');
    return 'The manifest is signed by the appliance you trust.';
  }

  async #checkFiles(entries: readonly ZipEntry[], { files }: EvidenceManifest): Promise<string> {
    const names = [MANIFEST_FILE, SIGNATURE_FILE, ...files.map(({ name }) => name)];
    for (const { name } of entries) if (!names.includes(name)) this.problem(name, 'it does not belong to the bundle');
    const known = entries.filter(({ name }) => names.includes(name)).map(({ name }) => name);
    const here = names.filter(name => known.includes(name));
    if (known.join('\n') !== here.join('\n'))
      this.problem('zip', 'its files are in another order, or one is there twice');
    for (const { name, bytes, sha256 } of files) {
      const entry = entries.find(one => one.name === name);
      if (entry === undefined) this.problem(name, 'it is missing');
      else if (entry.bytes !== bytes) this.problem(name, `it has ${entry.bytes} bytes, not ${bytes}`);
      else await this.attempt(name, () => this.#checkFile(entry, sha256));
    }
    return `All ${files.length} files are the ones the manifest names, byte for byte.`;
  }

  async #checkFile(entry: ZipEntry, sha256: string): Promise<void> {
    const hash = this.crypto.newHash();
    const from = dataOf(entry);
    for (let at = 0; at < entry.bytes; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, entry.bytes - at);
      hash.add(await this.#source.read(from + at, length));
      this.#done += length;
      this.#options.onProgress?.(this.#done, this.#source.size);
    }
    if (toBase64Url(hash.digest()) !== sha256) this.problem(entry.name, 'it was changed: its SHA-256 is another');
  }

  async #small(entries: readonly ZipEntry[], name: string, most: number): Promise<Bytes | null> {
    const entry = entries.find(one => one.name === name);
    if (entry === undefined) this.problem(name, 'it is missing');
    else if (entry.bytes > most) this.problem(name, 'it is too large');
    else return this.#source.read(dataOf(entry), entry.bytes);
    return null;
  }
}

/** Only what everything else leans on is looked at: what is not as it should be deeper in it is found where it is used. */
function readManifest(bytes: Bytes): EvidenceManifest | null {
  try {
    const value = JSON.parse(utf8Text(bytes));
    const { files, recordings, statements, chain, keys, sid, session } = value;
    const lists = [files, recordings, statements, chain?.entries];
    const isKnown =
      value.type === 'evidence' && value.v === 1 && typeof sid === 'string' && typeof session === 'object';
    return isKnown && session !== null && typeof keys?.manifest === 'string' && lists.every(list => Array.isArray(list))
      ? value
      : null;
  } catch {
    return null; // told by the caller
  }
}
